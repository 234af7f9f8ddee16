"""Reads chosen files out of a Debian package, trusting nothing that the package says about itself."""

from __future__ import annotations

import io
import lzma
import tarfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from curation.errors import IntegrityError

_MAGIC = b"!<arch>\n"
_HEADER = 60
_MAX_UNPACKED = 600_000_000
_MAX_FILE = 64_000_000
_MAX_MEMORY = 256_000_000
_CHUNK = 1 << 16
_DAMAGED = (tarfile.TarError, lzma.LZMAError, zstandard.ZstdError, EOFError, UnicodeDecodeError, ValueError)


def read_files(package: Path, paths: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Yield (path, content) of those regular files of a .deb whose exact path is asked for.

    paths: as in the package, without a leading './'. Links are never followed. Raises IntegrityError
    when the package is damaged, when a file has more than 64 MB, or when it unpacks to over 600 MB.
    """
    wanted = set(paths)
    with package.open("rb") as stream:
        kind, size = _find_data(stream)
        reader = _Stream(_unpacked(_slice(stream, size), kind), _MAX_UNPACKED)
        try:
            with tarfile.open(fileobj=io.BufferedReader(reader), mode="r|") as tar:
                for member in tar:
                    path = member.name.removeprefix("./")
                    if path not in wanted or not member.isreg():
                        continue
                    yield path, _content(tar, member)
        except _DAMAGED as error:
            raise IntegrityError(
                f"{package.name} is damaged ({type(error).__name__}): fetch it again"
            ) from error


def _find_data(stream: BinaryIO) -> tuple[str, int]:
    """Move to the data member of the ar archive; return its compression and size in bytes."""
    if stream.read(len(_MAGIC)) != _MAGIC:
        raise IntegrityError("not a Debian package: the ar signature is missing")
    while header := stream.read(_HEADER):
        if len(header) < _HEADER or header[58:] != b"`\n" or not header[48:58].strip().isdigit():
            raise IntegrityError("not a Debian package: a member header is damaged")
        size = int(header[48:58])
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        if name in ("data.tar.xz", "data.tar.zst"):
            return name.rpartition(".")[2], size
        stream.seek(size + size % 2, io.SEEK_CUR)
    raise IntegrityError("not a Debian package that we can read: no data.tar.xz or data.tar.zst in it")


def _slice(stream: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (chunk := stream.read(min(_CHUNK, size))):
        size -= len(chunk)
        yield chunk
    if size > 0:
        raise EOFError("the file ends too early")


def _unpacked(chunks: Iterator[bytes], kind: str) -> Iterator[bytes]:
    if kind == "zst":
        packed = io.BufferedReader(_Stream(chunks, _MAX_FILE * 4))
        reader = zstandard.ZstdDecompressor(max_window_size=_MAX_MEMORY).stream_reader(packed)
        while out := reader.read(_CHUNK):
            yield out
        return
    unpacker = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MAX_MEMORY)
    for chunk in chunks:
        if unpacker.eof:
            return
        yield unpacker.decompress(chunk, _CHUNK)
        while not unpacker.needs_input and not unpacker.eof:
            yield unpacker.decompress(b"", _CHUNK)


class _Stream(io.RawIOBase):
    """A readable stream over chunks that ends the work when too much comes out."""

    def __init__(self, chunks: Iterator[bytes], most: int) -> None:
        """Read from chunks of any length, at most this many bytes in all."""
        self._chunks = chunks
        self._most = most
        self._rest = memoryview(b"")
        self._total = 0

    def readable(self) -> bool:
        """Return True: io.BufferedReader asks."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # io's own buffer type is private
        """Fill the buffer; return how many bytes were put into it, 0 at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._total += len(chunk)
            if self._total > self._most:
                raise IntegrityError(f"the package unpacks to more than {self._most} bytes")
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _MAX_FILE:
        raise IntegrityError(f"{member.name[:200]} in the package has more than {_MAX_FILE} bytes")
    stream = tar.extractfile(member)
    data = stream.read() if stream is not None else b""
    if len(data) != member.size:
        raise EOFError("a file in the package ends too early")
    return data
