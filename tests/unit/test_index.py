"""All pairs within a radius, as the naive search finds them, by every index; what is left out is said."""

from itertools import combinations
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.deduplicating import index, search
from curation.deduplicating.index import (
    MOST_PARTNERS,
    across_by,
    pairs_across,
    pairs_within,
    within_by,
)
from curation.deduplicating.search import Hashes

HASH = st.integers(min_value=0, max_value=2**64 - 1)
INDEXES: tuple[Literal["numpy", "faiss"], ...] = ("numpy", "faiss")


@st.composite
def neighbourhoods(draw: st.DrawFn) -> Hashes:
    """Return hashes of which many are near to each other, and some equal."""
    values = draw(st.lists(HASH, min_size=1, max_size=20))
    for _ in range(draw(st.integers(0, 20))):
        near = draw(st.sampled_from(values))
        for bit in draw(st.lists(st.integers(0, 63), max_size=12)):
            near ^= 1 << bit
        values.append(near)
    return np.array(values, dtype=np.uint64)


def apart(one: np.uint64, other: np.uint64) -> int:
    return int(one ^ other).bit_count()


def naive_within(values: Hashes, radius: int) -> list[tuple[int, int, int]]:
    numbered = combinations(enumerate(values), 2)
    return [(i, j, apart(a, b)) for (i, a), (j, b) in numbered if apart(a, b) <= radius]


def naive_across(left: Hashes, right: Hashes, radius: int) -> list[tuple[int, int, int]]:
    return [
        (i, j, apart(a, b)) for i, a in enumerate(left) for j, b in enumerate(right) if apart(a, b) <= radius
    ]


@settings(max_examples=60, deadline=None)
@given(neighbourhoods(), st.integers(0, 20))
def test_every_index_is_equal_to_the_naive_search(values: Hashes, radius: int) -> None:
    half = len(values) // 2
    for name in INDEXES:
        chosen = index.index_named(name)
        assert list(chosen.within(values, radius)) == naive_within(values, radius)
        across = chosen.across(values[:half], values[half:], radius)
        assert list(across) == naive_across(values[:half], values[half:], radius)


@settings(max_examples=60, deadline=None)
@given(neighbourhoods(), st.integers(1, 12), st.integers(1, 4))
def test_block_combination_is_exact_at_every_plan(values: Hashes, radius: int, kept: int) -> None:
    def by_blocks(distinct: Hashes, found: search.Found) -> None:
        search.by_blocks(distinct[:, 0], radius, radius + kept, kept, found)

    assert list(within_by(by_blocks, values, MOST_PARTNERS)) == naive_within(values, radius)


@settings(max_examples=25, deadline=None)
@given(neighbourhoods(), st.integers(0, 15))
def test_looking_up_bands_is_exact(values: Hashes, radius: int) -> None:
    def by_bands(ours: Hashes, theirs: Hashes, found: search.Found) -> None:
        search.by_bands(ours[:, 0], theirs[:, 0], radius, found)

    left, right = values[::2], values[1::2]
    assert list(across_by(by_bands, left, right, MOST_PARTNERS)) == naive_across(left, right, radius)


def planted(count: int, seed: int = 0) -> Hashes:
    random = np.random.default_rng(seed)
    values = random.integers(0, 2**64, count, dtype=np.uint64)
    rows = random.permutation(count)[: count // 10]
    for row in rows[::2]:
        flips = random.choice(64, random.integers(0, 9), replace=False).astype(np.uint64)
        values[row] = values[rows[1]] ^ np.bitwise_or.reduce(np.uint64(1) << flips, initial=np.uint64(0))
    return values


def test_a_large_set_takes_the_quick_way_to_the_same_pairs() -> None:
    values = planted(20_000)
    assert index._plan(len(values), 3) is not None
    for radius in (3, 8):
        quick, plain = (
            pairs_within(values, radius, 4000),
            index.index_named("faiss").within(values, radius, 4000),
        )
        assert len(quick) > 100
        assert list(quick) == list(plain)
        across = pairs_across(values[:500], values, radius, 4000)
        assert list(across) == list(index.index_named("faiss").across(values[:500], values, radius, 4000))


def test_long_hashes_are_compared_in_all_their_words() -> None:
    values = np.zeros((4, 4), dtype=np.uint64)
    values[1, 3] = 0b111
    values[2] = 2**64 - 1
    for name in INDEXES:
        assert list(index.index_named(name).within(values, 64)) == [(0, 1, 3), (0, 3, 0), (1, 3, 3)]


@pytest.mark.parametrize("name", INDEXES)
def test_a_value_with_too_many_rows_is_reported_and_keeps_its_first(
    name: Literal["numpy", "faiss"],
) -> None:
    values = np.array([7] * 30 + [8, 8, 2**60], dtype=np.uint64)
    found = index.index_named(name).within(values, 0, most=10)
    assert found.crowded == {0: 29}
    assert list(found) == [(0, row, 0) for row in range(1, 30)] + [(30, 31, 0)]
    assert found.first.dtype == np.int64


def test_a_row_with_too_many_near_partners_is_reported() -> None:
    values = np.array([0, *(1 << bit for bit in range(40))], dtype=np.uint64)
    found = pairs_within(values, 1, most=10)
    assert found.crowded == {0: 40}
    assert len(found) == 10


def test_a_bucket_that_is_too_long_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MOST_IN_BUCKET", 50)
    values = np.arange(0, 2**40, 2**32, dtype=np.uint64)[:200]

    def by_blocks(distinct: Hashes, found: search.Found) -> None:
        search.by_blocks(distinct[:, 0], 1, 2, 1, found)

    assert within_by(by_blocks, values, 1000).crowded
    monkeypatch.setattr(search, "MOST_IN_BUCKET", 500)
    assert not within_by(by_blocks, values, 1000).crowded


def test_nothing_is_near_nothing() -> None:
    assert len(pairs_within([], 10)) == 0
    assert len(pairs_within([5], 10)) == 0
    assert len(pairs_across([], [5], 10)) == 0
