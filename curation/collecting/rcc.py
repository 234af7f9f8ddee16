"""Reads Qt resource archives (.rcc, format 1 to 3), trusting no offset, size or name in them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import zstandard

from curation.errors import IntegrityError

_MAX_FILE = 32_000_000
_MAX_NODES = 100_000
_MAX_DEPTH = 32
_ZLIB, _FOLDER, _ZSTD = 1, 2, 4


@dataclass(frozen=True, slots=True)
class _File:
    start: int
    flags: int


class RccArchive:
    """The files of one archive by their path ('gcompris/src/activities/erase/resource/README')."""

    def __init__(self, data: bytes, label: str) -> None:
        """Read the tree; label names the archive in errors. Raises IntegrityError when it is damaged."""
        self._data = data
        self._label = label
        if data[:4] != b"qres":
            raise self._damaged("the signature is missing")
        version, self._tree, self._blobs, self._names = self._unpack(">IIII", 4)
        if version not in (1, 2, 3):
            raise self._damaged(f"format {version} is unknown")
        self._node_size = 22 if version >= 2 else 14
        self._files: dict[str, _File] = {}
        self._visited: set[int] = set()
        self._walk(0, (), 0)

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the paths of all files, sorted."""
        return tuple(sorted(self._files))

    def read(self, path: str) -> bytes:
        """Return the content of a file: FileNotFoundError without it, IntegrityError when damaged."""
        entry = self._files.get(path)
        if entry is None:
            raise FileNotFoundError(f"{path} is not in {self._label}")
        (size,) = self._unpack(">I", self._blobs + entry.start)
        first = self._blobs + entry.start + 4
        packed = self._data[first : first + size]
        if size > _MAX_FILE or len(packed) != size:
            raise self._damaged(f"the size of {path} is wrong")
        try:
            return self._inflate(packed, entry.flags)
        except (zlib.error, zstandard.ZstdError) as error:
            raise self._damaged(f"{path} does not decompress") from error

    def _inflate(self, packed: bytes, flags: int) -> bytes:
        if flags & _ZLIB:
            unpacker = zlib.decompressobj()
            out = unpacker.decompress(packed[4:], _MAX_FILE)  # Qt puts the size, 4 bytes, before the stream
            complete = unpacker.eof
        elif flags & _ZSTD:
            reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed)
            out = reader.read(_MAX_FILE)
            complete = not reader.read(1)
        else:
            return packed
        if not complete:
            raise self._damaged("a file is incomplete or larger than is read")
        return out

    def _walk(self, node: int, parents: tuple[str, ...], depth: int) -> None:
        if node in self._visited or len(self._visited) >= _MAX_NODES or depth > _MAX_DEPTH:
            raise self._damaged("the tree has a loop or too many nodes")
        self._visited.add(node)
        at = self._tree + node * self._node_size
        name_at, flags = self._unpack(">IH", at)
        path = (*parents, self._name(name_at)) if node else ()
        if flags & _FOLDER:
            count, first = self._unpack(">II", at + 6)
            if count > _MAX_NODES:
                raise self._damaged("a folder has too many entries")
            for child in range(first, first + count):
                self._walk(child, path, depth + 1)
        else:
            (start,) = self._unpack(">I", at + 10)
            self._files["/".join(path)] = _File(start, flags)

    def _name(self, offset: int) -> str:
        (length,) = self._unpack(">H", self._names + offset)
        first = self._names + offset + 6
        raw = self._data[first : first + 2 * length]
        name = raw.decode("utf-16-be", "replace")
        forbidden = not name.isprintable() or "/" in name or "\\" in name or name in ("", ".", "..")
        if len(raw) != 2 * length or forbidden:
            raise self._damaged("a file name is not one")
        return name

    def _unpack(self, layout: str, offset: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(layout, self._data, offset)
        except struct.error as error:
            raise self._damaged("an offset points outside of it") from error

    def _damaged(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self._label} is not a sound Qt resource archive: {what}")
