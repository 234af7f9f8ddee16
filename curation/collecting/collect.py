"""Turns one offered picture into a kept one, or into the reason why not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from urllib.parse import unquote

from curation import images
from curation.collecting.port import ImageSource
from curation.errors import Reason, Rejected
from curation.licences import DEFAULT_ALLOWED, attribution_line, check_licence
from curation.records import ImageAsset, ImageCandidate, Subject


def collect_candidate(
    source: ImageSource,
    candidate: ImageCandidate,
    save: Callable[[bytes], str],
    now: str,
    allowed: Collection[str] = DEFAULT_ALLOWED,
) -> ImageAsset | Rejected:
    """Check the licence, fetch, save, decode, save the derivative: in this order.

    save: keeps bytes for good and returns their sha256; what was fetched is kept even when it does not
    decode. now: ISO 8601, UTC. TransientError from the source passes through: the picture stays pending.
    """
    licence = check_licence(candidate.image_id, candidate.licence_text, allowed)
    if isinstance(licence, Rejected):
        return licence
    try:
        data = source.fetch(candidate)
    except FileNotFoundError as error:
        return Rejected(candidate.image_id, Reason.FETCH_FAILED, str(error))
    if len(data) > images.MAX_BYTES:
        return Rejected(candidate.image_id, Reason.IMAGE_TOO_LARGE, f"{len(data)} bytes are not even stored")
    stored = save(data)
    found = images.inspect(candidate.image_id, data)
    if isinstance(found, Rejected):
        return found
    title = _title(candidate)
    note = candidate.note.removeprefix(f"{title}; ")
    changes = "; ".join(part for part in ("at most 512 px, JPEG", note) if part)
    return ImageAsset(
        image_id=candidate.image_id,
        subject_id=candidate.subject_id,
        source=candidate.source,
        locator=candidate.locator,
        sha256=stored,
        derivative_sha256=save(found.derivative),
        width=found.width,
        height=found.height,
        byte_size=found.byte_size,
        media_type=found.media_type,
        licence=licence,
        author=candidate.author,
        attribution=attribution_line(title, candidate.author, licence, candidate.source_page, changes),
        source_page=candidate.source_page,
        origin=candidate.origin,
        parent=candidate.parent,
        retrieved_at=now,
    )


def without_pictures(subjects: Iterable[Subject], assets: Iterable[ImageAsset]) -> list[Rejected]:
    """Return the subjects of which no picture was kept, in order, as rejected."""
    shown = {asset.subject_id for asset in assets}
    return [
        Rejected(subject.subject_id, Reason.NO_PICTURE, f"no picture of {subject.name} could be kept")
        for subject in subjects
        if subject.subject_id not in shown
    ]


def _title(candidate: ImageCandidate) -> str:
    """Return the title of a picture: of its wiki page, else before ';' in its note, else its file name."""
    _, is_wiki, page_title = candidate.source_page.partition("/File:")
    noted, separated, _ = candidate.note.partition("; ")
    if separated and not is_wiki:
        return noted
    name = unquote(page_title) if is_wiki else candidate.locator.rpartition("/")[2]
    return name.rpartition(".")[0].replace("_", " ") or name
