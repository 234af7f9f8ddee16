"""Pictures from outside, decoded under limits into small sRGB JPEGs; and the few pictures made of those."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageEnhance, ImageOps

from curation.errors import IntegrityError, Reason, Rejected
from curation.ids import sha256_bytes

MAX_BYTES = 40_000_000
MAX_PIXELS = 50_000_000
MIN_SIDE = 96
DERIVATIVE_SIDE = 512
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_SCALABLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
_MAX_ICC_BYTES = 4_000_000
# What Pillow's decoders raise on broken input; MemoryError and the like are ours, not the picture's.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    struct.error,
    zlib.error,
)


@dataclass(frozen=True, slots=True)
class Inspected:
    """A picture that is sound.

    sha256, byte_size: of the bytes as fetched. width, height: in pixels, after EXIF orientation.
    derivative: RGB JPEG, longest side at most 512 px, quality 90, no metadata.
    """

    sha256: str
    byte_size: int
    media_type: str
    width: int
    height: int
    derivative: bytes
    derivative_sha256: str


def inspect(key: str, data: bytes) -> Inspected | Rejected:
    """Decode untrusted bytes, or say why not: image_unreadable, image_too_small or image_too_large.

    Limits: 40 MB, 50 megapixels (read from the header, before any pixel is decoded), shortest side
    96 px. Only JPEG, PNG, WebP, GIF, BMP and TIFF; of an animation the first frame. Orientation is
    applied, colours become sRGB, 16 bit grey is scaled to 8, transparency is laid on white.
    """
    if len(data) > MAX_BYTES:
        return Rejected(key, Reason.IMAGE_TOO_LARGE, f"{len(data)} bytes, at most {MAX_BYTES} are read")
    try:
        header = _open(data)
        refused = _outside_limits(key, header)
        if refused is not None:
            return refused
        header.verify()
        picture = _upright(_open(data))
        width, height = picture.size
        if picture.mode in _SCALABLE:  # before the colours are managed, which costs by the pixel
            picture = _fit(picture, DERIVATIVE_SIDE)
        pixels = _srgb(picture)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Rejected(key, Reason.IMAGE_TOO_LARGE, f"more than {MAX_PIXELS} pixels")
    except _BROKEN as error:
        return Rejected(key, Reason.IMAGE_UNREADABLE, f"not a readable picture ({type(error).__name__})")
    derivative = _jpeg(_fit(pixels, DERIVATIVE_SIDE))
    return Inspected(
        sha256=sha256_bytes(data),
        byte_size=len(data),
        media_type="image/jpeg" if header.format == "MPO" else Image.MIME[str(header.format)],
        width=width,
        height=height,
        derivative=derivative,
        derivative_sha256=sha256_bytes(derivative),
    )


def side_by_side(left: bytes, right: bytes) -> bytes:
    """Return two derivatives at equal height beside each other: the paper's one-hop picture.

    RGB JPEG, longest side at most 512 px. Raises IntegrityError when one of them is no picture.
    """
    pair = [_trusted(left), _trusted(right)]
    height = min(picture.height for picture in pair)
    scaled = [ImageOps.contain(picture, (16 * height, height), Image.Resampling.LANCZOS) for picture in pair]
    gap = max(2, height // 64)
    canvas = Image.new("RGB", (scaled[0].width + gap + scaled[1].width, height), "white")
    canvas.paste(scaled[0], (0, 0))
    canvas.paste(scaled[1], (scaled[0].width + gap, 0))
    return _jpeg(_fit(canvas, DERIVATIVE_SIDE))


def view(data: bytes, kind: str) -> bytes:
    """Return another view of a picture: 'crop' (middle 80 %), 'dimmed' (half the light) or 'flip' (mirrored).

    RGB JPEG, longest side at most 512 px. Raises IntegrityError for bytes that are no picture, ValueError
    for another kind.
    """
    picture = _fit(_trusted(data), DERIVATIVE_SIDE)
    if kind == "crop":
        dx, dy = picture.width // 10, picture.height // 10
        return _jpeg(picture.crop((dx, dy, picture.width - dx, picture.height - dy)))
    if kind == "dimmed":
        return _jpeg(ImageEnhance.Brightness(picture).enhance(0.5))
    if kind == "flip":
        return _jpeg(ImageOps.mirror(picture))
    raise ValueError(f"no such view: {kind}")


def thumbnail(data: bytes, side: int) -> bytes:
    """Return a JPEG with a longest side of at most `side` px, for pages; IntegrityError for no picture."""
    return _jpeg(_fit(_trusted(data), side), quality=80)


def reduced(data: bytes, side: int) -> Image.Image:
    """Return a picture as opaque upright sRGB, shrunk fast to a shorter side of `side` px or more.

    A smaller picture keeps its size. Raises IntegrityError for no picture.
    """
    picture = _trusted(data)
    return picture.reduce(max(1, min(picture.size) // side))


def pixels_of(data: bytes, side: int) -> npt.NDArray[np.float64]:
    """Return a derivative squeezed to side x side as RGB numbers from 0 to 255, shape (side, side, 3)."""
    return np.asarray(_trusted(data).resize((side, side), Image.Resampling.BOX), dtype=np.float64)


def main_colour(data: bytes, box: tuple[int, int, int, int] | None = None) -> tuple[str, float]:
    """Return the basic colour name that covers most of a picture, and its share of the pixels.

    One of the eleven basic colour terms of English (Berlin and Kay, 1969): every pixel, background and
    border too, goes to the nearest prototype in OKLab. box: left, upper, right, lower, in pixels.
    Raises IntegrityError when the bytes are no picture.
    """
    picture = _trusted(data)
    small = (picture.crop(box) if box else picture).resize((64, 64), Image.Resampling.BOX)
    lab = _oklab(np.asarray(small, dtype=np.float64).reshape(-1, 3) / 255)
    distance = np.linalg.norm(lab[:, None, :] - _PROTOTYPES[None, :, :], axis=2)
    names = np.array(_PROTOTYPE_NAMES)[distance.argmin(axis=1)]
    counts = [(int((names == name).sum()), name) for name in _COLOURS]
    most, name = max(counts, key=lambda count: count[0])
    return name, most / len(names)


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def _outside_limits(key: str, header: Image.Image) -> Rejected | None:
    width, height = header.size
    if width * height > MAX_PIXELS:
        return Rejected(
            key, Reason.IMAGE_TOO_LARGE, f"{width} x {height} px, at most {MAX_PIXELS} pixels are read"
        )
    if min(width, height) < MIN_SIDE:
        return Rejected(
            key, Reason.IMAGE_TOO_SMALL, f"{width} x {height} px, the shorter side needs {MIN_SIDE}"
        )
    return None


def _upright(picture: Image.Image) -> Image.Image:
    picture.load()
    return ImageOps.exif_transpose(picture)


def _srgb(picture: Image.Image) -> Image.Image:
    """Return the picture as opaque sRGB."""
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture, dtype=np.uint16)
        return Image.fromarray((grey // 257).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError("32 bit pixels have no defined white")
    profile = picture.info.get("icc_profile")
    alpha = None
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        alpha = rgba.getchannel("A")
        picture = rgba.convert("RGB")
    colours = _managed(picture, profile) or picture.convert("RGB")
    if alpha is None:
        return colours
    paper = Image.new("RGB", colours.size, "white")
    paper.paste(colours, mask=alpha)
    return paper


def _managed(picture: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Return the picture moved from its ICC profile to sRGB, None when the profile is absent or useless."""
    if not profile or len(profile) > _MAX_ICC_BYTES:
        return None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _fit(picture: Image.Image, side: int) -> Image.Image:
    if max(picture.size) <= side:
        return picture
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small


