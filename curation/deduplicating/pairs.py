"""Compares two pictures that lie on each other, and says merge, review or distinct."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from curation.records import PairVerdict

Pixels = npt.NDArray[np.float32]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_CHROMA = np.array([[-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], dtype=np.float32)
_BLOCKS, _SPOTS = 8, 16
# Of 64 blocks, those that a watermark or another mark may cover.
_LOCAL = 8
# Standard deviation of luma, in grey levels, below which a picture has no structure to correlate.
_PLAIN = 1.5
# Of a block: below it there is nothing to recognise.
_TEXTURE = 2.5
# Root mean square of chroma below which a picture is grey to the eye.
_GREY = 2.5


class DedupeSettings(BaseModel):
    """The `[dedupe]` table of mmke.toml; the defaults are what the quality table in docs/ was measured with.

    Radii are bits in which two hashes may differ for the pair to be looked at closely. Of what is then
    measured, grey levels run from 0 to 255.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What people said of pairs, relative to the current folder: a file to keep under version control.
    rulings: Path = Path("decisions/duplicates.toml")
    # numpy needs nothing more; faiss (extra `faiss`) gives the same pairs.
    index: Literal["numpy", "faiss"] = "numpy"
    # Whole picture against whole picture.
    phash_radius: int = Field(default=10, ge=0, le=20)
    dhash_radius: int = Field(default=8, ge=0, le=20)
    pdq_radius: int = Field(default=64, ge=0, le=90)
    # A whole picture against a part of another (crops, borders, caption bars), and over flips and turns.
    window_radius: int = Field(default=8, ge=0, le=20)
    # The same against 80 finer parts, which find crops of up to 15 % on any side.
    part_radius: int = Field(default=10, ge=0, le=20)
    turned_radius: int = Field(default=8, ge=0, le=20)
    # For plain and flag-like pictures, whose hashes say little, the radii of dHash, parts and turns shrink to
    # this. It may be wide, because no such pair is merged unless its pixels agree.
    plain_radius: int = Field(default=7, ge=0, le=10)
    # Partners of one picture beyond which it is reported as crowded and its further pairs are left out.
    most_partners: int = Field(default=256, ge=10)
    # Least correlation of the luma of two pictures laid on each other: merged from here, else to people.
    merge_correlation: float = Field(default=0.97, ge=0.5, le=1)
    review_correlation: float = Field(default=0.88, ge=0.5, le=1)
    # The same for the picture without its worst eighth: a watermark, a stamp, another small thing.
    review_without: float = Field(default=0.95, ge=0.5, le=1)
    # Most mean difference of the worst and the fourth worst of 8 x 8 blocks.
    worst_block: float = Field(default=20, ge=0)
    fourth_block: float = Field(default=12, ge=0)
    # The same of the worst of 16 x 16 blocks, for luma and for chroma: another thing on one background.
    worst_spot: float = Field(default=32, ge=0)
    worst_spot_colour: float = Field(default=20, ge=0)
    # Colours: least correlation, most mean difference. A grey copy of a coloured picture goes to people.
    colour_correlation: float = Field(default=0.85, ge=0, le=1)
    colour_difference: float = Field(default=8, ge=0)


@dataclass(frozen=True, slots=True)
class Measures:
    """What two pictures that lie on each other differ by.

    correlation: of luma, -1 to 1; 0 where one is plain. without: the same without the worst eighth of the
    picture. worst, fourth: mean difference of luma after both got the same mean and contrast, of the worst
    and fourth worst of 8 x 8 blocks, in grey levels. spot, spot_colour: of luma and of chroma, of the worst
    of 16 x 16 blocks. colour: cosine of all chroma, 1 where both are grey.
    colour_difference: mean, in levels. difference: mean over all bytes as they are. textured: share of the
    8 x 8 blocks in which both have structure.
    """

    correlation: float
    without: float
    worst: float
    fourth: float
    spot: float
    spot_colour: float
    colour: float
    colour_difference: float
    difference: float
    textured: float


