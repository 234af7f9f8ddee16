"""Bootstrap intervals over cases for many quantities at once: one drawing of cases serves them all."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Column: TypeAlias = NDArray[np.float64]

RESAMPLES = 2000
# Drawings of cases held as full numbers at a time: 32 MB, whatever the size of a release.
_AT_ONCE = 4_000_000
# Sums of floats differ in their last bits between machines; a file of numbers must not.
_DECIMALS = 9


class Estimate(NamedTuple):
    """A mean or a difference of means, with its 95 % interval; None where nothing, or one case, is there."""

    value: float | None
    low: float | None
    high: float | None
    n: int


class Ratio(NamedTuple):
    """A quantity as sum of top / sum of bottom over cases, both [cases].

    A plain mean has bottom 1 for a scored case and 0 for the others; a mean over tokens has the number of
    tokens of each case.
    """

    top: Column
    bottom: Column

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Return which cases have a value."""
        return self.bottom > 0


class Contrast(NamedTuple):
    """The difference one - other of two ratios, over the cases that have both."""

    one: Ratio
    other: Ratio


class Bootstrap:
    """Percentile bootstrap over the same cases for all quantities asked, so that differences are paired.

    cases: how many there are. seed: anything that names the group; equal seeds draw equal cases.
    """

    def __init__(self, cases: int, seed: int, resamples: int = RESAMPLES) -> None:
        generator = np.random.default_rng(seed)
        # How often each case was drawn, [resamples, cases] in parts of bounded size: a resampled sum is then
        # a product of matrices. No case is drawn 256 times in cases draws, unless by a chance below 1e-500.
        self._times: list[NDArray[np.uint8]] = []
        for start in range(0, resamples, max(1, _AT_ONCE // cases)):
            rows = min(resamples, start + max(1, _AT_ONCE // cases)) - start
            drawn = generator.integers(0, cases, (rows, cases)) + np.arange(rows)[:, None] * cases
            times = np.bincount(drawn.ravel(), minlength=rows * cases).reshape(rows, cases)
            self._times.append(times.astype(np.uint8))

    def ratios(self, asked: list[Ratio]) -> list[Estimate]:
        """Return the estimate of each ratio."""
        whole, drawn = self._resampled(asked)
        counts = [int(ratio.scored.sum()) for ratio in asked]
        return [_estimate(whole[i], drawn[:, i], count) for i, count in enumerate(counts)]

    def contrasts(self, asked: list[Contrast]) -> list[Estimate]:
        """Return the estimate of each difference."""
        both = [one.scored & other.scored for one, other in asked]
        pairs = list(zip(asked, both, strict=True))
        first, drawn_first = self._resampled([_only(pair.one, where) for pair, where in pairs])
        second, drawn_second = self._resampled([_only(pair.other, where) for pair, where in pairs])
        drawn = drawn_first - drawn_second
        return [_estimate(first[i] - second[i], drawn[:, i], int(both[i].sum())) for i in range(len(asked))]

    def _resampled(self, asked: list[Ratio]) -> tuple[Column, Column]:
        """Return the ratios over all cases [asked] and over each drawing [resamples, asked]; 0 / 0 is NaN."""
        if not asked:
            return np.empty(0), np.empty((0, 0))
        top = np.stack([ratio.top for ratio in asked], axis=1)
        bottom = np.stack([ratio.bottom for ratio in asked], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = [(part @ top) / (part @ bottom) for part in map(np.float64, self._times)]
            return top.sum(axis=0) / bottom.sum(axis=0), np.concatenate(drawn)


def mean_ratio(values: list[float | None]) -> Ratio:
    """Return the plain mean over cases, None being a case without a value."""
    top = np.array([0.0 if value is None else value for value in values])
    return Ratio(top, np.array([float(value is not None) for value in values]))


def _only(ratio: Ratio, where: NDArray[np.bool_]) -> Ratio:
    return Ratio(ratio.top * where, ratio.bottom * where)


def _estimate(value: float, drawn: Column, count: int) -> Estimate:
    if count == 0:
        return Estimate(None, None, None, 0)
    if count == 1:
        return Estimate(_rounded(value), None, None, 1)
    kept = drawn[~np.isnan(drawn)]
    low, high = np.percentile(kept, [2.5, 97.5])
    return Estimate(_rounded(value), _rounded(low), _rounded(high), count)


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0
