"""Counts how many bits of pHash part the pairs of a collection: the chart that thresholds are chosen on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log10

import numpy as np
import numpy.typing as npt

from curation.records import DuplicateCluster, DuplicatePair, PairVerdict, PictureFeatures

Counts = npt.NDArray[np.float64]

SHOWN_BITS = 40
_BITS = 65
_BLOCK = 256
# 5,000 pictures are compared all with all in a fifth of a second; of more, a sample with all.
_MOST_COMPARISONS = 25_000_000
_WIDTH, _HEIGHT, _LEFT, _BASE = 900.0, 250.0, 44.0, 214.0
_THRESHOLDS = (0, 2, 4, 6, 8, 10, 12, 14, 16)


@dataclass(frozen=True, slots=True)
class Distances:
    """Pairs by the number of pHash bits that differ, whole picture against whole picture, each shape (65,).

    merged: in one group of duplicates. review: for people. other: all the rest, an estimate unless exact.
    """

    pictures: int
    merged: Counts
    review: Counts
    other: Counts
    exact: bool

    @property
    def first_other(self) -> int:
        """Return the least distance at which two pictures are neither duplicates nor for people to decide."""
        found = np.flatnonzero(self.other >= 1)
        return int(found[0]) if len(found) else _BITS

    @property
    def table(self) -> list[tuple[int, int, int, int]]:
        """Return (bits, merged, review, other) for some thresholds, each counted up to that many bits."""
        series = [np.cumsum(counts) for counts in (self.merged, self.review, self.other)]
        return [(bits, *(round(float(counts[bits])) for counts in series)) for bits in _THRESHOLDS]  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the chart in its coordinates, and what it says when pointed at."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    says: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart's bars, and its two axes as (place, words)."""

    bars: list[Bar]
    bits: list[tuple[float, str]]
    pairs: list[tuple[float, str]]
    width: float = _WIDTH
    height: float = _HEIGHT
    left: float = _LEFT
    base: float = _BASE


def distances(
    clusters: Sequence[DuplicateCluster],
    pairs: Sequence[DuplicatePair],
    features: Mapping[str, PictureFeatures],
    families: Iterable[Sequence[str]] = (),
) -> Distances | None:
    """Return the distances among informative pictures of the commonest algorithm, None for fewer than two.

    families: image ids of pictures that were made of each other, of which no pair is counted. Of more than
    5,000 pictures an even sample is compared with all, and counts are scaled to
    all pairs.
    """
    known = _comparable(features)
    if len(known) < 2:
        return None
    values = {key: int(feature.phash[0], 16) for key, feature in known.items()}
    merged, review, kin = np.zeros(_BITS), np.zeros(_BITS), np.zeros(_BITS)
    group: dict[str, str] = {}
    for cluster in clusters:
        members = [cluster.keeper, *(member.image_id for member in cluster.dropped)]
        group |= dict.fromkeys(members, cluster.cluster_id)
        merged += _within(members, values)
    for family in families:
        kin += _within(family, values)
    for pair in pairs:
        both = pair.first in values and pair.second in values
        if not both or group.get(pair.first, pair.first) == group.get(pair.second, pair.second):
            continue
        counted = review if pair.verdict is PairVerdict.REVIEW else merged
        counted[(values[pair.first] ^ values[pair.second]).bit_count()] += 1
    hashes = np.array([values[key] for key in sorted(values)], dtype=np.uint64)
    rows = min(len(hashes), max(1, _MOST_COMPARISONS // len(hashes)))
    other = np.maximum(_among(hashes, rows) - merged - review - kin, 0)
    return Distances(len(hashes), merged, review, other, exact=rows == len(hashes))


def chart(found: Distances) -> Chart:
    """Return the histogram up to 40 bits: three bars a bit, their height the logarithm of the count."""
    series = {"merged": found.merged, "review": found.review, "other": found.other}
    most = max(float(counts[: SHOWN_BITS + 1].max()) for counts in series.values())
    top = log10(1 + max(most, 9))
    step = (_WIDTH - _LEFT) / (SHOWN_BITS + 1)
    bars = []
    for bits in range(SHOWN_BITS + 1):
        for place, (kind, counts) in enumerate(series.items()):
            number = round(float(counts[bits]))
            if number:
                height = (_BASE - 12) * log10(1 + number) / top
                left = _LEFT + bits * step + 1 + place * (step - 2) / 3
                says = f"{bits} bits: {number} pairs {_MEANING[kind]}"
                bars.append(Bar(kind, round(left, 1), round(_BASE - height, 1), 6.0, round(height, 1), says))
    ticks = [10**power for power in range(int(top) + 1)]
    return Chart(
        bars=bars,
        bits=[(round(_LEFT + (bits + 0.5) * step, 1), str(bits)) for bits in range(0, SHOWN_BITS + 1, 4)],
        pairs=[(round(_BASE - (_BASE - 12) * log10(1 + n) / top, 1), f"{n:,}") for n in ticks],
    )


_MEANING = {"merged": "merged", "review": "for people", "other": "of different pictures"}


def _comparable(features: Mapping[str, PictureFeatures]) -> dict[str, PictureFeatures]:
    times = Counter(feature.algorithm for feature in features.values())
    commonest = max(times, key=lambda name: (times[name], name), default="")
    return {
        key: feature
        for key, feature in features.items()
        if feature.informative and feature.algorithm == commonest and feature.phash
    }


def _within(keys: Iterable[str], values: Mapping[str, int]) -> Counts:
    """Return the number of pairs by distance among a few pictures; shape (65,)."""
    hashes = np.array([values[key] for key in keys if key in values], dtype=np.uint64)
    return _among(hashes, len(hashes)) if len(hashes) > 1 else np.zeros(_BITS)


def _among(hashes: npt.NDArray[np.uint64], rows: int) -> Counts:
    """Return the number of pairs by distance, from `rows` evenly spread hashes against all; shape (65,)."""
    chosen = hashes[np.linspace(0, len(hashes) - 1, rows).astype(np.int64)]
    counts = np.zeros(_BITS)
    for start in range(0, rows, _BLOCK):
        apart = np.bitwise_count(chosen[start : start + _BLOCK, None] ^ hashes[None, :])
        counts += np.bincount(apart.ravel(), minlength=_BITS)
    counts[0] -= rows  # each against itself
    return counts * (len(hashes) / rows) / 2
