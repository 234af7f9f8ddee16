"""Photographs to measure deduplication on: those of the sample, or of any folder, each different."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from curation.collecting.sample import SampleSource
from curation.deduplicating.copies import Picture, encoded
from curation.deduplicating.features import picture_features
from curation.errors import PrerequisiteError, Rejected
from curation.ids import sha256_bytes
from curation.records import ImageOrigin, Subject

SIDE = 1024
_LEAST_PIXELS, _LEAST_SIDE = 400_000, 200
# Bits of both hashes by which two photographs of a set must differ at least.
_ALIKE_BITS = 14


def of_sample(archive: Path) -> list[Picture]:
    """Return the larger photographs of the sample, RGB; PrerequisiteError where there is none."""

    async def gathered() -> list[Picture]:
        source = SampleSource(archive, archive.parent)
        found = []
        async for subject in source.subjects():
            for candidate in await source.search(subject) if isinstance(subject, Subject) else []:
                if candidate.origin is ImageOrigin.PHOTOGRAPH:
                    fetched = await source.fetch(candidate)
                    if not isinstance(fetched, Rejected):
                        found.append(Image.open(io.BytesIO(fetched.data)).convert("RGB"))
        return [picture for picture in found if picture.width * picture.height >= _LEAST_PIXELS]

    pictures = asyncio.run(gathered())
    if len(pictures) < 4:
        raise PrerequisiteError("the sample has no photographs to measure on: run `make sample`")
    return pictures


def of_folder(folder: Path) -> Iterator[Picture]:
    """Yield the pictures of a folder and its folders, RGB; files that are no pictures are passed over."""
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            with Image.open(path) as picture:
                picture.draft("RGB", (SIDE, SIDE))
                upright = ImageOps.exif_transpose(picture)
                if not upright.has_transparency_data and min(upright.size) >= _LEAST_SIDE:
                    yield upright.convert("RGB")
        except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
            continue


def different(pictures: Iterable[Picture], most: int) -> list[Picture]:
    """Return up to `most` of the pictures, evenly chosen, 1,024 px at most.

    What looks like an earlier one is passed over: the set is made of photographs that are all different.
    """
    found: list[Picture] = []
    hashes: list[tuple[int, int]] = []
    for picture in pictures:
        small = picture.copy()
        small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        made = picture_features("picture", data := encoded(small), lambda _: "0" * 64, sha256_bytes(data))
        own = int(made.phash[0], 16), int(made.dhash[0], 16)
        if all(min((own[n] ^ other[n]).bit_count() for n in (0, 1)) > _ALIKE_BITS for other in hashes):
            hashes.append(own)
            found.append(small)
    step = max(1, len(found) / most)
    return [found[int(n * step)] for n in range(min(most, len(found)))]
