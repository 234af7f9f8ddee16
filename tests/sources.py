"""Takes asynchronous sources apart for tests, and collects one picture as the flow does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from curation import images
from curation.collecting.collect import Hands, Law, collect_candidate
from curation.collecting.port import ImageSource
from curation.errors import Rejected
from curation.ids import sha256_bytes
from curation.images import Inspected
from curation.records import ImageAsset, ImageCandidate, Subject

NOW = "2026-11-23T12:00:00+00:00"


async def everything(source: ImageSource) -> list[Subject | Rejected]:
    """Return all that a source yields, in order."""
    return [entry async for entry in source.subjects()]


async def offers(source: ImageSource, *of: str) -> list[ImageCandidate]:
    """Return all pictures of some subjects, of all when none is named, in order."""
    subjects = [entry for entry in await everything(source) if isinstance(entry, Subject)]
    wanted = [subject for subject in subjects if not of or subject.subject_id in of]
    return [candidate for subject in wanted for candidate in await source.search(subject)]


def collected(
    source: ImageSource,
    candidate: ImageCandidate,
    save: Callable[[bytes], str] = sha256_bytes,
    law: Law | None = None,
) -> ImageAsset | Rejected:
    """Return what becomes of one picture, decoded in this process."""
    return asyncio.run(collect_candidate(source, candidate, hands(save), law or Law()))


def hands(save: Callable[[bytes], str] = sha256_bytes) -> Hands:
    """Return what does the work on a picture, all in this process."""

    async def kept(data: bytes) -> str:
        return save(data)

    async def inspect(key: str, data: bytes) -> Inspected | Rejected:
        return images.inspect(key, data)

    return Hands(kept, inspect, lambda: NOW)
