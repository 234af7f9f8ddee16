"""Names the pairs of pictures worth a close look: near hashes of wholes, of parts, of turned ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt

from curation.deduplicating.index import PairIndex, Pairs, index_named
from curation.deduplicating.pairs import DedupeSettings
from curation.deduplicating.search import Hashes, Rows
from curation.records import PictureFeatures, Transform

TURNS = tuple(Transform)[:8]
THUMBNAIL = (64, 64, 3)
_INVERSE = {Transform.ROTATED_90: Transform.ROTATED_270, Transform.ROTATED_270: Transform.ROTATED_90}
# What a crop may leave out on a side, as a share; the first of all combinations is the whole picture.
_CUTS = (0.0, 0.075, 0.15)
_PHASH_SIDE, _LOW = 32, 8
_LUMA = np.array([0.299, 0.587, 0.114])
_WHOLE, _PART = 1, 2


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two pictures that may be one: rows first < second, and what speaks for it.

    whole: hashes of the whole pictures are near. part: a part of one is near to the whole other. turns: how
    second may come from first.
    """

    first: int
    second: int
    whole: bool
    part: bool
    turns: tuple[Transform, ...]

    def turned_about(self) -> Candidate:
        """Return the same with second before first: the turns are the ways back."""
        ways = tuple(_INVERSE.get(way, way) for way in self.turns)
        return Candidate(self.second, self.first, self.whole, self.part, ways)


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates in order; crowded: row -> how many near ones it has, where some were left out."""

    pairs: tuple[Candidate, ...]
    crowded: dict[int, int]


class _Votes:
    """Which pairs were proposed by what, as bits."""

    def __init__(self, informative: npt.NDArray[np.bool_], plain_radius: int) -> None:
        self.keys: list[Rows] = []
        self.bits: list[Rows] = []
        self.crowded: dict[int, int] = {}
        self._informative = informative
        self._plain_radius = plain_radius

    def add(self, first: Rows, second: Rows, bits: Rows, distance: Rows, *, plain: bool) -> None:
        """Note pairs; of plain pictures only if the hash holds for them, and within the plain radius."""
        telling = self._informative[first] & self._informative[second]
        keep = first != second
        keep &= telling | (distance <= self._plain_radius) if plain else telling
        low, high = np.minimum(first, second)[keep], np.maximum(first, second)[keep]
        self.keys.append(low * len(self._informative) + high)
        self.bits.append(bits[keep])

    def crowd(self, found: Pairs, rows: Rows) -> None:
        """Note which pictures had too many near ones."""
        for row, number in found.crowded.items():
            owner = int(rows[row])
            self.crowded[owner] = max(self.crowded.get(owner, 0), number)


def candidates(
    features: Sequence[PictureFeatures], thumbnail: Callable[[int], bytes], settings: DedupeSettings
) -> Candidates:
    """Return the pairs of pictures that a close look should decide on, exactly those within the radii.

    thumbnail: row -> its 64 x 64 x 3 bytes. Features of different algorithms are never compared.
    """
    votes = _Votes(np.array([one.informative for one in features], dtype=bool), settings.plain_radius)
    index = index_named(settings.index)
    for algorithm in sorted({one.algorithm for one in features}):
        rows = np.array([n for n, one in enumerate(features) if one.algorithm == algorithm], dtype=np.int64)
        group = [features[row] for row in rows]
        _whole(index, group, rows, settings, votes)
        _parts(index, group, rows, thumbnail, settings, votes)
        _turned(index, group, rows, settings, votes)
    return Candidates(_counted(votes, len(features)), votes.crowded)


def numbers(hashes: Sequence[str]) -> Hashes:
    """Return 64-bit hashes in hexadecimal as uint64, shape (n,)."""
    return np.array([int(one, 16) for one in hashes], dtype=np.uint64)


def _whole(
    index: PairIndex, group: Sequence[PictureFeatures], rows: Rows, settings: DedupeSettings, votes: _Votes
) -> None:
    words = [[int(one.pdq[n : n + 16], 16) for n in range(0, 64, 16)] for one in group]
    searches = (
        (numbers([one.phash[0] for one in group]), settings.phash_radius, False),
        (numbers([one.dhash[0] for one in group]), settings.dhash_radius, True),
        (np.array(words, dtype=np.uint64).reshape(-1, 4), settings.pdq_radius, False),
    )
    for hashes, radius, plain in searches:
        found = index.within(hashes, radius, settings.most_partners)
        bits = np.full(len(found), _WHOLE)
        votes.add(rows[found.first], rows[found.second], bits, found.distance, plain=plain)
        votes.crowd(found, rows)


def _parts(  # one search, hence the many arguments
    index: PairIndex,
    group: Sequence[PictureFeatures],
    rows: Rows,
    thumbnail: Callable[[int], bytes],
    settings: DedupeSettings,
    votes: _Votes,
) -> None:
    """Look wholes up among the parts of all others: the stored windows, and finer parts for pHash."""
    for name in ("phash", "dhash"):
        hashes = np.stack([numbers(getattr(one, name)) for one in group])
        _across(index, hashes[:, 0], hashes[:, 1:], rows, settings.window_radius, settings, votes)
    wholes = numbers([one.phash[0] for one in group])
    parts = np.stack([part_hashes(thumbnail(int(row))) for row in rows])
    _across(index, wholes, parts, rows, settings.part_radius, settings, votes)


def _across(  # one search, hence the many arguments
    index: PairIndex,
    wholes: Hashes,
    parts: Hashes,
    rows: Rows,
    radius: int,
    settings: DedupeSettings,
    votes: _Votes,
) -> None:
    most = settings.most_partners * parts.shape[1]
    found = index.across(wholes, parts.ravel(), radius, most)
    owner = found.second // parts.shape[1]
    bits = np.full(len(found), _PART)
    votes.add(rows[found.first], rows[owner], bits, found.distance, plain=True)
    votes.crowd(found, rows)


def _turned(
    index: PairIndex, group: Sequence[PictureFeatures], rows: Rows, settings: DedupeSettings, votes: _Votes
) -> None:
    turned = np.stack([numbers(one.turned)[1:] for one in group])
    wholes = numbers([one.phash[0] for one in group])
    found = index.across(wholes, turned.ravel(), settings.turned_radius, settings.most_partners * 7)
    owner, turn = found.second // 7, found.second % 7 + 1
    # The owner of the turned hash comes first in "second comes from first"; else the way back is meant.
    back = np.array([TURNS.index(_INVERSE.get(way, way)) for way in TURNS])
    turn = np.where(rows[owner] < rows[found.first], turn, back[turn])
    votes.add(rows[found.first], rows[owner], 4 << turn, found.distance, plain=True)
    votes.crowd(found, rows)


def _counted(votes: _Votes, count: int) -> tuple[Candidate, ...]:
    empty = np.zeros(0, dtype=np.int64)
    keys, bits = np.concatenate([empty, *votes.keys]), np.concatenate([empty, *votes.bits])
    distinct, place = np.unique(keys, return_inverse=True)
    together = np.zeros(len(distinct), dtype=np.int64)
    np.bitwise_or.at(together, place, bits)
    return tuple(
        Candidate(
            first=key // count,
            second=key % count,
            whole=bool(found & _WHOLE),
            part=bool(found & _PART),
            turns=tuple(way for n, way in enumerate(TURNS) if n and found & 4 << n),
        )
        for key, found in zip(distinct.tolist(), together.tolist(), strict=True)
    )


def part_hashes(thumbnail: bytes) -> Hashes:
    """Return pHash of 80 parts of a picture, from its thumbnail: all crops by 0, 7.5 or 15 % a side.

    uint64, shape (80,); the bits stand as in `features`, a few of 64 differ from hashes of the picture.
    """
    grey = np.frombuffer(thumbnail, dtype=np.uint8).reshape(THUMBNAIL) @ _LUMA
    ways = _ways()
    low = np.einsum("yij,jk,xlk->yxil", ways, grey, ways, optimize=True).reshape(len(ways) ** 2, -1)[1:]
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).ravel()


@cache
def _ways() -> npt.NDArray[np.float64]:
    """Return for each pair of cuts what makes 8 lowest frequencies (DCT-II) of 64 pixels: (9, 8, 64)."""
    side = THUMBNAIL[0]
    steps = np.arange(_PHASH_SIDE)
    waves = np.cos(np.pi * np.arange(_LOW)[:, None] * (2 * steps + 1) / (2 * _PHASH_SIDE))
    found = []
    for start, end in product(_CUTS, repeat=2):
        edges = np.linspace(start * side, (1 - end) * side, _PHASH_SIDE + 1)
        # Area means: the overlap of every new pixel with every old one.
        low = np.maximum(edges[:-1, None], np.arange(side))
        high = np.minimum(edges[1:, None], np.arange(1, side + 1))
        weights = np.maximum(high - low, 0)
        found.append(waves @ (weights / weights.sum(axis=1, keepdims=True)))
    return np.stack(found)
