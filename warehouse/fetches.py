"""What was fetched from the network: bodies among the artefacts, and a journal of requests beside them."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from curation.atomic import sync_folder
from curation.errors import IntegrityError
from warehouse.artefacts import Artefacts

_DIGITS = 64  # of the sha256 of a key, with which every line begins


class FetchEntry(Protocol):
    """A record on its way in: key of the request, record as JSON value, body if it has one."""

    @property
    def key(self) -> str:
        """Return the key of the request."""
        ...

    @property
    def record(self) -> dict[str, Any]:
        """Return the record as a JSON value."""
        ...

    @property
    def body(self) -> bytes | None:
        """Return the body, None when there is none."""
        ...


class Fetches:
    """Records by request. Each writing process has a journal of its own under root/fetches, only appended to.

    A line is the sha256 of the request's key, a blank, and the record as JSON; the newest line of a key
    counts, in the order of the journals' numbers. A last line without its end is of a killed process: it
    is passed over. In memory are about 300 bytes a request, not the records.
    """

    def __init__(self, artefacts: Artefacts) -> None:
        """Read where every record lies; nothing is written before the first keep."""
        self._artefacts = artefacts
        self._folder = artefacts.root / "fetches"
        self._lock = threading.Lock()
        self._places: dict[bytes, tuple[int, int]] = {}
        self._journal: tuple[int, int] | None = None
        self._end = 0
        self._used: int | None = None
        for number in self._numbers():
            self._read(number)

    def find(self, key: str) -> dict[str, Any] | None:
        """Return the newest record of a request, None when there is none.

        Raises IntegrityError when its line is damaged.
        """
        digest = sha256(key.encode()).digest()
        place = self._places.get(digest)
        return None if place is None else self._record(digest.hex(), *place)

    def body(self, sha256: str) -> bytes:
        """Return a kept body. Raises IntegrityError when it is missing or damaged."""
        return self._artefacts.get(sha256)

    def keep(self, entries: Sequence[FetchEntry]) -> None:
        """Keep bodies, then records with the bodies' sha256 and size; all are on disk when it returns.

        After a kill between the two a body lies there without a record, and is asked for again. Raises
        OSError when the disk is full; then no record of entries counts.
        """
        with self._lock:
            bodies = [entry.body for entry in entries if entry.body is not None]
            names = iter(self._artefacts.put_many(bodies))
            if self._used is not None:
                self._used += sum(map(len, bodies))
            lines = [_line(entry, None if entry.body is None else next(names)) for entry in entries]
            number, descriptor = self._journal or self._begin()
            try:
                _write_all(descriptor, b"".join(lines))
                os.fsync(descriptor)
            except OSError:
                self._abandon(descriptor)
                raise
            for entry, line in zip(entries, lines, strict=True):
                self._places[sha256(entry.key.encode()).digest()] = (number, self._end)
                self._end += len(line)

    def used_bytes(self) -> int:
        """Return how many bytes the artefacts take: counted at the first call, then added up."""
        if self._used is None:
            objects = self._artefacts.root / "objects"
            self._used = sum(entry.stat().st_size for entry in objects.glob("*/*"))
        return self._used

    def free_bytes(self) -> int:
        """Return how many bytes are free on the disk."""
        folder = self._artefacts.root.absolute()
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def close(self) -> None:
        """Close the journal; a later keep begins another."""
        with self._lock:
            if self._journal:
                os.close(self._journal[1])
                self._journal = None

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}.jsonl"

    def _numbers(self) -> list[int]:
        return sorted(int(path.stem) for path in self._folder.glob("*.jsonl") if path.stem.isdigit())

    def _begin(self) -> tuple[int, int]:
        self._folder.mkdir(parents=True, exist_ok=True)
        number = max(self._numbers(), default=0) + 1
        while True:
            try:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
                descriptor = os.open(self._path(number), flags, 0o644)
                break
            except FileExistsError:  # another process was faster
                number += 1
        sync_folder(self._folder)
        self._journal, self._end = (number, descriptor), 0
        return self._journal

    def _abandon(self, descriptor: int) -> None:
        """Cut off what was written of a failed batch, and begin another journal with the next."""
        with suppress(OSError):
            os.ftruncate(descriptor, self._end)
        os.close(descriptor)
        self._journal = None

    def _read(self, number: int) -> None:
        at = 0
        with self._path(number).open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    self._places[bytes.fromhex(line[:_DIGITS].decode("ascii"))] = (number, at)
                except ValueError as error:
                    raise self._damaged(number, at) from error
                at += len(line)

    def _record(self, digest: str, number: int, at: int) -> dict[str, Any]:
        with self._path(number).open("rb") as file:
            file.seek(at)
            line = file.readline()
        try:
            record = json.loads(line[_DIGITS + 1 :])
        except ValueError as error:
            raise self._damaged(number, at) from error
        if line[:_DIGITS] != digest.encode() or not isinstance(record, dict):
            raise self._damaged(number, at)
        return record

    def _damaged(self, number: int, at: int) -> IntegrityError:
        message = (
            f"{self._path(number)} is damaged at byte {at}: delete it; what only it knows is asked for again"
        )
        return IntegrityError(message)


def _line(entry: FetchEntry, name: str | None) -> bytes:
    """Return the line of an entry, name being the sha256 of its body."""
    record = (
        entry.record if name is None else {**entry.record, "sha256": name, "size": len(entry.body or b"")}
    )
    digest = sha256(entry.key.encode()).hexdigest()
    return f"{digest} {json.dumps(record, sort_keys=True, separators=(',', ':'))}\n".encode()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
