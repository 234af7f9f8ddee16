"""The list of a release's files with their sha256, and the content hash that is its identity."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints, ValidationError

from curation.errors import IntegrityError
from curation.ids import canonical_json, sha256_bytes, sha256_json
from curation.records import Record, ReleasedItem, Sha256

MANIFEST = "manifest.json"
FORMAT = "mmke-forge-release/1"


class Manifest(Record):
    """What a release is made of: files maps a relative POSIX path to the sha256 of its bytes."""

    format: Annotated[str, StringConstraints(pattern=r"^mmke-forge-release/1$")]
    version: str
    content_sha256: Sha256
    drafter: str
    is_llm: bool
    files: dict[str, Sha256]


def content_sha256(items: Sequence[ReleasedItem]) -> str:
    """Return the release's identity: the sha256 of the canonical JSON of its items, pictures by their hashes.

    It does not depend on the versions of DuckDB, Arrow or Pillow that wrote the files.
    """
    return sha256_json([entry.model_dump(mode="json") for entry in items])


def write_manifest(
    folder: Path, version: str, items: Sequence[ReleasedItem], drafter: str, is_llm: bool
) -> Manifest:
    """Hash every file under folder and write the manifest beside them."""
    listed = {
        path.relative_to(folder).as_posix(): sha256_bytes(path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest = Manifest(
        format=FORMAT,
        version=version,
        content_sha256=content_sha256(items),
        drafter=drafter,
        is_llm=is_llm,
        files=listed,
    )
    (folder / MANIFEST).write_text(canonical_json(manifest.model_dump(mode="json")) + "\n")
    return manifest


def verified_files(folder: Path) -> tuple[Manifest, dict[str, bytes]]:
    """Read a release folder once and return its manifest and the bytes that were hashed.

    Raises IntegrityError naming the first file that is missing, changed, added, or no plain file.
    """
    manifest = _read_manifest(folder)
    present = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise IntegrityError(
                f"release {folder}: {name} is a link or no plain file; get the release again"
            )
        present[name] = path
    present.pop(MANIFEST)
    _compare(folder, set(manifest.files), set(present))
    data = {}
    for name, path in present.items():
        data[name] = path.read_bytes()
        if sha256_bytes(data[name]) != manifest.files[name]:
            raise IntegrityError(f"release {folder}: {name} was changed; get the release again")
    return manifest, data


def _compare(folder: Path, listed: set[str], present: set[str]) -> None:
    for name in sorted(listed - present):
        raise IntegrityError(f"release {folder}: {name} is missing; get the release again")
    for name in sorted(present - listed):
        raise IntegrityError(
            f"release {folder}: {name} does not belong to it; remove it or get the release again"
        )


def _read_manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    try:
        return Manifest.model_validate(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise IntegrityError(f"{folder} is no release: it has no {MANIFEST}") from error
    except (ValueError, ValidationError) as error:
        raise IntegrityError(f"release {folder}: {MANIFEST} is damaged; get the release again") from error