def measure(one: Pixels, other: Pixels, valid: npt.NDArray[np.bool_] | None = None) -> Measures:
    """Compare two pictures of equal size: float32 RGB of 0 to 255, shape (side, side, 3), side 16 n.

    valid: which pixels both have, shape (side, side); all of them unless given. Structure is compared by
    normalised cross-correlation, light and contrast set equal, so that a copy made brighter is a copy.
    """
    side = one.shape[0]
    mask = np.ones((side, side), dtype=np.float32) if valid is None else valid.astype(np.float32)
    luma_1, luma_2 = one @ _LUMA, other @ _LUMA
    whole = _fit(luma_1, luma_2, mask)
    blocks = np.sort(_block_means(whole.residual, mask, _BLOCKS), axis=None)
    kept, rest = mask, whole
    for _ in range(2):  # what differs locally moves mean and contrast too: judge it by the rest
        means = _block_means(rest.residual, mask, _BLOCKS)
        worst = means > np.sort(means, axis=None)[-_LOCAL - 1]
        kept = mask * ~np.kron(worst, np.ones((side // _BLOCKS, side // _BLOCKS), dtype=bool))
        rest = _fit(luma_1, luma_2, kept)
    colour, apart = _colours(one, other, mask, whole.gain)
    total = max(float(mask.sum()), 1.0)
    return Measures(
        correlation=whole.correlation,
        without=rest.correlation,
        worst=float(blocks[-1]),
        fourth=float(blocks[-4]),
        spot=float(_block_means(whole.residual, mask, _SPOTS).max()),
        spot_colour=float(_block_means(apart, mask, _SPOTS).max()),
        colour=colour,
        colour_difference=float((apart * mask).sum() / total),
        difference=float((np.abs(one - other).mean(axis=2) * mask).sum() / total),
        textured=float(((_spreads(luma_1) > _TEXTURE) & (_spreads(luma_2) > _TEXTURE)).mean()),
    )


@dataclass(frozen=True, slots=True)
class _Fit:
    correlation: float
    gain: float
    residual: Pixels


def _fit(luma_1: Pixels, luma_2: Pixels, mask: Pixels) -> _Fit:
    """Return how the luma of two pictures agrees where the mask is 1, and what is left everywhere."""
    total = max(float(mask.sum()), 1.0)
    centred_1 = luma_1 - (luma_1 * mask).sum() / total
    centred_2 = luma_2 - (luma_2 * mask).sum() / total
    spread_1 = float(np.sqrt((centred_1**2 * mask).sum() / total))
    spread_2 = float(np.sqrt((centred_2**2 * mask).sum() / total))
    if min(spread_1, spread_2) < _PLAIN:
        return _Fit(0.0, 1.0, np.abs(centred_1 - centred_2))
    correlation = float((centred_1 * centred_2 * mask).sum() / total / (spread_1 * spread_2))
    wide = max(spread_1, spread_2)
    residual = np.abs(centred_1 * (wide / spread_1) - centred_2 * (wide / spread_2))
    return _Fit(correlation, spread_2 / spread_1, residual)


def _colours(one: Pixels, other: Pixels, mask: Pixels, gain: float) -> tuple[float, Pixels]:
    """Return the cosine of all chroma, and its difference after a gain for brightness, by pixel."""
    total = max(float(mask.sum()), 1.0)
    chroma_1, chroma_2 = (one @ _CHROMA.T) * mask[..., None], (other @ _CHROMA.T) * mask[..., None]
    size_1 = float(np.sqrt((chroma_1**2).sum() / total))
    size_2 = float(np.sqrt((chroma_2**2).sum() / total))
    apart = np.abs(chroma_1 * min(max(gain, 0.5), 2.0) - chroma_2).mean(axis=2)
    if max(size_1, size_2) < _GREY:
        return 1.0, apart
    return float((chroma_1 * chroma_2).sum() / total / max(size_1 * size_2, 1e-6)), apart


def _spreads(luma: Pixels) -> Pixels:
    """Return the standard deviation of luma in each of 8 x 8 blocks."""
    cell = luma.shape[0] // _BLOCKS
    return np.asarray(luma.reshape(_BLOCKS, cell, _BLOCKS, cell).std(axis=(1, 3)))


def _block_means(values: Pixels, mask: Pixels, blocks: int) -> Pixels:
    """Return the means of blocks x blocks over what is valid; mostly invalid blocks are 0."""
    cell = values.shape[0] // blocks
    shape = (blocks, cell, blocks, cell)
    sums, counts = (values * mask).reshape(shape).sum(axis=(1, 3)), mask.reshape(shape).sum(axis=(1, 3))
    return np.where(counts >= cell * cell / 4, sums / np.maximum(counts, 1), 0).astype(np.float32)


def verdict(found: Measures, settings: DedupeSettings) -> PairVerdict:
    """Return what measures come to: merge only where all agree, review where the structure does."""
    if found.correlation < settings.review_correlation and found.without < settings.review_without:
        return PairVerdict.DISTINCT
    agrees = (
        found.correlation >= settings.merge_correlation
        and found.worst <= settings.worst_block
        and found.fourth <= settings.fourth_block
        and found.spot <= settings.worst_spot
        and found.spot_colour <= settings.worst_spot_colour
        and found.colour >= settings.colour_correlation
        and found.colour_difference <= settings.colour_difference
    )
    return PairVerdict.MERGE if agrees else PairVerdict.REVIEW
