"""The list of answered requests on disk: written before an answer leaves, so that a kill repeats nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from threading import Lock
from typing import Any

from filelock import FileLock, Timeout

from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import canonical_json

PATIENCE_SECONDS = 15.0
"""A killed run leaves its endpoint alive for a moment."""


class Ledger:
    """Answered requests, one line of JSON each; safe for threads, one process at a time."""

    def __init__(self, path: Path) -> None:
        """Open or start a ledger; a last line that a kill tore is cut off.

        Raises PrerequisiteError when another process holds it, IntegrityError when another line is broken.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._held = FileLock(f"{path}.lock")
        try:
            self._held.acquire(timeout=PATIENCE_SECONDS)
        except Timeout:
            raise PrerequisiteError(f"another rule endpoint uses {path}: wait for it, or stop it") from None
        self._lock = Lock()
        self._answers: dict[str, dict[str, Any]] = {}
        self._requests = 0
        whole = self._read(path) if path.exists() else 0
        self._file = path.open("ab")
        self._file.truncate(whole)

    def add(self, request_sha256: str, answer: dict[str, Any]) -> None:
        """Write down an answer; it is on disk when this returns."""
        line = canonical_json({"request_sha256": request_sha256, "answer": answer}).encode("utf-8") + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._count(request_sha256, answer)

    def answered(self, request_sha256: str) -> dict[str, Any] | None:
        """Return the answer that was given to a request, None when there was none."""
        with self._lock:
            return self._answers.get(request_sha256)

    def stats(self) -> dict[str, int]:
        """Return how many requests were answered, how many different ones, and how many were repeats."""
        with self._lock:
            distinct = len(self._answers)
            return {"requests": self._requests, "distinct": distinct, "repeated": self._requests - distinct}

    def close(self) -> None:
        """Close the file and let another process have it."""
        self._file.close()
        self._held.release()

    def _count(self, request_sha256: str, answer: dict[str, Any]) -> None:
        self._answers.setdefault(request_sha256, answer)
        self._requests += 1

    def _read(self, path: Path) -> int:
        """Take in the lines of a ledger and return the length of its whole lines in bytes."""
        whole = 0
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
                self._count(row["request_sha256"], row["answer"])
            except (ValueError, KeyError, TypeError) as error:
                raise IntegrityError(f"line {number} of {path} is not what was written there") from error
            whole += len(line)
        return whole
