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
from curation.pixels import Box, squeezed, squeezed_grey
from curation.records import PictureFeatures

# The parts that are hashed, as shares of width and height: left, upper, right, lower. A crop of a picture is
# near one of its parts; a picture with a bar or a border around has the picture near one of its own.
WINDOWS: tuple[Box, ...] = (
    (0.0, 0.0, 1.0, 1.0),
    *((m, m, 1 - m, 1 - m) for m in (0.025, 0.05, 0.075, 0.1)),
    (0.1, 0.0, 1.0, 1.0),
    (0.0, 0.1, 1.0, 1.0),
    (0.0, 0.0, 0.9, 1.0),
    (0.0, 0.0, 1.0, 0.9),
)
SIDE = 128
THUMBNAIL_SIDE = 64
_LEAST_PDQ_QUALITY = 50
_ONES = range(12, 53)
# The eight lowest waves of a DCT-II over 32 values.
_WAVES = 2 * np.cos(np.pi / 64 * np.outer(np.arange(8), 2 * np.arange(32) + 1))
_ROUNDING = 1e-6
# Signs of the 8 x 8 lowest frequencies when the rows or the columns of a picture are mirrored.
_ALTERNATING = np.where(np.arange(8) % 2, -1.0, 1.0)

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
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
    return f"1: pHash, dHash, 9 windows, 8 turns, PDQ of {SIDE} px; {libraries}, libjpeg-turbo {turbo}"


def features(data: bytes) -> Features:
    """Return the features of a picture of any size that `images.inspect` accepts.

    pHash (Zauner, 2010) and dHash (Krawetz, 2013) as imagehash has them, PDQ (Facebook, 2019), from the
    picture upright, in sRGB, on white, squeezed to 128 x 128 px from a decode of 256 px or more. PDQ of that
    is about 12 bits (at most 22 seen) from PDQ of 512 px, but at most 4 between copies of other sizes.
    Raises IntegrityError for no picture.
    """
    import pdqhash  # type: ignore[import-untyped]

    picture = squeezed(data, SIDE)
    grey = picture.convert("L")
    boxes = [_box(window) for window in WINDOWS]
    lows = lowest_frequencies(np.stack([_shrunk(grey, (32, 32), box) for box in boxes]))
    phashes = _numbers(_above_median(np.concatenate([lows, _turns(lows[0])])))
    dhashes = _numbers(_rises(np.stack([_shrunk(grey, (9, 8), box) for box in boxes])))
    pdq, quality = pdqhash.compute(np.asarray(picture))
    return Features(
        sha256=sha256_bytes(data),
        phash=phashes[: len(WINDOWS)],
        dhash=dhashes,
        turned=phashes[len(WINDOWS) :],
        pdq=_numbers(pdq[None].astype(bool))[0],
        pdq_quality=int(quality),
        informative=quality >= _LEAST_PDQ_QUALITY and dhashes[0].bit_count() in _ONES,
        thumbnail=picture.reduce(SIDE // THUMBNAIL_SIDE).tobytes(),
    )


def phash(data: bytes) -> int:
    """Return the pHash alone: of a JPEG several times as fast as the record, and up to 2 bits from its.

    For a look into a list of hashes; what is compared with records comes from records. Raises
    IntegrityError for no picture.
    """
    return grey_phash(np.asarray(squeezed_grey(data, 32)))


def grey_phash(grey: Pixels) -> int:
    """Return the pHash of a grey picture of 32 x 32 px, bit for bit imagehash's."""
    return _numbers(_above_median(lowest_frequencies(grey[None])))[0]


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


def lowest_frequencies(grey: Pixels) -> Floats:
    """Return the 8 x 8 lowest frequencies of pictures: (n, 32, 32) to (n, 8, 8), by DCT-II.

    Where the two in the middle are closer than rounding, as in drawings and flags, the hash hangs on how it
    is rounded: there by the routine that imagehash has.
    """
    low = np.asarray(_WAVES @ grey @ _WAVES.T, dtype=np.float64)
    ordered = np.sort(low.reshape(len(low), 64), axis=1)
    if (ordered[:, 32] - ordered[:, 31] > _ROUNDING).all():
        return low
    from scipy.fft import dct

    rows = dct(grey.astype(np.float64), axis=1)[:, :8]
    return np.asarray(dct(rows, axis=2)[:, :, :8], dtype=np.float64)


def _turns(low: Floats) -> Floats:
    """Return the frequencies of a picture after each of the first eight transforms: (8, 8) to (8, 8, 8).

    Mirroring changes the sign of every second frequency, turning is transposing and mirroring.
    """
    across, down = low * _ALTERNATING, low * _ALTERNATING[:, None]
    both = across * _ALTERNATING[:, None]
    return np.stack([low, down.T, both, across.T, across, down, low.T, both.T])


def _above_median(low: Floats) -> Bits:
    return np.asarray(low > np.median(low, axis=(1, 2), keepdims=True))


def _rises(grey: Pixels) -> Bits:
    """Return where brightness rises from left to right: (n, 8, 9) to (n, 8, 8)."""
    return np.asarray(grey[:, :, 1:] > grey[:, :, :-1])


def _numbers(bits: Bits) -> tuple[int, ...]:
    """Return bits as numbers, the first bit highest, as imagehash and ThreatExchange write them."""
    packed = np.packbits(bits.reshape(len(bits), -1), axis=1)
    return tuple(int.from_bytes(row.tobytes(), "big") for row in packed)


def _box(window: Box) -> Box:
    left, upper, right, lower = window
    return (SIDE * left, SIDE * upper, SIDE * right, SIDE * lower)


def _shrunk(grey: Image.Image, size: tuple[int, int], box: Box) -> Pixels:
    return np.asarray(grey.resize(size, Image.Resampling.LANCZOS, box=box))