def _jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    bare = picture.copy()
    bare.info.clear()  # Pillow would write comments and profiles that it finds there
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _trusted(data: bytes) -> Image.Image:
    """Decode a picture that passed `inspect` before; the same limits hold."""
    try:
        header = _open(data)
        if header.width * header.height > MAX_PIXELS:
            raise IntegrityError("a stored picture has more pixels than are ever kept")
        return _srgb(_upright(header))
    except _BROKEN as error:
        raise IntegrityError(f"stored bytes are no picture ({type(error).__name__})") from error


_COLOURS = {
    "black": ("000000", "1c1c1c", "14141e", "1e1612"),
    "white": ("ffffff", "f2f2f2", "f5f2ea", "eef2f6"),
    "grey": ("808080", "505050", "a8a8a8", "c8c8c8", "757a80", "8a857d"),
    "red": ("e01020", "b01018", "8c1018", "f03838"),
    "orange": ("ff8000", "f09020", "e87818", "ffa048"),
    "yellow": ("ffff00", "f0d820", "ffe870", "d8c030"),
    "green": ("00a000", "206820", "70b040", "a0d890", "405828", "708850", "008060"),
    "blue": ("0040ff", "102880", "4080d0", "80b8f0", "b0d4f4", "204060", "00a8d8", "6888a8"),
    "purple": ("800080", "6030a0", "a050d0", "b898d8", "503060"),
    "pink": ("ff80b0", "ffc0cb", "e860a0", "f0a8a8"),
    "brown": ("804000", "603818", "a06838", "402818", "906848", "a88860", "785838"),
}
"""Prototypes of the basic colour terms, as sRGB in hexadecimal: where several are needed to span the term."""


def _oklab(rgb: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return OKLab (Ottosson, 2020) of sRGB in 0 to 1; shape (n, 3) to (n, 3)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lms = np.cbrt(linear @ _RGB_TO_LMS.T)
    return np.asarray(lms @ _LMS_TO_LAB.T, dtype=np.float64)


_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_PROTOTYPE_NAMES = tuple(name for name, codes in _COLOURS.items() for _ in codes)
_PROTOTYPES = _oklab(
    np.array([tuple(bytes.fromhex(code)) for codes in _COLOURS.values() for code in codes], dtype=np.float64)
    / 255
)
