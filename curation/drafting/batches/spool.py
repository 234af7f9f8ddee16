"""Writes the questions of a pass to disk as they come, in files that each fit one batch."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from curation.atomic import sync_folder
from curation.drafting.batches.folder import written
from curation.drafting.batches.records import Asked


@dataclass(slots=True)
class Part:
    """The input file of a batch to be, and what is asked in it."""

    model: str
    path: Path
    asked: list[Asked] = field(default_factory=list)
    size: int = 0


class Spool:
    """Questions by model, since a batch takes one model alone; memory holds no pictures."""

    def __init__(self, folder: Path, max_requests: int, max_bytes: int) -> None:
        """Begin anew in a folder: what an earlier process left there was never sent."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self._folder = folder
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._open: dict[str, tuple[Part, BinaryIO]] = {}
        self._full: list[Part] = []
        self._parts = 0

    def add(self, model: str, asked: Asked, line: bytes) -> bool:
        """Write the line of a question; False when it alone is more than a batch may hold."""
        if len(line) > self._max_bytes:
            return False
        if model in self._open:
            part, _ = self._open[model]
            if len(part.asked) >= self._max_requests or part.size + len(line) > self._max_bytes:
                self._finish(model)
        if model not in self._open:
            self._parts += 1
            path = self._folder / f"{self._parts:06d}.jsonl"
            with written():
                self._open[model] = Part(model, path), path.open("wb")
        part, file = self._open[model]
        with written():
            file.write(line)
        part.asked.append(asked)
        part.size += len(line)
        return True

    def close(self) -> list[Part]:
        """Return the input files, on disk for good."""
        for model in sorted(self._open):
            self._finish(model)
        parts, self._full = self._full, []
        return parts

    def _finish(self, model: str) -> None:
        part, file = self._open.pop(model)
        with written(), file:
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)
        self._full.append(part)
