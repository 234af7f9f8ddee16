"""Counts what a collecting run would meet and how long it would take; fetches no picture."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from curation.collecting.books import Offer, PictureEnd, SubjectEnd
from curation.collecting.stream import Stream
from curation.errors import PrerequisiteError, Rejected, TransientError
from curation.records import ImageAsset, ImageCandidate, Subject
from flows.paces import Paces, showing
from flows.scope import Scope
from flows.settings import Settings
from flows.terminal import say_result, show_table
from flows.wiring import artefacts, image_sources, law, open_door
from warehouse.store import read_store

TO_FETCH, HERE, UNLISTED = "to fetch", "here already", "could not be listed now"
Place = tuple[str, str]


@dataclass
class Survey:
    """What a run would meet; it stands where a real run has its books.

    pictures: by (category, source) and outcome: to fetch, here already, or the reason of a refusal. subjects:
    by outcome. hosts: pictures to fetch by (host and port, source). sizes: mean bytes of a picture by source,
    of those that were collected before.
    """

    home: Path
    pictures: dict[Place, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    subjects: Counter[str] = field(default_factory=Counter)
    hosts: Counter[Place] = field(default_factory=Counter)
    sizes: dict[str, float] = field(default_factory=dict)

    async def enter(self, subjects: Sequence[Subject], offers: Sequence[Offer]) -> Mapping[str, ImageAsset]:
        """Return the pictures kept before; nothing is entered."""
        return await asyncio.to_thread(self._known, [offer.candidate.image_id for offer in offers])

    async def settle(self, ends: Sequence[PictureEnd | SubjectEnd]) -> None:
        """Count what would become of things."""
        for end in ends:
            if isinstance(end, PictureEnd):
                self._count(end)
            elif end.rejected:
                self.subjects[str(end.rejected.reason)] += 1
            else:
                self.subjects["with pictures" if end.category else UNLISTED] += 1

    def _count(self, end: PictureEnd) -> None:
        candidate, result = end.candidate, end.result
        outcome = HERE if result else TO_FETCH
        if isinstance(result, Rejected):
            outcome = str(result.reason)
        self.pictures[end.category, candidate.source][outcome] += 1
        if result is None:
            self.hosts[_host(candidate), candidate.source] += 1

    def _known(self, keys: Iterable[str]) -> dict[str, ImageAsset]:
        try:
            with read_store(self.home) as store:
                found = store.known("image", keys)
        except PrerequisiteError:  # nothing was collected yet
            return {}
        return {key: ImageAsset.model_validate(value) for key, value in found.items()}


def survey(settings: Settings, scope: Scope) -> Survey:
    """Return what a run over a scope would meet; sources are listed and searched, as a run does."""
    return asyncio.run(_survey(settings, scope))


async def _survey(settings: Settings, scope: Scope) -> Survey:
    found = Survey(settings.home, sizes=_sizes(settings.home))

    async def leave_it(offer: Offer) -> ImageAsset | Rejected:
        raise TransientError(TO_FETCH)

    async with open_door(settings) as door:
        sources = image_sources(settings, door, scope.categories(settings))
        stream = Stream(found, leave_it, artefacts(settings).has, law(settings), scope.wanted(settings))
        async with showing(Paces("dry run", stream.tally, door).line):
            await stream.run(sources)
    return found


def show_survey(found: Survey, settings: Settings) -> None:
    """Print what a run would meet: subjects, pictures a category and source, and what it asks of hosts."""
    told = ", ".join(f"{number} {outcome}" for outcome, number in sorted(found.subjects.items()))
    say_result(f"subjects   {found.subjects.total()} = {told or 'none'}")
    outcomes = sorted({outcome for counts in found.pictures.values() for outcome in counts})
    headings = ["category", "source", "pictures", *outcomes]
    rows = [
        [*place, str(counts.total()), *(str(counts[outcome]) for outcome in outcomes)]
        for place, counts in sorted(found.pictures.items())
    ]
    show_table("Pictures that a run would meet", headings, rows)
    asked = [_asked(place, number, found.sizes, settings) for place, number in sorted(found.hosts.items())]
    show_table("What it would ask for", ["host", "source", "pictures", "MB", "at least"], asked)


def _asked(place: Place, number: int, sizes: Mapping[str, float], settings: Settings) -> list[str]:
    """Return a row: how many bytes, and the time that politeness alone takes; '?' where nothing is known."""
    host, source = place
    size = sizes.get(source)
    total = number * size if size else None
    seconds = []
    if host:
        name, _, port = host.rpartition(":")
        limits = settings.http.limits(name, int(port))
        seconds += [number / limits.per_second] if limits.per_second else []
        seconds += [total * 8e-6 / limits.megabits] if limits.megabits and total else []
    return [
        host or "(here)",
        source,
        str(number),
        f"{total / 1e6:.1f}" if total else "?",
        _spoken(max(seconds)) if seconds else "?",
    ]


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _host(candidate: ImageCandidate) -> str:
    """Return host:port of a web address, '' for a place here."""
    try:
        parts = urlsplit(candidate.locator)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:  # a run says what is wrong with it
        return ""
    return f"{parts.hostname}:{port}" if parts.scheme in ("http", "https") and parts.hostname else ""


def _sizes(home: Path) -> dict[str, float]:
    query = "SELECT payload ->> '$.source', avg((payload ->> '$.byte_size')::BIGINT) FROM current_event"
    try:
        with read_store(home) as store:
            return dict(store.rows(f"{query} WHERE kind = 'image' GROUP BY 1"))
    except PrerequisiteError:
        return {}
