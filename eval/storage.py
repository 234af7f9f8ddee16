"""Writes and reads evaluation records: one file each, complete or absent, checked when read."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from curation.atomic import write_atomic
from curation.errors import IntegrityError
from curation.ids import canonical_json
from eval.records import EvalRecord


def record_path(out: Path, key: str) -> Path:
    """Return where the record of a key lies."""
    return out / "records" / f"{key}.json"


def write_record(out: Path, record: EvalRecord) -> None:
    """Write a record under its key, atomically; a kill leaves nothing or all of it."""
    write_atomic(record_path(out, record.key), _bytes(record))


def read_record(out: Path, key: str) -> EvalRecord | None:
    """Return the record of a key, None when there is none or it is not wholly what was written."""
    try:
        data = record_path(out, key).read_bytes()
        record = EvalRecord.model_validate_json(data)
    except (FileNotFoundError, ValidationError):
        return None
    return record if record.key == key and _bytes(record) == data else None


def read_records(out: Path, keys: tuple[str, ...]) -> tuple[EvalRecord, ...]:
    """Return the records of all keys in order. Raises IntegrityError when one is missing or damaged."""
    records = []
    for key in keys:
        record = read_record(out, key)
        if record is None:
            raise IntegrityError(f"{record_path(out, key)} is missing or damaged; run mmke evaluate again")
        records.append(record)
    return tuple(records)


def _bytes(record: EvalRecord) -> bytes:
    return (canonical_json(record.model_dump(mode="json")) + "\n").encode("utf-8")
