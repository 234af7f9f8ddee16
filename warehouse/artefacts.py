"""Immutable files by content hash: written atomically, verified when read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curation.atomic import write_atomic, write_many_atomic
from curation.errors import IntegrityError
from curation.ids import sha256_bytes

_HEX = frozenset("0123456789abcdef")


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
    """Raw model answers by request hash, and which requests were sent: the memory of what was paid for."""

    def __init__(self, artefacts: Artefacts) -> None:
        """Keep the answers themselves in artefacts and the two indexes beside them."""
        self._artefacts = artefacts
        self._root = artefacts.root / "responses"

    def _entry(self, request_sha256: str, suffix: str) -> Path:
        return self._root / request_sha256[:2] / f"{request_sha256}{suffix}"

    def get(self, request_sha256: str) -> bytes | None:
        """Return the raw answer to a request, None when there is none."""
        entry = self._entry(request_sha256, ".answer")
        if not entry.exists():
            return None
        return self._artefacts.get(entry.read_text().strip())

    def put(self, request_sha256: str, data: bytes) -> str:
        """Keep the raw answer to a request and return the sha256 of the answer."""
        sha256 = self._artefacts.put(data)
        write_atomic(self._entry(request_sha256, ".answer"), sha256.encode())
        return sha256

    def mark_sent(self, request_sha256: str) -> None:
        """Note on disk, before it happens, that a request is going to be sent."""
        write_atomic(self._entry(request_sha256, ".sent"), b"sent\n")

    def sent(self, request_sha256: str) -> bool:
        """Return whether a request was ever marked as sent."""
        return self._entry(request_sha256, ".sent").exists()
