"""Immutable files by content hash: written atomically, verified when read."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from curation.atomic import write_atomic, write_many_atomic
from curation.drafting.llm import AnswerNote
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import sha256_bytes

_HEX = frozenset("0123456789abcdef")
_AMOUNT = TypeAdapter(Annotated[Decimal, Field(ge=0)])


class Artefacts:
    """Image bytes, raw model answers and raw annotations, one file each under root/objects."""

    def __init__(self, root: Path) -> None:
        """Use root as the folder; it is made when the first artefact is put."""
        self.root = root

    def path(self, sha256: str) -> Path:
        """Return where an artefact lies. Raises ValueError for anything but 64 hexadecimal digits."""
        if len(sha256) != 64 or not set(sha256) <= _HEX:
            message = f"not a sha256: {sha256[:80]!r}"
            raise ValueError(message)
        return self.root / "objects" / sha256[:2] / sha256

    def put(self, data: bytes) -> str:
        """Keep data and return its sha256; putting the same data twice keeps one file."""
        sha256 = sha256_bytes(data)
        path = self.path(sha256)
        if not path.exists():
            write_atomic(path, data)
        return sha256

    def put_many(self, bodies: Sequence[bytes]) -> list[str]:
        """Keep several at once, with fewer flushes to disk than by put; return their sha256 in order."""
        names = [sha256_bytes(data) for data in bodies]
        by_path = {self.path(name): data for name, data in zip(names, bodies, strict=True)}
        write_many_atomic({path: data for path, data in by_path.items() if not path.exists()})
        return names

    def get(self, sha256: str) -> bytes:
        """Return an artefact's bytes. Raises IntegrityError when it is missing or damaged."""
        path = self.path(sha256)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            message = f"artefact {sha256} is missing; restore {path} or run the stage that made it again"
            raise IntegrityError(message) from error
        if sha256_bytes(data) != sha256:
            message = (
                f"artefact {path} is damaged: its bytes no longer match its name; delete it and run again"
            )
            raise IntegrityError(message)
        return data

    def has(self, sha256: str) -> bool:
        """Return whether an artefact is there (its bytes are checked by get)."""
        return self.path(sha256).exists()


class Responses:
    """Raw model answers by request hash, and which requests were sent: the memory of what was paid for.

    The answers lie among the artefacts. Beside them, NAME.answer holds the note on the answer to a request,
    and NAME.sent a line for each try that may have been charged: the most that it may have cost.
    """

    def __init__(self, artefacts: Artefacts) -> None:
        """Keep the answers themselves in artefacts and the two indexes beside them."""
        self._artefacts = artefacts
        self._root = artefacts.root / "responses"
        self._waiting: list[tuple[dict[Path, bytes], Path | None, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def get(self, request_sha256: str) -> bytes | None:
        """Return the raw answer to a request, None when there is none."""
        note = self.note(request_sha256)
        return None if note is None else self._artefacts.get(note.answer)

    def note(self, request_sha256: str) -> AnswerNote | None:
        """Return what is noted beside an answer, None when there is none.

        Raises IntegrityError when the note cannot be read.
        """
        path = self._entry(request_sha256, ".answer")
        try:
            return AnswerNote.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            message = f"{path} is damaged: it holds no note on an answer; delete it and run again"
            raise IntegrityError(message) from error

    async def put(self, request_sha256: str, data: bytes, note: AnswerNote) -> None:
        """Keep the raw answer to a request, and the note on it; many at once share a flush to disk.

        The mark of a single try goes then: nothing was lost, and there are fewer files to read.
        """
        await self._write(
            {
                self._artefacts.path(note.answer): data,
                self._entry(request_sha256, ".answer"): note.model_dump_json().encode(),
            },
            self._entry(request_sha256, ".sent") if len(self.tries(request_sha256)) == 1 else None,
        )

    async def mark_sent(self, request_sha256: str, worst: Decimal | None = None) -> None:
        """Note, before it happens, that a request is going to be sent.

        worst: the most that it can cost, in US dollars; None where nobody set prices. The note outlives a
        kill. It is not flushed by itself: where Linux flushes whole file systems, the next answer's flush
        takes it along, so that a power cut loses the marks of a moment.
        """
        path = self._entry(request_sha256, ".sent")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(b"-\n" if worst is None else b"%s\n" % str(worst).encode())
        except OSError as failure:
            raise _no_room(failure) from failure

    async def unmark_sent(self, request_sha256: str) -> None:
        """Take back the last mark: that try was certainly not charged."""
        path = self._entry(request_sha256, ".sent")
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        if len(lines) > 1:
            os.truncate(path, sum(map(len, lines[:-1])))
        else:
            path.unlink(missing_ok=True)

    def sent(self, request_sha256: str) -> bool:
        """Return whether a request may have been sent."""
        return self._entry(request_sha256, ".sent").exists()

    def sent_ago(self, request_sha256: str) -> float:
        """Return how many seconds ago a request was last marked as sent; infinity for never."""
        try:
            return time.time() - self._entry(request_sha256, ".sent").stat().st_mtime
        except FileNotFoundError:
            return math.inf

    def tries(self, request_sha256: str) -> tuple[Decimal | None, ...]:
        """Return the most that each try may have cost; if there are several and an answer, one is its own.

        Raises IntegrityError when the mark cannot be read.
        """
        path = self._entry(request_sha256, ".sent")
        try:
            lines = path.read_text("ascii").split()
            return tuple(None if line == "-" else _AMOUNT.validate_python(line) for line in lines) or (None,)
        except FileNotFoundError:
            return ()
        except ValueError as error:
            message = f"{path} is damaged: it holds no list of amounts; delete it and run again"
            raise IntegrityError(message) from error

    def all(self) -> Iterator[tuple[str, AnswerNote | None, tuple[Decimal | None, ...]]]:
        """Yield request hash, note and tries of every request that was ever sent or answered, in order."""
        if not self._root.exists():
            return
        for folder in sorted(self._root.iterdir()):
            suffixes: dict[str, set[str]] = {}
            for entry in folder.iterdir():
                suffixes.setdefault(entry.stem, set()).add(entry.suffix)
            for name in sorted(suffixes):
                tries = self.tries(name) if ".sent" in suffixes[name] else ()
                note = self.note(name) if ".answer" in suffixes[name] else None
                if note is not None or tries:
                    yield name, note, tries

    def _entry(self, request_sha256: str, suffix: str) -> Path:
        return self._root / request_sha256[:2] / f"{request_sha256}{suffix}"

    async def _write(self, files: dict[Path, bytes], drop: Path | None = None) -> None:
        """Return when the files are on disk, written together with all that waited for the writer.

        drop: a file that goes after that. In the writer's thread as well: it waits while the disk is flushed.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((files, drop, done))
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write_all())
        await done

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            files = {path: data for part, _, _ in batch for path, data in part.items()}
            error: Exception | None = None
            try:
                await asyncio.to_thread(_written, files, [drop for _, drop, _ in batch if drop is not None])
            except OSError as failure:
                error = _no_room(failure)
            for _, _, done in batch:
                if done.done():
                    continue
                if error:
                    done.set_exception(error)
                else:
                    done.set_result(None)


def _written(files: dict[Path, bytes], drops: Sequence[Path]) -> None:
    write_many_atomic(files)
    for path in drops:
        path.unlink(missing_ok=True)


def _no_room(failure: OSError) -> PrerequisiteError:
    return PrerequisiteError(f"cannot keep answers ({failure.strerror}); free some disk space and run again")
