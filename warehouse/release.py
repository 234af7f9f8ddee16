"""The only door to a frozen release: open_release verifies every byte, then reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import sha256_bytes
from curation.records import ReleasedItem, Split
from warehouse.manifest import content_sha256, verified_files

ITEMS = "items.jsonl"


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


def open_release(folder: Path) -> Release:
    """Verify a release folder and return it.

    Raises PrerequisiteError when there is no such folder, IntegrityError naming what is wrong with it.
    """
    if not folder.is_dir():
        message = f"there is no release {folder}; `mmke release freeze VERSION` makes one"
        raise PrerequisiteError(message)
    manifest, data = verified_files(folder)
    try:
        lines = data[ITEMS].decode("utf-8").split("\n")
        items = tuple(ReleasedItem.model_validate_json(line) for line in lines if line)
    except (KeyError, UnicodeDecodeError, ValidationError) as error:
        message = f"release {folder}: {ITEMS} is missing or damaged; get the release again"
        raise IntegrityError(message) from error
    if content_sha256(items) != manifest.content_sha256:
        message = (
            f"release {folder}: {ITEMS} is not what the manifest's content hash says; get the release again"
        )
        raise IntegrityError(message)
    images = {sha256_bytes(body): body for name, body in data.items() if name.endswith(".jpg")}
    for entry in items:
        for image in entry.item.images:
            if image.sha256 not in images:
                message = f"release {folder}: the {image.role} picture of {entry.item.item_id} is missing"
                raise IntegrityError(message)
    return Release(
        path=folder,
        version=manifest.version,
        content_sha256=manifest.content_sha256,
        drafter=manifest.drafter,
        is_llm=manifest.is_llm,
        items=items,
        images=images,
    )
