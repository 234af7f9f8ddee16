"""Keeps evaluation records: one compressed file a block, complete or absent, checked whenever it is read."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import zstandard

from curation.atomic import write_atomic
from curation.errors import IntegrityError
from curation.ids import canonical_json, sha256_json
from eval.records import EvalRecord

# Ten ids at 600 positions, base and edited, are 40 KB a record; zstd makes 12 KB of it ten times as fast as
# gzip makes the same.
_ENDING = ".jsonl.zst"
_DAMAGED = ".damaged"
# No honest block comes near it; a file that claims more is not unpacked.
_MOST_BYTES = 1 << 30


def block_path(out: Path, keys: Collection[str]) -> Path:
    """Return where the block with the records of these keys lies."""
    return out / "records" / (sha256_json(sorted(keys)) + _ENDING)


def write_block(out: Path, records: Sequence[EvalRecord]) -> Path:
    """Write records as one file, a line of canonical JSON each, and return its path.

    A kill leaves nothing or all of it; workers that write the same block write the same file. Raises
    ValueError for no record or a key that is there twice.
    """
    keys = {record.key for record in records}
    if not records or len(keys) != len(records):
        raise ValueError("a block needs at least one record, and no key twice")
    lines = sorted((record.key, canonical_json(record.model_dump(mode="json"))) for record in records)
    text = "".join(line + "\n" for _, line in lines)
    path = block_path(out, keys)
    write_atomic(path, zstandard.ZstdCompressor(write_checksum=True).compress(text.encode("utf-8")))
    return path


def present_keys(out: Path) -> frozenset[str]:
    """Return the keys of all records that are there and whole; damaged files are set aside."""
    return frozenset(record.key for record in _stored(out))


def read_records(out: Path, keys: Collection[str] | None = None) -> Iterator[EvalRecord]:
    """Yield every record once, block by block in the order of the files' names; with keys only those.

    A damaged block is renamed to <name>.damaged and counts as not there. Of records with one key (two workers
    did the same) the first is taken. Raises IntegrityError at the end when one of keys is missing.
    """
    missing = set(keys) if keys is not None else None
    for record in _stored(out):
        if missing is None:
            yield record
        elif record.key in missing:
            missing.remove(record.key)
            yield record
    if missing:
        raise IntegrityError(
            f"{len(missing)} records are missing or damaged in {out / 'records'}; run mmke evaluate again"
        )


def _stored(out: Path) -> Iterator[EvalRecord]:
    seen: set[str] = set()
    for path in sorted((out / "records").glob("*" + _ENDING)):
        for record in _read_block(path):
            if record.key not in seen:
                seen.add(record.key)
                yield record


def _read_block(path: Path) -> list[EvalRecord]:
    """Return a block's records, none when it is damaged (set aside) or was just set aside by another."""
    try:
        return _checked(path, path.read_bytes())
    except FileNotFoundError:
        return []
    except (ValueError, zstandard.ZstdError):
        with contextlib.suppress(FileNotFoundError):
            path.rename(path.with_name(path.name + _DAMAGED))
        return []


def _checked(path: Path, data: bytes) -> list[EvalRecord]:
    """Return the records in a block's bytes. Raises ValueError or ZstdError for what was not written."""
    if zstandard.frame_content_size(data) > _MOST_BYTES:
        raise ValueError("the block claims to be too large")
    unpacked = zstandard.ZstdDecompressor().decompress(
        data, max_output_size=_MOST_BYTES, allow_extra_data=False
    )
    records = [EvalRecord.model_validate_json(line) for line in unpacked.splitlines()]
    for record in records:
        if record.key != record.run.key(record.case, record.step):
            raise ValueError("a record's key is not that of what it holds")
    if path.name != block_path(path.parent, [record.key for record in records]).name:
        raise ValueError("the block does not hold the records that its name says")
    return records
