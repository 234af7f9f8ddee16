"""The only door to a frozen release: open_release verifies every byte, then reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from curation.records import ReleasedItem, Split


@dataclass(frozen=True)
class Release:
    """A verified release, read-only.

    items are in release order; image(sha256) returns the JPEG bytes that were hashed on opening.
    content_sha256 is independent of the DuckDB and Parquet versions that wrote the files.
    """

    path: Path
    version: str
    content_sha256: str
    drafter: str
    is_llm: bool
    items: tuple[ReleasedItem, ...]
    images: dict[str, bytes]

    def image(self, sha256: str) -> bytes:
        """Return the bytes of a picture of the release; KeyError for another one."""
        return self.images[sha256]

    def split(self, split: Split) -> tuple[ReleasedItem, ...]:
        """Return the items of one split, in release order."""
        return tuple(entry for entry in self.items if entry.split is split)
