"""Finds all pairs of hashes within a radius, exactly, with numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Literal, Protocol

import numpy as np

from curation.deduplicating.search import (
    BAND_BITS,
    BANDS,
    Found,
    Hashes,
    Rows,
    all_with_all,
    by_bands,
    by_blocks,
)

MOST_PARTNERS = 256
# Nanoseconds of one comparison and of one sorted element, about: they only choose between exact ways.
_BRUTE_COST, _RUN_COST, _SORT_COST = 1.5, 25.0, 45.0


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of rows within a radius, ordered by first and second, each pair once.

    first, second, distance: shape (n,), int64; rows and bits. crowded: row -> how many partners were seen
    for every row that had too many, so that some pairs of it are not listed; empty when nothing was left out.
    Rows of two sets (`across`) are counted on the left side.
    """

    first: Rows
    second: Rows
    distance: Rows
    crowded: dict[int, int]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.first)

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield (first, second, distance) as Python numbers."""
        return zip(self.first.tolist(), self.second.tolist(), self.distance.tolist(), strict=True)


class PairIndex(Protocol):
    """What finds pairs; every implementation gives the same ones."""

    def within(self, hashes: Hashes, radius: int, most: int = MOST_PARTNERS) -> Pairs:
        """Return all pairs first < second of one set, at most `radius` bits apart."""

    def across(self, left: Hashes, right: Hashes, radius: int, most: int = MOST_PARTNERS) -> Pairs:
        """Return all pairs of a row of `left` and a row of `right`, at most `radius` bits apart."""


def index_named(name: Literal["numpy", "faiss"]) -> PairIndex:
    """Return the index that the settings name; PrerequisiteError when its library is not installed."""
    if name == "numpy":
        return NumpyIndex()
    from curation.deduplicating.faiss_index import FaissIndex

    return FaissIndex()


class NumpyIndex:
    """The index that needs nothing but numpy."""

    def within(self, hashes: Hashes, radius: int, most: int = MOST_PARTNERS) -> Pairs:
        """See `pairs_within`."""
        return pairs_within(hashes, radius, most)

    def across(self, left: Hashes, right: Hashes, radius: int, most: int = MOST_PARTNERS) -> Pairs:
        """See `pairs_across`."""
        return pairs_across(left, right, radius, most)


def pairs_within(hashes: Hashes | Sequence[int], radius: int, most: int = MOST_PARTNERS) -> Pairs:
    """Return all pairs first < second of one set that differ in at most `radius` bits.

    hashes: uint64, shape (n,) for 64 bit or (n, words) for longer ones. Equal values are searched for once.
    Small sets are compared all with all. Larger ones of 64 bit by block combination (Greene, Parnas and
    Yao, 1994; Manku, Jain and Das Sarma, 2007): of m blocks of bits, two hashes within r agree in m - r, so
    for every choice of k <= m - r blocks those are the key, and only runs of one key are compared. Memory
    is bounded by the set and the answer; the answer by `most` partners a row.
    """

    def search(values: Hashes, found: Found) -> None:
        plan = _plan(len(values), radius) if values.shape[1] == 1 else None
        if plan is None:
            all_with_all(values, values, radius, found, same=True)
        elif radius > 0:
            by_blocks(values[:, 0], radius, *plan, found)

    return within_by(search, hashes, most)


def pairs_across(
    left: Hashes | Sequence[int], right: Hashes | Sequence[int], radius: int, most: int = MOST_PARTNERS
) -> Pairs:
    """Return all pairs of a row of `left` and a row of `right` that differ in at most `radius` bits.

    For a new batch against an old set, or whole pictures against windows. Larger sets of 64 bit are
    looked up by multi-index hashing (Norouzi, Punjani and Fleet, 2012): of four bands of 16 bit, one
    differs in at most radius // 4, so every value that near to a band is looked up. Else as `pairs_within`.
    """

    def search(ours: Hashes, theirs: Hashes, found: Found) -> None:
        flips = sum(comb(BAND_BITS, n) for n in range(radius // BANDS + 1))
        bucket = len(theirs) / 2**BAND_BITS + 1
        looked_up = BANDS * (len(theirs) * _SORT_COST + len(ours) * flips * bucket * _RUN_COST)
        if ours.shape[1] == 1 and len(ours) * len(theirs) * _BRUTE_COST > looked_up:
            by_bands(ours[:, 0], theirs[:, 0], radius, found)
        else:
            all_with_all(ours, theirs, radius, found, same=False)

    return across_by(search, left, right, most)


def within_by(search: Callable[[Hashes, Found], None], hashes: Hashes | Sequence[int], most: int) -> Pairs:
    """Return the pairs of one set by a search of its distinct values, shape (n, words), first < second."""
    values, groups = _distinct(_as_words(hashes))
    found = Found(len(values), most)
    search(values, found)
    return _expanded(found, groups, groups, most, same=True)


def across_by(
    search: Callable[[Hashes, Hashes, Found], None],
    left: Hashes | Sequence[int],
    right: Hashes | Sequence[int],
    most: int,
) -> Pairs:
    """Return the pairs of two sets by a search of their distinct values."""
    ours, our_groups = _distinct(_as_words(left))
    theirs, their_groups = _distinct(_as_words(right))
    found = Found(len(ours), most)
    search(ours, theirs, found)
    return _expanded(found, our_groups, their_groups, most, same=False)


@dataclass(frozen=True, slots=True)
class _Groups:
    """Which rows hold each distinct value: rows[starts[v] : starts[v] + sizes[v]], ascending."""

    rows: Rows
    starts: Rows
    sizes: Rows


def _as_words(hashes: Hashes | Sequence[int]) -> Hashes:
    values = np.asarray(hashes, dtype=np.uint64)
    return np.ascontiguousarray(values.reshape(len(values), -1) if values.size else values.reshape(0, 1))


def _distinct(values: Hashes) -> tuple[Hashes, _Groups]:
    """Return the distinct values in order of their first row, and their rows."""
    columns = values[:, 0] if values.shape[1] == 1 else values
    order = (
        np.argsort(columns, kind="stable")
        if columns.ndim == 1
        else np.lexsort(tuple(columns[:, n] for n in range(columns.shape[1])))
    )
    ordered = values[order]
    new = np.ones(len(values), dtype=bool)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    starts = np.flatnonzero(new)
    sizes = np.diff(np.r_[starts, len(values)])
    by_row = np.argsort(order[starts], kind="stable")
    groups = _Groups(order.astype(np.int64), starts[by_row], sizes[by_row])
    return ordered[starts[by_row]], groups


def _plan(count: int, radius: int) -> tuple[int, int] | None:
    """Return the cheapest (blocks, blocks in the key) for a set, None where comparing all is cheaper."""
    best, plan = count * count / 2 * _BRUTE_COST, None
    for kept in range(1, 6):
        blocks = radius + kept
        width = 64 * kept / blocks
        runs = count * count / 2 / 2**width
        cost = comb(blocks, kept) * (count * _SORT_COST + runs * _RUN_COST)
        if cost < best and width + count.bit_length() < 63:
            best, plan = cost, (blocks, kept)
    return plan


def _expanded(found: Found, left: _Groups, right: _Groups, most: int, *, same: bool) -> Pairs:
    """Return pairs of rows from pairs of distinct values; of a value with too many rows, its first stands."""
    empty = np.zeros(0, dtype=np.int64)
    ours = np.concatenate([empty, *(part[0] for part in found.parts)])
    theirs = np.concatenate([empty, *(part[1] for part in found.parts)])
    bits = np.concatenate([empty, *(part[2] for part in found.parts)])
    crowded: dict[int, int] = {}

    def note(values: Rows, partners: Rows) -> None:
        for row, number in zip(left.rows[left.starts[values]].tolist(), partners.tolist(), strict=True):
            crowded[row] = max(crowded.get(row, 0), number)

    note(found.crowded(), found.seen[found.crowded()])
    many = np.flatnonzero(left.sizes > most)
    note(many, left.sizes[many] - 1)
    note(ours[right.sizes[theirs] > most], right.sizes[theirs][right.sizes[theirs] > most])
    columns = [_crossed(ours, theirs, bits, left, right, most)]
    if same:
        columns.append(_equals(left, most))
    first, second, distance = (np.concatenate(part) for part in zip(*columns, strict=True))
    if same:
        first, second = np.minimum(first, second), np.maximum(first, second)
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], distance[order], crowded)


def _crossed(
    ours: Rows, theirs: Rows, bits: Rows, left: _Groups, right: _Groups, most: int
) -> tuple[Rows, Rows, Rows]:
    """Return every row of the one value with every row of the other."""
    wide = np.where(left.sizes > most, 1, left.sizes)[ours]
    high = np.where(right.sizes > most, 1, right.sizes)[theirs]
    area = wide * high
    place = _counted(area)
    first = left.rows[np.repeat(left.starts[ours], area) + place // np.repeat(high, area)]
    second = right.rows[np.repeat(right.starts[theirs], area) + place % np.repeat(high, area)]
    return first, second, np.repeat(bits, area)


def _equals(groups: _Groups, most: int) -> tuple[Rows, Rows, Rows]:
    """Return the pairs of rows that hold one value: all, or of a crowded value those of its first row."""
    several = np.flatnonzero(groups.sizes > 1)
    starts, sizes = groups.starts[several], groups.sizes[several]
    anchors = np.where(sizes > most, 1, sizes - 1)
    low = np.repeat(starts, anchors) + _counted(anchors)
    partners = np.repeat(starts + sizes, anchors) - low - 1
    first = np.repeat(low, partners)
    second = first + 1 + _counted(partners)
    return groups.rows[first], groups.rows[second], np.zeros(len(first), dtype=np.int64)


def _counted(counts: Rows) -> Rows:
    """Return 0 .. counts[0] - 1, 0 .. counts[1] - 1, and so on."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
