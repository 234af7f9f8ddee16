"""Pictures of all kinds, made by hand and by Pillow, for tests of what reads them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from PIL import Image, ImageChops

# Adobe RGB (1998), adapted to D50: its colorants, and one gamma of 563/256 for all three.
_COLORANTS = {
    b"wtpt": (0.9642, 1.0, 0.8249),
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture as a file of a kind."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    """Return what Pillow makes of a file."""
    return Image.open(io.BytesIO(data))


def halves(mode: str = "RGB", left: Any = "red", right: Any = "blue") -> Image.Image:
    """Return 200 x 120 px in two colours, left and right."""
    picture = Image.new(mode, (200, 120), left)
    picture.paste(right, (100, 0, 200, 120))
    return picture


def noise(width: int = 480, height: int = 360, seed: int = 1) -> Image.Image:
    """Return a picture with something at every place, that compresses badly."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height))
    fine = random.integers(0, 60, (height, width, 3))
    return Image.fromarray((np.asarray(coarse) * 0.75 + fine).astype(np.uint8))


def chunk(name: bytes, body: bytes = b"") -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    """Return a PNG of 1 bit that claims a size and has these chunks and no pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IDAT") + chunk(b"IEND")


def bomb(side: int) -> bytes:
    """Return a sound white PNG of side x side px in few bytes."""
    rows = zlib.compress((b"\0" + b"\xff" * ((side + 7) // 8)) * side, 9)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND")


def without_adobe(data: bytes) -> bytes:
    """Return a CMYK JPEG less the Adobe segment, which says that its inks are inverted."""
    start = data.index(b"\xff\xee\x00\x0eAdobe")
    return data[:start] + data[start + 16 :]


def ycck(picture: Image.Image) -> bytes:
    """Return a picture as a JPEG in YCCK, as Adobe's programs write it."""
    *inks, black = picture.convert("CMYK").split()
    paints = Image.merge("RGB", inks).convert("YCbCr").split()
    bands = [ImageChops.invert(band) for band in paints]
    data = bytearray(encoded(Image.merge("CMYK", (*bands, black)), "JPEG", quality=95))
    data[data.index(b"Adobe") + 11] = 2
    return bytes(data)


def wide_gamut() -> bytes:
    """Return an ICC profile with the primaries of Adobe RGB."""
    text = b"wide gamut\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78)
    tags = {b"desc": described, b"cprt": b"text\0\0\0\0" + text}
    for name, place in _COLORANTS.items():
        tags[name] = b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(65536 * part)) for part in place)
    for name in (b"rTRC", b"gTRC", b"bTRC"):
        tags[name] = b"curv\0\0\0\0" + struct.pack(">IH", 1, 563)
    table, bodies = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, body in tags.items():
        table += name + struct.pack(">II", start + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    white = struct.pack(">3i", *(round(65536 * part) for part in _COLORANTS[b"wtpt"]))
    header = struct.pack(
        ">I4sI4s4s4s12s4s24s", 0, b"", 0x02400000, b"mntr", b"RGB ", b"XYZ ", bytes(12), b"acsp", b""
    )
    body = (header + bytes(4) + white).ljust(128, b"\0") + table + bodies
    return struct.pack(">I", len(body)) + body[4:]
