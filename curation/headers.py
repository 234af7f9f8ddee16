"""Reads what a picture's container says of itself, before any decoder sees it: format, size, frames, end."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from curation.errors import Reason, Rejected

MAX_BYTES = 40_000_000
MAX_PIXELS = 50_000_000
MIN_SIDE = 96
MAX_FRAMES = 1_000
MAX_PASSES = 100
MAX_METADATA = 16_000_000
MAX_PARTS = 50_000

_TEXT_START = re.compile(rb"[\x09\x0a\x0c\x0d\x20-\x7e\x80-\xff]{1,64}")
# The next marker in compressed JPEG data: 0xff that is neither stuffed, a restart nor filling.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_REFUSED_MAGIC = (
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
    (b"8BPS", "Photoshop"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"icns", "ICNS"),
    (b"BM", "BMP"),
    (b"\0\0\1\0", "ICO"),
    (b"\0\0\2\0", "CUR"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II\xbc", "JPEG XR"),
    (b"DDS ", "DDS"),
    (b"gimp xcf", "GIMP"),
    (b"AT&TFORM", "DjVu"),
    (b"\x1a\x45\xdf\xa3", "WebM video"),
    (b"OggS", "Ogg"),
)
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})

_BOXES = frozenset({b"ftyp", b"meta", b"mdat", b"moov", b"free", b"skip", b"uuid", b"wide", b"pdin"})


@dataclass(frozen=True, slots=True)
class Header:
    """What a container says of its picture.

    kind: Pillow's name of the format. width, height: of the canvas in pixels before orientation, 0 where
    only the decoder can tell (AVIF). frames: 1 for a still, 0 where only the decoder can tell (AVIF, MPO).
    passes: scans of a JPEG. metadata: bytes of profiles, EXIF, text and the like. parts: segments, chunks or
    blocks. end: where the picture's bytes end, None when the container is cut off.
    """

    kind: str
    width: int = 0
    height: int = 0
    frames: int = 1
    passes: int = 1
    metadata: int = 0
    parts: int = 0
    end: int | None = None


def read_header(key: str, data: bytes) -> Header | Rejected:
    """Return what the container says, or why the bytes are not given to a decoder.

    Reasons: image_empty, image_too_large (bytes, pixels, frames, passes), image_too_small,
    image_metadata_too_large, image_format_not_allowed (named), not_an_image. Pure: looks at no pixel.
    """
    if not data:
        return Rejected(key, Reason.IMAGE_EMPTY, "no bytes")
    if len(data) > MAX_BYTES:
        return Rejected(key, Reason.IMAGE_TOO_LARGE, f"{len(data)} bytes, at most {MAX_BYTES} are read")
    reader = next((read for starts, read in _READERS if starts(data)), None)
    if reader is None:
        return _refused(key, data)
    header = reader(data)
    return outside_limits(key, header) or header


def outside_limits(key: str, header: Header) -> Rejected | None:
    """Return why a picture is refused by its sizes, None when it is not; 0 is not known."""
    large, wordy = Reason.IMAGE_TOO_LARGE, Reason.IMAGE_METADATA_TOO_LARGE
    width, height = header.width, header.height
    if width * height > MAX_PIXELS:
        return Rejected(key, large, f"{width} x {height} px, at most {MAX_PIXELS} pixels are read")
    if header.frames > MAX_FRAMES:
        return Rejected(key, large, f"{header.frames} frames, at most {MAX_FRAMES} are read")
    if header.passes > MAX_PASSES:
        return Rejected(key, large, f"{header.passes} passes, at most {MAX_PASSES} are read")
    if header.metadata > MAX_METADATA:
        return Rejected(key, wordy, f"{header.metadata} bytes of metadata, at most {MAX_METADATA} are read")
    if header.parts > MAX_PARTS:
        return Rejected(key, wordy, f"more than {MAX_PARTS} parts")
    return None


def too_small(key: str, width: int, height: int) -> Rejected | None:
    """Return why a picture is refused as too small, None when it is not."""
    if min(width, height) >= MIN_SIDE:
        return None
    detail = f"{width} x {height} px, the shorter side needs {MIN_SIDE}"
    return Rejected(key, Reason.IMAGE_TOO_SMALL, detail)


def _refused(key: str, data: bytes) -> Rejected:
    """Return what bytes are that no decoder of ours reads."""
    name = next((name for magic, name in _REFUSED_MAGIC if data.startswith(magic)), None)
    if data[4:8] == b"ftyp":
        name = "HEIC" if _brands(data) & _HEIF_BRANDS else "a video"
    start = data[:4096].lstrip(b"\xef\xbb\xbf\t\n\r ").lower()
    if start.startswith(b"<") and b"<svg" in start:
        name = "SVG"
    if name:
        allowed = "JPEG, PNG, WebP, GIF and AVIF"
        return Rejected(key, Reason.IMAGE_FORMAT_NOT_ALLOWED, f"{name}: only {allowed} are read")
    what = "bytes of no known format"
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        what = "a web page"
    elif start.startswith((b"{", b"[")):
        what = "JSON"
    elif (found := _TEXT_START.match(data)) and found.end() == min(64, len(data)):
        what = "text"
    return Rejected(key, Reason.NOT_AN_IMAGE, f"{what}, not a picture")


def _brands(data: bytes) -> frozenset[bytes]:
    """Return the brands in the ftyp box of an ISO media file: its own and those that it fits."""
    (size,) = struct.unpack(">I", data[:4])
    listed = data[8:12] + data[16 : min(size, 512)]
    return frozenset(listed[at : at + 4] for at in range(0, len(listed) - 3, 4))


def _is_avif(data: bytes) -> bool:
    return data[4:8] == b"ftyp" and bool(_brands(data) & {b"avif", b"avis"})


def _jpeg(data: bytes) -> Header:
    width = height = metadata = parts = passes = 0
    several = False
    end = None
    at = 2
    while (found := _MARKER.search(data, at)) and parts <= MAX_PARTS:
        marker, at = data[found.end() - 1], found.end()
        if marker == 0xD9:
            end = at
            break
        if marker in (0x01, 0xD8):  # markers without a length
            continue
        parts += 1
        body = data[at + 2 : at + int.from_bytes(data[at : at + 2], "big")]
        at += 2 + len(body)
        if marker == 0xDA:
            passes += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC) and len(body) >= 5:
            height, width = struct.unpack(">HH", body[1:5])
        elif 0xE0 <= marker <= 0xEF or marker == 0xFE:
            metadata += len(body)
            several = several or body.startswith(b"MPF\0")
    frames = 0 if several else 1
    return Header("JPEG", width, height, frames, passes, metadata, parts, end)


def _png(data: bytes) -> Header:
    width = height = metadata = parts = 0
    frames = 1
    end = None
    at = 8
    while at + 12 <= len(data) and parts <= MAX_PARTS:
        length, name = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 24]
        there = min(length, len(data) - at - 8)
        at += 12 + length
        parts += 1
        if name == b"IHDR" and len(body) >= 8:
            width, height = struct.unpack(">II", body[:8])
        elif name == b"acTL" and len(body) >= 4:
            (frames,) = struct.unpack(">I", body[:4])
        elif name == b"IEND":
            end = at if at <= len(data) else None
            break
        elif name not in (b"PLTE", b"IDAT", b"fcTL", b"fdAT", b"tRNS"):
            metadata += there
    return Header("PNG", width, height, frames, metadata=metadata, parts=parts, end=end)


def _webp(data: bytes) -> Header:
    width = height = metadata = parts = frames = 0
    size = 8 + int.from_bytes(data[4:8], "little")
    at = 12
    while at + 8 <= min(size, len(data)) and parts <= MAX_PARTS:
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 18]
        there = min(length, len(data) - at - 8)
        at += 8 + length + length % 2
        parts += 1
        seen = (0, 0)
        if name == b"VP8X":
            seen = (1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little"))
        elif name == b"VP8 ":
            seen = (
                int.from_bytes(body[6:8], "little") & 0x3FFF,
                int.from_bytes(body[8:10], "little") & 0x3FFF,
            )
        elif name == b"VP8L":
            packed = int.from_bytes(body[1:5], "little")
            seen = (1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF))
        elif name == b"ANMF":
            frames += 1
        elif name != b"ALPH":
            metadata += there
        width, height = max(width, seen[0]), max(height, seen[1])
    end = min(size, len(data)) if size <= len(data) + 1 else None  # the last padding byte is often missing
    return Header("WEBP", width, height, max(1, frames), metadata=metadata, parts=parts, end=end)


def _gif(data: bytes) -> Header:
    width, height = struct.unpack("<HH", data[6:10]) if len(data) >= 13 else (0, 0)
    metadata = frames = parts = 0
    end = None
    at = 13 + _table(data, 10)
    while at < len(data) and parts <= MAX_PARTS:
        parts += 1
        block = data[at]
        if block == 0x3B:
            end = at + 1
            break
        if block == 0x2C and at + 10 <= len(data):
            frames += 1
            left, upper, wide, high = struct.unpack("<HHHH", data[at + 1 : at + 9])
            width, height = max(width, left + wide), max(height, upper + high)
            at = _after_blocks(data, at + 11 + _table(data, at + 9))
        elif block == 0x21:
            after = _after_blocks(data, at + 2)
            metadata += after - at
            at = after
        else:
            break
    return Header("GIF", width, height, max(1, frames), metadata=metadata, parts=parts, end=end)


def _table(data: bytes, at: int) -> int:
    """Return the bytes of a GIF's colour table, from the byte that announces it."""
    flags = data[at] if at < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, at: int) -> int:
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _avif(data: bytes) -> Header:
    at = parts = 0
    while at + 8 <= len(data) and data[at + 4 : at + 8] in _BOXES and parts <= MAX_PARTS:
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:  # the size is behind the name
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        at += size if size >= 8 else len(data) - at  # 0: to the end of the file
        parts += 1
    return Header("AVIF", frames=0, parts=parts, end=at if at <= len(data) else None)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Header]], ...] = (
    (lambda data: data.startswith(b"\xff\xd8\xff"), _jpeg),
    (lambda data: data.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (lambda data: data.startswith((b"GIF87a", b"GIF89a")), _gif),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _webp),
    (_is_avif, _avif),
)
