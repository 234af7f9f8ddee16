"""Turns one offered picture into a kept one, or into the reason why not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from urllib.parse import unquote

from curation import images
from curation.collecting.port import ImageSource
from curation.collecting.withdrawn import WithdrawnList, withdrawn_reason
from curation.errors import Reason, Rejected
from curation.ids import sha256_bytes
from curation.images import Inspected
from curation.licences import DEFAULT_ALLOWED, attribution_line, check_licence
from curation.records import ImageAsset, ImageCandidate


@dataclass(frozen=True, slots=True)
class Law:
    """What may be collected at all: the licences on the list, less what was taken down."""

    allowed: Collection[str] = DEFAULT_ALLOWED
    withdrawn: WithdrawnList = field(default_factory=WithdrawnList)

    def licence(self, candidate: ImageCandidate) -> str | Rejected:
        """Return the SPDX licence under which a picture may be kept, or why it may not."""
        if told := withdrawn_reason(candidate, self.withdrawn):
            return Rejected(candidate.image_id, Reason.WITHDRAWN, told)
        return check_licence(candidate.image_id, candidate.licence_text, self.allowed)

    def kept(self, asset: ImageAsset) -> ImageAsset | Rejected:
        """Return the picture, unless its bytes or the address that they came from were taken down."""
        told = withdrawn_reason(asset, self.withdrawn)
        return Rejected(asset.image_id, Reason.WITHDRAWN, told) if told else asset


@dataclass(frozen=True, slots=True)
class Hands:
    """What does the work on a picture.

    save: keeps bytes for good and returns their sha256; called from threads. inspect: decodes untrusted
    bytes, away from this process where it can. now: the time as ISO 8601, UTC.
    """

    save: Callable[[bytes], Awaitable[str]]
    inspect: Callable[[str, bytes], Awaitable[Inspected | Rejected]]
    now: Callable[[], str]


async def collect_candidate(
    source: ImageSource, candidate: ImageCandidate, hands: Hands, law: Law
) -> ImageAsset | Rejected:
    """Check the law, fetch, save, decode, save the derivative: in this order.

    What was fetched, and what the source says of it, is kept even when it does not decode. TransientError
    from the source passes through: the picture stays pending.
    """
    licence = law.licence(candidate)
    if isinstance(licence, Rejected):
        return licence
    fetched = await source.fetch(candidate)
    if isinstance(fetched, Rejected):
        return fetched
    data = fetched.data
    if len(data) > images.MAX_BYTES:
        return Rejected(candidate.image_id, Reason.IMAGE_TOO_LARGE, f"{len(data)} bytes are not even stored")
    told = await hands.save(candidate.metadata.encode()) if candidate.metadata else None
    stored = await hands.save(data)
    found = await hands.inspect(candidate.image_id, data)
    if isinstance(found, Rejected):
        return found
    asset = ImageAsset(
        image_id=candidate.image_id,
        subject_id=candidate.subject_id,
        source=candidate.source,
        locator=candidate.locator,
        sha256=stored,
        derivative_sha256=await hands.save(found.derivative),
        width=found.width,
        height=found.height,
        byte_size=found.byte_size,
        media_type=found.media_type,
        licence=licence,
        author=candidate.author,
        attribution=_attribution(candidate, licence),
        source_page=candidate.source_page,
        origin=candidate.origin,
        parent=candidate.parent,
        retrieved_at=fetched.retrieved_at or hands.now(),
        final_url=fetched.final_url,
        metadata_sha256=told,
        notes=found.notes,
    )
    return law.kept(asset)


def still_holds(asset: ImageAsset, candidate: ImageCandidate, licence: str) -> bool:
    """Return whether what was kept before is what would be kept now, so that nothing needs doing."""
    same = ("subject_id", "source", "locator", "author", "source_page", "origin", "parent")
    told = sha256_bytes(candidate.metadata.encode()) if candidate.metadata else None
    return (
        all(getattr(asset, name) == getattr(candidate, name) for name in same)
        and (asset.licence, asset.metadata_sha256) == (licence, told)
        and asset.attribution == _attribution(candidate, licence)
    )


def _attribution(candidate: ImageCandidate, licence: str) -> str:
    title = _title(candidate)
    note = candidate.note.removeprefix(f"{title}; ")
    changes = "; ".join(part for part in ("at most 512 px, JPEG", note) if part)
    return attribution_line(title, candidate.author, licence, candidate.source_page, changes)


def _title(candidate: ImageCandidate) -> str:
    """Return the title of a picture: of its wiki page, else before ';' in its note, else its file name."""
    _, is_wiki, page_title = candidate.source_page.partition("/File:")
    noted, separated, _ = candidate.note.partition("; ")
    if separated and not is_wiki:
        return noted
    name = unquote(page_title) if is_wiki else candidate.locator.rpartition("/")[2]
    return name.rpartition(".")[0].replace("_", " ") or name
