"""What the search for duplicates knows of a picture: hashes of it, its parts and its turns; a thumbnail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL import features as pillow

from curation.errors import IntegrityError
from curation.ids import sha256_bytes
from curation.pixels import reduced, reduced_grey
from curation.records import PictureFeatures

# The parts that are hashed, as shares of width and height: left, upper, right, lower. A crop of a picture is
# near one of its parts; a picture with a bar or a border around has the picture near one of its own.
WINDOWS = (
    (0.0, 0.0, 1.0, 1.0),
    *((m, m, 1 - m, 1 - m) for m in (0.025, 0.05, 0.075, 0.1)),
    (0.1, 0.0, 1.0, 1.0),
    (0.0, 0.1, 1.0, 1.0),
    (0.0, 0.0, 0.9, 1.0),
    (0.0, 0.0, 1.0, 0.9),
)
SIDE = 256
_GREY_SIDE = 96
THUMBNAIL_SIDE = 64
_LEAST_PDQ_QUALITY = 50
_ONES = range(12, 53)
# Signs of the 8 x 8 lowest frequencies when the rows or the columns of a picture are mirrored.
_ALTERNATING = np.where(np.arange(8) % 2, -1.0, 1.0)

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Features:
    """All that is computed from the bytes of a picture, in one decode.

    sha256: of the bytes. phash, dhash: 64 bit each, of the nine WINDOWS in their order. turned: pHash of the
    picture after each of the first eight transforms, in the order of records.Transform: as it is; a quarter,
    half and three quarters turned clockwise; mirrored left to right; upside down (mirrored top to bottom);
    transposed (mirrored at the diagonal from the upper left); transversed (at the other one). pdq: 256 bit.
    pdq_quality: 0 to 100. informative: False when hashes say nothing. thumbnail: 64 x 64 x 3 bytes of sRGB.
    """

    sha256: str
    phash: tuple[int, ...]
    dhash: tuple[int, ...]
    turned: tuple[int, ...]
    pdq: int
    pdq_quality: int
    informative: bool
    thumbnail: bytes


@cache
def algorithm() -> str:
    """Return what makes the features, with versions: those of another algorithm are made anew."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("pillow", "simplejpeg", "pdqhash"))
    turbo = pillow.version("libjpeg_turbo")
    return f"1: pHash, dHash, 9 windows, 8 turns, PDQ from {SIDE} px; {libraries}, libjpeg-turbo {turbo}"


def features(data: bytes) -> Features:
    """Return the features of a picture of any size that `images.inspect` accepts.

    pHash (Zauner, 2010) and dHash (Krawetz, 2013) as imagehash has them, PDQ (Facebook, 2019), from the
    picture upright, in sRGB, on white, shrunk to 256 px or more. Raises IntegrityError for no picture.
    """
    import pdqhash  # type: ignore[import-untyped]

    picture = reduced(data, SIDE)
    grey = picture.convert("L")
    boxes = [_box(grey.size, window) for window in WINDOWS]
    lows = lowest_frequencies(np.stack([_shrunk(grey, (32, 32), box) for box in boxes]))
    dhash = tuple(_number(_rises(_shrunk(grey, (9, 8), box))) for box in boxes)
    pdq, quality = pdqhash.compute(np.asarray(picture))
    return Features(
        sha256=sha256_bytes(data),
        phash=tuple(_number(_above_median(low)) for low in lows),
        dhash=dhash,
        turned=tuple(_number(_above_median(low)) for low in _turns(lows[0])),
        pdq=_number(pdq.astype(bool)),
        pdq_quality=int(quality),
        informative=quality >= _LEAST_PDQ_QUALITY and dhash[0].bit_count() in _ONES,
        thumbnail=picture.resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BOX).tobytes(),
    )


def phash(data: bytes) -> int:
    """Return the pHash alone: of a JPEG several times as fast as the record, and up to 2 bits from its.

    For a look into a list of hashes; what is compared with records comes from records. Raises
    IntegrityError for no picture.
    """
    return grey_phash(np.asarray(reduced_grey(data, _GREY_SIDE).resize((32, 32), Image.Resampling.LANCZOS)))


def grey_phash(grey: npt.NDArray[np.uint8]) -> int:
    """Return the pHash of a grey picture of 32 x 32 px, bit for bit imagehash's."""
    return _number(_above_median(lowest_frequencies(grey[None])[0]))


def picture_features(
    image_id: str, data: bytes, save: Callable[[bytes], str], sha256: str
) -> PictureFeatures:
    """Return the features of a picture as a record; its thumbnail is saved first.

    data: as fetched. save: keeps bytes for good and returns their sha256. sha256: what data should be.
    Raises IntegrityError when they are other bytes or no picture.
    """
    found = features(data)
    if found.sha256 != sha256:
        raise IntegrityError(f"the bytes of {image_id} are not those that were fetched")
    return PictureFeatures(
        image_id=image_id,
        sha256=sha256,
        phash=tuple(f"{value:016x}" for value in found.phash),
        dhash=tuple(f"{value:016x}" for value in found.dhash),
        turned=tuple(f"{value:016x}" for value in found.turned),
        pdq=f"{found.pdq:064x}",
        pdq_quality=found.pdq_quality,
        informative=found.informative,
        thumbnail_sha256=save(found.thumbnail),
        algorithm=algorithm(),
    )


def lowest_frequencies(grey: npt.NDArray[np.uint8]) -> Floats:
    """Return the 8 x 8 lowest frequencies of pictures: (n, 32, 32) to (n, 8, 8), by DCT-II.

    By the same routine as imagehash's: where frequencies are zero or equal, as in drawings, another way to
    round would give other hashes.
    """
    from scipy.fft import dct

    rows = dct(grey.astype(np.float64), axis=1)[:, :8]
    return np.asarray(dct(rows, axis=2)[:, :, :8], dtype=np.float64)


def _turns(low: Floats) -> list[Floats]:
    """Return the frequencies of the picture after each of the first eight transforms, in their order.

    Mirroring changes the sign of every second frequency, turning is transposing and mirroring.
    """
    across, down = low * _ALTERNATING, low * _ALTERNATING[:, None]
    both = across * _ALTERNATING[:, None]
    return [low, down.T, both, across.T, across, down, low.T, both.T]


def _above_median(low: Floats) -> Bits:
    return np.asarray(low > np.median(low))


def _rises(grey: npt.NDArray[np.uint8]) -> Bits:
    """Return where brightness rises from left to right: (8, 9) to (8, 8)."""
    return np.asarray(grey[:, 1:] > grey[:, :-1])


def _number(bits: Bits) -> int:
    """Return bits as a number, the first one highest, as imagehash and ThreatExchange write them."""
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _box(
    size: tuple[int, int], window: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    width, height = size
    left, upper, right, lower = window
    return (left * width, upper * height, right * width, lower * height)


def _shrunk(
    grey: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]
) -> npt.NDArray[np.uint8]:
    return np.asarray(grey.resize(size, Image.Resampling.LANCZOS, box=box))
