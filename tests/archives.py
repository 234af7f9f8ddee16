"""Builds small Qt resource archives and Debian packages, sound or broken as a test wants."""

from __future__ import annotations

import io
import lzma
import struct
import tarfile
import zlib
from pathlib import Path

import zstandard
from PIL import Image


def build_rcc(files: dict[str, bytes], version: int = 2, packing: str = "") -> bytes:
    """Return a resource archive with these files; packing: '', 'zlib' or 'zstd'."""
    nodes: list[tuple[str, dict[str, object] | bytes]] = []
    tree: dict[str, object] = {}
    for path, content in files.items():
        *folders, name = path.split("/")
        here = tree
        for folder in folders:
            here = here.setdefault(folder, {})  # type: ignore[assignment]
        here[name] = content
    names, blobs, rows = bytearray(), bytearray(), bytearray()
    nodes.append(("", tree))
    index = 0
    while index < len(nodes):
        name, content = nodes[index]
        row = struct.pack(">I", len(names))
        names += struct.pack(">HI", len(name), 0) + name.encode("utf-16-be")
        if isinstance(content, dict):
            row += struct.pack(">HII", 2, len(content), len(nodes))
            nodes += list(content.items())  # type: ignore[arg-type]
        else:
            flags, packed = packed_file(content, packing)
            row += struct.pack(">HHHI", flags, 0, 0, len(blobs))
            blobs += struct.pack(">I", len(packed)) + packed
        rows += row + (b"\0" * 8 if version >= 2 else b"")
        index += 1
    start = 20 + (4 if version >= 3 else 0)
    places = (start, start + len(rows), start + len(rows) + len(blobs))
    head = b"qres" + struct.pack(">IIII", version, *places) + (b"\0" * 4 if version >= 3 else b"")
    return bytes(head + rows + blobs + names)


def packed_file(content: bytes, packing: str) -> tuple[int, bytes]:
    """Return the flag and the bytes of a file in a resource archive."""
    if packing == "zlib":
        return 1, struct.pack(">I", len(content)) + zlib.compress(content)
    if packing == "zstd":
        return 4, zstandard.ZstdCompressor().compress(content)
    return 0, content


def build_deb(
    path: Path, files: dict[str, bytes], kind: str = "xz", links: dict[str, str] | None = None
) -> Path:
    """Write a Debian package with these files (and symbolic links) in its data member; return its path."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, target in (links or {}).items():
            link = tarfile.TarInfo(f"./{name}")
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    squeeze = {"xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress, "bz2": bytes}[kind]
    members = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.xz", b"odd"),
        (f"data.tar.{kind}", squeeze(raw.getvalue())),
    ]
    data = b"!<arch>\n"
    for name, content in members:
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        data += content + b"\n" * (len(content) % 2)
    path.write_bytes(data)
    return path


def picture(
    colour: str | tuple[int, ...] = "teal", size: tuple[int, int] = (160, 120), kind: str = "PNG"
) -> bytes:
    """Return an encoded picture with a diagonal structure, so that it has something to hash."""
    image = Image.new("RGB", size, colour)
    for x in range(0, size[0], 3):
        image.paste("white", (x, 0, x + 1, 1 + x * size[1] // size[0]))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()
