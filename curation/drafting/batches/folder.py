"""The folder of one batch: each step that is done is a file of its own, on disk before the next begins."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from curation.atomic import sync_folder, write_atomic
from curation.drafting.batches.records import Ended, Intent
from curation.errors import IntegrityError, PrerequisiteError, TransientError
from curation.records import Record

_ID = re.compile(r"(?!.*\.\.)[A-Za-z0-9._:=+-]{1,1024}")
_R = TypeVar("_R", bound=Record)


class _Id(Record):
    id: str


class _Moment(Record):
    at: datetime


class BatchFolder:
    """What is on disk of one batch.

    input.jsonl and intent.json: what is asked, before anything is sent. uploaded.json: the file's id at the
    endpoint. submitting.json: from here on there may be a batch. batch.json: its id. output.jsonl and
    errors.jsonl: the endpoint's files as they came. waiting.json: since when they are not whole. ended.json:
    how each request ended; then the input, which can be made again, is deleted.
    """

    def __init__(self, path: Path, intent: Intent) -> None:
        """Use what make or find returned."""
        self.path = path
        self.intent = intent

    @classmethod
    def make(cls, root: Path, intent: Intent, lines: Path) -> BatchFolder:
        """Note a batch that is going to be submitted; lines: its input file, which is moved here."""
        path = root / f"{intent.number:06d}"
        with written():
            path.mkdir(parents=True)
            lines.replace(path / "input.jsonl")
            sync_folder(path)
            sync_folder(root)
            write_atomic(path / "intent.json", intent.model_dump_json().encode())
        return cls(path, intent)

    @classmethod
    def all(cls, root: Path, *, under_way: bool = False) -> Iterator[BatchFolder]:
        """Yield the batches under root in order; a folder that was killed before its intent holds none.

        under_way: only those whose requests have not all ended.
        """
        for path in sorted(root.glob("[0-9]" * 6)) if root.exists() else ():
            if under_way and (path / "ended.json").exists():
                continue
            intent = _read(path / "intent.json", Intent)
            if intent is not None:
                yield cls(path, intent)

    @property
    def input(self) -> Path:
        """Return where the lines lie that are to be uploaded."""
        return self.path / "input.jsonl"

    @property
    def output(self) -> Path:
        """Return where the endpoint's output file is kept."""
        return self.path / "output.jsonl"

    @property
    def errors(self) -> Path:
        """Return where the endpoint's error file is kept."""
        return self.path / "errors.jsonl"

    @property
    def file_id(self) -> str | None:
        """Return the input file's id at the endpoint, None before the upload."""
        return self._id("uploaded")

    @property
    def batch_id(self) -> str | None:
        """Return the batch's id, None while nobody knows it."""
        return self._id("batch")

    @property
    def submitting_since(self) -> datetime | None:
        """Return when the batch was about to be made, None before."""
        return self._moment("submitting")

    @property
    def waiting_since(self) -> datetime | None:
        """Return since when the batch is over but its files are not whole, None when they are."""
        return self._moment("waiting")

    @property
    def ended(self) -> Ended | None:
        """Return how the requests ended, None while the batch is under way."""
        return _read(self.path / "ended.json", Ended)

    def note_uploaded(self, file_id: str) -> None:
        """Note the id of the uploaded file."""
        self._note("uploaded", _Id(id=checked_id(file_id)))

    def note_batch(self, batch_id: str) -> None:
        """Note the id of the batch."""
        self._note("batch", _Id(id=checked_id(batch_id)))

    def note_submitting(self) -> None:
        """Note that the batch is about to be made."""
        self._note("submitting", _Moment(at=datetime.now(UTC)))

    def note_waiting(self) -> None:
        """Note that the batch is over but its files are not whole."""
        self._note("waiting", _Moment(at=datetime.now(UTC)))

    def note_ended(self, ended: Ended) -> None:
        """Note how the requests ended, and forget the input."""
        self._note("ended", ended)
        self.input.unlink(missing_ok=True)

    def _note(self, name: str, record: Record) -> None:
        with written():
            write_atomic(self.path / f"{name}.json", record.model_dump_json().encode())

    def _id(self, name: str) -> str | None:
        record = _read(self.path / f"{name}.json", _Id)
        return record.id if record else None

    def _moment(self, name: str) -> datetime | None:
        record = _read(self.path / f"{name}.json", _Moment)
        return record.at if record else None


@contextmanager
def written() -> Iterator[None]:
    """Raise PrerequisiteError in place of an OSError where something of a batch cannot be written."""
    try:
        yield
    except OSError as error:
        message = (
            f"cannot write what belongs to a batch ({error.strerror}): free some disk space and run again"
        )
        raise PrerequisiteError(message) from error


def next_number(root: Path) -> int:
    """Return a number that no batch under root has, not even one that was killed before its intent."""
    return max((int(path.name) for path in root.glob("[0-9]" * 6)), default=0) + 1


def clear_unfinished(root: Path) -> None:
    """Delete folders without an intent: nothing of them was ever sent."""
    for path in root.glob("[0-9]" * 6):
        if not (path / "intent.json").exists():
            shutil.rmtree(path)


def checked_id(value: str) -> str:
    """Return an endpoint's id as it may stand in an address. Raises TransientError for anything else."""
    if not _ID.fullmatch(value):
        raise TransientError("the endpoint gives an id that is none; nothing was done with it")
    return value


def _read(path: Path, kind: type[_R]) -> _R | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        message = f"{path} is damaged; restore it, or give the batch up by moving its folder away"
        raise IntegrityError(message) from error


def waiting_in(root: Path) -> frozenset[str]:
    """Return the hashes of the requests in batches under root that have not ended."""
    folders = BatchFolder.all(root, under_way=True)
    return frozenset(asked.request_sha256 for folder in folders for asked in folder.intent.asked)
