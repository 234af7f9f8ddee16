"""Searches distinct hashes for near ones in three exact ways: all with all, by blocks of bits, by bands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

MOST_IN_BUCKET = 20_000
BAND_BITS, BANDS = 16, 4
_BLOCK = 1024
_CHUNK = 1 << 20


class Found:
    """Pairs as they are found, at most `most` for each first row; rows beyond that are counted, not kept."""

    def __init__(self, rows: int, most: int) -> None:
        self.parts: list[tuple[Rows, Rows, npt.NDArray[np.int16]]] = []
        self.seen = np.zeros(rows, dtype=np.int64)
        self.skipped = np.zeros(rows, dtype=bool)
        self._most = most

    def add(self, first: Rows, second: Rows, distance: npt.NDArray[np.generic]) -> None:
        if not len(first):
            return
        # The place of each pair among those of its first row, counted on from earlier parts.
        order = np.argsort(first, kind="stable")
        rows = first[order]
        starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
        counts = np.diff(np.r_[starts, len(rows)])
        place = np.arange(len(rows)) - np.repeat(starts, counts) + self.seen[rows]
        self.seen[rows[starts]] += counts
        fits = order[place < self._most]
        self.parts.append((first[fits], second[fits], distance[fits].astype(np.int16)))

    def skip(self, rows: Rows, partners: int) -> None:
        """Note rows of which a bucket was not searched to its end."""
        self.skipped[rows] = True
        self.seen[rows] = np.maximum(self.seen[rows], partners)

    def crowded(self) -> Rows:
        return np.flatnonzero(self.skipped | (self.seen > self._most))


def all_with_all(left: Hashes, right: Hashes, radius: int, found: Found, *, same: bool) -> None:
    """Compare all with all, in blocks of 1,024 x 1,024."""
    for top in range(0, len(left), _BLOCK):
        ours = left[top : top + _BLOCK]
        for start in range(top if same else 0, len(right), _BLOCK):
            theirs = right[start : start + _BLOCK]
            distance = np.zeros((len(ours), len(theirs)), dtype=np.uint16)
            for word in range(left.shape[1]):
                distance += np.bitwise_count(ours[:, word, None] ^ theirs[None, :, word])
            row, column = np.nonzero(distance <= radius)
            first, second = row + top, column + start
            keep = first < second if same else slice(None)
            found.add(first[keep], second[keep], distance[row, column][keep])


def by_blocks(values: Hashes, radius: int, blocks: int, kept: int, found: Found) -> None:
    edges = [round(64 * n / blocks) for n in range(blocks + 1)]
    spans = [(low, high - low) for low, high in pairwise(edges)]
    choices = list(combinations(range(blocks), kept))
    first_choice = _first_choice(blocks, choices)
    bits = np.uint64(max(len(values) - 1, 1).bit_length())
    numbers = np.arange(len(values), dtype=np.uint64)
    for turn, choice in enumerate(choices):
        packed = np.zeros(len(values), dtype=np.uint64)
        for low, width in (spans[block] for block in choice):
            packed <<= np.uint64(width)
            packed |= (values >> np.uint64(low)) & np.uint64((1 << width) - 1)
        packed <<= bits
        packed |= numbers
        packed.sort()
        rows = (packed & ((np.uint64(1) << bits) - np.uint64(1))).astype(np.int64)
        packed >>= bits
        _compare_runs(packed, rows, values, radius, found, _taken_at(turn, spans, first_choice))


def _first_choice(blocks: int, choices: Sequence[tuple[int, ...]]) -> npt.NDArray[np.int64]:
    """Return for every set of agreeing blocks (as bits) the first choice that it contains."""
    sets = np.arange(1 << blocks)
    first = np.full(1 << blocks, len(choices))
    for turn in range(len(choices) - 1, -1, -1):
        wanted = sum(1 << block for block in choices[turn])
        first[(sets & wanted) == wanted] = turn
    return first


def _taken_at(
    turn: int, spans: Sequence[tuple[int, int]], first_choice: npt.NDArray[np.int64]
) -> Callable[[Hashes], npt.NDArray[np.bool_]]:
    """Return what says of differences (xor) whether this turn is the first that finds them."""

    def taken(difference: Hashes) -> npt.NDArray[np.bool_]:
        agreeing = np.zeros(len(difference), dtype=np.int64)
        for block, (low, width) in enumerate(spans):
            part = (difference >> np.uint64(low)) & np.uint64((1 << width) - 1)
            agreeing |= (part == 0).astype(np.int64) << block
        return np.asarray(first_choice[agreeing] == turn)

    return taken


def _compare_runs(
    keys: Hashes,
    rows: Rows,
    values: Hashes,
    radius: int,
    found: Found,
    taken: Callable[[Hashes], npt.NDArray[np.bool_]],
) -> None:
    """Compare every element of a run of equal keys with those after it: the next, then the one after ..."""
    at = np.flatnonzero(keys[1:] == keys[:-1])
    ordered = values[rows]
    step = 1
    while len(at):
        if step > MOST_IN_BUCKET:
            found.skip(rows[at], step)
            return
        difference = ordered[at] ^ ordered[at + step]
        distance = np.bitwise_count(difference)
        near = np.flatnonzero(distance <= radius)
        near = near[taken(difference[near])]
        one, other = rows[at[near]], rows[at[near] + step]
        found.add(np.minimum(one, other), np.maximum(one, other), distance[near])
        step += 1
        at = at[at + step < len(keys)]
        at = at[keys[at] == keys[at + step]]


def by_bands(left: Hashes, right: Hashes, radius: int, found: Found) -> None:
    every = np.arange(1 << BAND_BITS, dtype=np.uint64)
    flips = every[np.bitwise_count(every) <= radius // BANDS]
    for band in range(BANDS):
        shift = np.uint64(band * BAND_BITS)
        theirs = (right >> shift).astype(np.uint16)
        order = np.argsort(theirs, kind="stable")
        starts = np.r_[0, np.cumsum(np.bincount(theirs, minlength=1 << BAND_BITS))]
        size = max(1, int(_CHUNK // (len(flips) * (len(right) / 2**BAND_BITS + 1))))
        for top in range(0, len(left), size):
            rows = np.arange(top, min(top + size, len(left)))
            ours = (left[rows] >> shift) & np.uint64(0xFFFF)
            wanted = (ours[:, None] ^ flips[None, :]).astype(np.int64).ravel()
            first = np.repeat(rows, len(flips))
            low, count = starts[wanted], starts[wanted + 1] - starts[wanted]
            over = count > MOST_IN_BUCKET
            if over.any():
                found.skip(np.unique(first[over]), int(count.max()))
                count = np.minimum(count, MOST_IN_BUCKET)
            _compare_lookups(left, right, first, low, count, order, band, radius, found)


def _compare_lookups(  # one flat table of look-ups, hence the many arrays
    left: Hashes,
    right: Hashes,
    first: Rows,
    low: Rows,
    count: Rows,
    order: Rows,
    band: int,
    radius: int,
    found: Found,
) -> None:
    """Compare first[n] with right[order[low[n] : low[n] + count[n]]] for all n, a million at a time."""
    ends = np.cumsum(count)
    start = 0
    while start < len(count):
        done = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, done + _CHUNK, side="right")))
        counts = count[start:stop]
        ours = np.repeat(first[start:stop], counts)
        inside = np.arange(len(ours)) - np.repeat(ends[start:stop] - counts - done, counts)
        theirs = order[np.repeat(low[start:stop], counts) + inside]
        difference = left[ours] ^ right[theirs]
        distance = np.bitwise_count(difference)
        near = np.flatnonzero(distance <= radius)
        for earlier in range(band):  # found there already when that band is near enough
            part = (difference[near] >> np.uint64(earlier * BAND_BITS)) & np.uint64(0xFFFF)
            near = near[np.bitwise_count(part) > radius // BANDS]
        found.add(ours[near], theirs[near], distance[near])
        start = stop
