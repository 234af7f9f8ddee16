"""Pictures from outside, decoded under limits into small sRGB JPEGs; and the few pictures made of those.

What becomes of each kind of picture (`inspect`); reasons are codes of curation.errors.Reason:

| bytes | result |
| --- | --- |
| JPEG, PNG, WebP, GIF, AVIF by their first bytes, whatever the name says | kept |
| no bytes at all | image_empty |
| a web page, JSON, text, bytes of no known format | not_an_image |
| TIFF (which has 32 bit pixels), PSD, EPS, PDF, ICNS, BMP, HEIC, SVG, video, ... | image_format_not_allowed |
| over 40 MB, 50 megapixels, 1,000 frames or 100 JPEG passes, read from the header | image_too_large |
| over 16 MB of profiles, EXIF and text, 1 MB in a packed one, or 50,000 parts | image_metadata_too_large |
| shorter side under 96 px (a side of 0 too) | image_too_small |
| cut off; a JPEG whose data end early, even where its end marker was mended | image_truncated |
| otherwise broken, or a kind of coding that no decoder knows (12 bit JPEG) | image_unreadable |
| animation (GIF, APNG, WebP, AVIF), stereo pair (MPO) | kept: first frame, noted |
| EXIF orientation | kept: turned, noted; broken EXIF is ignored |
| ICC profile | kept: colours moved to sRGB; one that is broken, unfit or over 4 MB is ignored |
| CMYK and YCCK JPEG, inverted where Adobe's marker is | kept: by its profile, else by Pillow's formula |
| grey of 16 bit | kept: scaled by 1/257, noted; colour of 16 bit: the upper 8 bit |
| 32 bit pixels, should a decoder ever give them | image_depth_not_allowed |
| palette, palette with transparency, alpha | kept: laid on white, noted where anything is transparent |
| bytes after the end (polyglots) | kept, noted; they stay in the original alone |
| takes more than its time or memory (`decoding.DecodePool`) | decode_too_costly |
| kills the process that decodes it, twice | decode_crashed |

What is published is the derivative: encoded anew from pixels, so that it has no EXIF, XMP, comment, profile,
thumbnail or foreign bytes.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageOps

from curation import headers
from curation.errors import Reason, Rejected
from curation.headers import Header, outside_limits, read_header, too_small
from curation.ids import sha256_bytes
from curation.pixels import (
    BOMBS,
    BROKEN,
    ends_early,
    fit,
    open_picture,
    orientation,
    scalable,
    srgb,
    trusted,
    upright,
)

MAX_BYTES = headers.MAX_BYTES
DERIVATIVE_SIDE = 512


@dataclass(frozen=True, slots=True)
class Inspected:
    """A picture that is sound.

    sha256, byte_size: of the bytes as fetched. width, height: in pixels, after EXIF orientation.
    derivative: RGB JPEG, longest side at most 512 px, quality 90, no metadata. notes: what was done to it
    besides, in plain phrases ('first of 12 frames', 'transparency on white').
    """

    sha256: str
    byte_size: int
    media_type: str
    width: int
    height: int
    derivative: bytes
    derivative_sha256: str
    notes: tuple[str, ...] = ()


def inspect(key: str, data: bytes) -> Inspected | Rejected:
    """Decode untrusted bytes, or say why not, as the table above has it.

    Limits are read from the container before any decoder sees it. Time and memory are bounded only where
    this runs in a `decoding.DecodePool`.
    """
    header = read_header(key, data)
    if isinstance(header, Rejected):
        return header
    try:
        return _decoded(key, data, header)
    except BOMBS as error:
        return Rejected(key, Reason.IMAGE_TOO_LARGE, str(error))
    except BROKEN as error:
        return _broken(key, header, error)


def _decoded(key: str, data: bytes, header: Header) -> Inspected | Rejected:
    """Return the picture; raises one of BROKEN."""
    picture = open_picture(data)
    frames = header.frames or int(getattr(picture, "n_frames", 1))
    seen = Header(header.kind, *picture.size, frames)  # a decoder may see another size than we did
    refused = outside_limits(key, seen) or too_small(key, *picture.size)
    if refused is not None:
        return refused
    picture.verify()
    picture = open_picture(data)
    turned = orientation(picture)
    picture.load()
    if header.kind == "JPEG" and ends_early(data, picture.mode):
        return Rejected(key, Reason.IMAGE_TRUNCATED, "its data end before the picture does")
    if picture.mode in ("I", "F"):
        return Rejected(key, Reason.IMAGE_DEPTH_NOT_ALLOWED, "pixels of 32 bit have no defined white")
    picture = upright(picture, turned)
    width, height = picture.size
    if scalable(picture):
        picture = fit(picture, DERIVATIVE_SIDE)
    notes = _notes(picture, turned, frames, len(data) - (header.end or len(data)))
    derivative = _jpeg(fit(srgb(picture), DERIVATIVE_SIDE))
    return Inspected(
        sha256=sha256_bytes(data),
        byte_size=len(data),
        media_type=Image.MIME[header.kind],
        width=width,
        height=height,
        derivative=derivative,
        derivative_sha256=sha256_bytes(derivative),
        notes=notes,
    )


def _notes(picture: Image.Image, turned: int, frames: int, trailing: int) -> tuple[str, ...]:
    """Return what is done to a picture on its way to sRGB."""
    deep = picture.mode.startswith("I;16")
    clear = picture.has_transparency_data and np.asarray(picture.convert("RGBA"))[:, :, 3].min() < 255
    done = (
        (f"first of {frames} frames", frames > 1),
        ("turned upright", turned > 1),
        ("16 bit scaled to 8", deep),
        ("transparency on white", clear),
        (f"{trailing} bytes after the picture left out", trailing > 0 and frames == 1),
    )
    return tuple(phrase for phrase, holds in done if holds)


def _broken(key: str, header: Header, error: Exception) -> Rejected:
    """Return what a decoder's complaint means."""
    said = str(error)
    if "MAX_TEXT" in said:
        return Rejected(key, Reason.IMAGE_METADATA_TOO_LARGE, "its texts unpack to more than is read")
    if header.end is None or "truncated" in said.lower():
        return Rejected(key, Reason.IMAGE_TRUNCATED, f"{header.kind}, cut off")
    detail = f"not a readable {header.kind} ({type(error).__name__})"
    return Rejected(key, Reason.IMAGE_UNREADABLE, detail)


