"""Turns the bytes of a picture into upright, opaque sRGB pixels, fast where few of them are wanted."""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import simplejpeg  # type: ignore[import-untyped]
from PIL import Image, ImageChops, ImageCms

from curation.errors import IntegrityError
from curation.headers import MAX_PIXELS

Box = tuple[float, float, float, float]
# What Pillow's decoders raise on broken input; MemoryError and the like are ours, not the picture's.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    RuntimeError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    struct.error,
    zlib.error,
)
BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_NO_PICTURE = (*BROKEN, *BOMBS)
_JPEGS = ("JPEG", "MPO")
# How libjpeg says that it filled the rest of a picture with grey.
_EARLY = "premature end of data segment"
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
_SCALABLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})
_MAX_ICC_BYTES = 4_000_000
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def open_picture(data: bytes) -> Image.Image:
    """Open a picture of an allowed format; no pixel is decoded yet. Raises one of BROKEN."""
    return Image.open(io.BytesIO(data), formats=_FORMATS)


def orientation(picture: Image.Image) -> int:
    """Return how a picture is to be turned, 1 to 8 as in EXIF; 1 where EXIF says nothing or is broken."""
    try:
        found = picture.getexif().get(_ORIENTATION, 1)
    except BROKEN:
        return 1
    return found if found in _UPRIGHT else 1


def upright(picture: Image.Image, turned: int) -> Image.Image:
    """Return a picture turned as its orientation (1 to 8) says."""
    return picture.transpose(_UPRIGHT[turned]) if turned in _UPRIGHT else picture


def fit(picture: Image.Image, side: int) -> Image.Image:
    """Return a picture with a longest side of at most `side` px."""
    if max(picture.size) <= side:
        return picture
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return small


def scalable(picture: Image.Image) -> bool:
    """Return whether a picture may be shrunk before its colours are managed, which costs by the pixel."""
    return picture.mode in _SCALABLE


def srgb(picture: Image.Image) -> Image.Image:
    """Return a picture as opaque sRGB: 16 bit scaled, its ICC profile applied, transparency on white.

    A profile that is broken, unfit or larger than 4 MB is ignored: the colours are taken as sRGB. Raises
    ValueError for pixels of 32 bit, which have no defined white.
    """
    if picture.mode.startswith("I;16"):
        grey = np.asarray(picture, dtype=np.uint16)
        return Image.fromarray((grey // 257).astype(np.uint8)).convert("RGB")
    if picture.mode in ("I", "F"):
        raise ValueError("32 bit pixels have no defined white")
    profile = picture.info.get("icc_profile")
    if picture.mode == "CMYK" and "adobe" not in picture.info:
        picture = ImageChops.invert(picture)  # Pillow takes every JPEG's inks as inverted; only Adobe's are
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


def ends_early(data: bytes, mode: str) -> bool:
    """Return whether a JPEG has an end but not all that comes before it, which Pillow fills with grey.

    mode: Pillow's of it. One more decode, at an eighth of the size.
    """
    try:
        simplejpeg.decode_jpeg(data, "CMYK" if mode == "CMYK" else "GRAY", min_height=1, min_width=1)
    except ValueError as error:
        return _EARLY in str(error)
    return False


def trusted(data: bytes) -> Image.Image:
    """Return the pixels of a picture that passed `images.inspect` before; the same limits hold.

    RGB, upright. Raises IntegrityError for no picture.
    """
    try:
        picture = _opened(data)
        turned = orientation(picture)
        picture.load()
        return srgb(upright(picture, turned))
    except _NO_PICTURE as error:
        raise IntegrityError(f"stored bytes are no picture ({type(error).__name__})") from error


def squeezed(data: bytes, side: int) -> Image.Image:
    """Return a trusted picture squeezed to side x side px, from a decode of at least twice that.

    RGB, upright. A JPEG is decoded at a scale of its own, the rest is done on few pixels. Raises
    IntegrityError for no picture, and for a part of one.
    """
    try:
        picture = _opened(data)
        turned = orientation(picture)
        shrunk, box = _scaled(picture, data, 2 * side)
        small = _square(shrunk if scalable(shrunk) else srgb(shrunk), side, box)
        return upright(srgb(small), turned)
    except _NO_PICTURE as error:
        raise IntegrityError(f"stored bytes are no picture ({type(error).__name__})") from error


def squeezed_grey(data: bytes, side: int) -> Image.Image:
    """Return the brightness of a trusted picture, else as `squeezed`: in half the time for most JPEGs."""
    try:
        picture = _opened(data)
        if _simple(picture) and not picture.info.get("icc_profile"):
            grey = simplejpeg.decode_jpeg(data, "GRAY", min_height=3 * side, min_width=3 * side)
            small = _square(Image.fromarray(grey[:, :, 0]), side, _extent(picture.size, grey.shape))
            return upright(small, orientation(picture))
    except _NO_PICTURE:
        pass  # not as simple as it looked: the thorough way says what it is
    return _square(squeezed(data, 4 * side).convert("L"), side)


def _opened(data: bytes) -> Image.Image:
    picture = open_picture(data)
    if picture.width * picture.height > MAX_PIXELS:
        raise IntegrityError("a stored picture has more pixels than are ever kept")
    return picture


def _simple(picture: Image.Image) -> bool:
    """Return whether libjpeg-turbo's own interface decodes a picture as Pillow does, only faster."""
    return picture.format in _JPEGS and picture.mode in ("L", "RGB")


def _scaled(picture: Image.Image, data: bytes, least: int) -> tuple[Image.Image, Box | None]:
    """Decode a picture, a JPEG at the smallest scale that leaves `least` px; with what of it counts."""
    size = picture.size
    if _simple(picture):
        colours = "RGB" if picture.mode == "RGB" else "GRAY"
        try:
            pixels = simplejpeg.decode_jpeg(data, colours, min_height=least, min_width=least)
        except ValueError as error:  # stricter than Pillow: stray bytes between segments are no harm
            if _EARLY in str(error):
                raise
        else:
            made = Image.fromarray(pixels if colours == "RGB" else pixels[:, :, 0])
            made.info = picture.info
            return made, _extent(size, pixels.shape)
    elif picture.format in _JPEGS and ends_early(data, picture.mode):
        raise IntegrityError("the data of a stored JPEG end before the picture does")
    picture.draft(None, (least, least))
    picture.load()
    return picture, _extent(size, (picture.height, picture.width))


def _extent(size: tuple[int, int], shape: Sequence[int]) -> Box | None:
    """Return what of a scaled JPEG is picture: its sides are whole, and so up to a pixel too long.

    size: width and height before. shape: height and width of what was decoded, at some eighths of it. None:
    all of it.
    """
    for eighths in range(1, 8):
        width, height = size[0] * eighths / 8, size[1] * eighths / 8
        if (math.ceil(height), math.ceil(width)) == (shape[0], shape[1]):
            return (0.0, 0.0, width, height)
    return None


def _square(picture: Image.Image, side: int, box: Box | None = None) -> Image.Image:
    return picture.resize((side, side), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)


def _managed(picture: Image.Image, profile: bytes | None) -> Image.Image | None:
    """Return the picture moved from its ICC profile to sRGB, None when the profile is absent or useless."""
    if not profile or len(profile) > _MAX_ICC_BYTES:
        return None
    try:
        return ImageCms.applyTransform(picture, _to_srgb(profile, picture.mode))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


@lru_cache(maxsize=16)
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """Return the way from a profile to sRGB; most pictures share a few profiles."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