def side_by_side(left: bytes, right: bytes) -> bytes:
    """Return two derivatives at equal height beside each other: the paper's one-hop picture.

    RGB JPEG, longest side at most 512 px. Raises IntegrityError when one of them is no picture.
    """
    pair = [trusted(left), trusted(right)]
    height = min(picture.height for picture in pair)
    scaled = [ImageOps.contain(picture, (16 * height, height), Image.Resampling.LANCZOS) for picture in pair]
    gap = max(2, height // 64)
    canvas = Image.new("RGB", (scaled[0].width + gap + scaled[1].width, height), "white")
    canvas.paste(scaled[0], (0, 0))
    canvas.paste(scaled[1], (scaled[0].width + gap, 0))
    return _jpeg(fit(canvas, DERIVATIVE_SIDE))


def view(data: bytes, kind: str) -> bytes:
    """Return another view of a picture: 'crop' (middle 80 %), 'dimmed' (half the light) or 'flip' (mirrored).

    RGB JPEG, longest side at most 512 px. Raises IntegrityError for bytes that are no picture, ValueError
    for another kind.
    """
    picture = fit(trusted(data), DERIVATIVE_SIDE)
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
    return _jpeg(fit(trusted(data), side), quality=80)


def pixels_of(data: bytes, side: int) -> npt.NDArray[np.float64]:
    """Return a derivative squeezed to side x side as RGB numbers from 0 to 255, shape (side, side, 3)."""
    return np.asarray(trusted(data).resize((side, side), Image.Resampling.BOX), dtype=np.float64)


def main_colour(data: bytes, box: tuple[int, int, int, int] | None = None) -> tuple[str, float]:
    """Return the basic colour name that covers most of a picture, and its share of the pixels.

    One of the eleven basic colour terms of English (Berlin and Kay, 1969): every pixel, background and
    border too, goes to the nearest prototype in OKLab. box: left, upper, right, lower, in pixels.
    Raises IntegrityError when the bytes are no picture.
    """
    picture = trusted(data)
    small = (picture.crop(box) if box else picture).resize((64, 64), Image.Resampling.BOX)
    lab = _oklab(np.asarray(small, dtype=np.float64).reshape(-1, 3) / 255)
    distance = np.linalg.norm(lab[:, None, :] - _PROTOTYPES[None, :, :], axis=2)
    names = np.array(_PROTOTYPE_NAMES)[distance.argmin(axis=1)]
    counts = [(int((names == name).sum()), name) for name in _COLOURS]
    most, name = max(counts, key=lambda count: count[0])
    return name, most / len(names)


def _jpeg(picture: Image.Image, quality: int = 90) -> bytes:
    bare = picture.copy()
    bare.info.clear()  # Pillow would write comments and profiles that it finds there
    out = io.BytesIO()
    bare.save(out, "JPEG", quality=quality)
    return out.getvalue()


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
