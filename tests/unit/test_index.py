"""All pairs within a radius, exactly as the naive search finds them."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from curation.deduplicating import index

HASH = st.integers(min_value=0, max_value=2**64 - 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(HASH, max_size=40), st.lists(st.integers(0, 63), max_size=6), st.integers(0, 64))
def test_equal_to_the_naive_search(hashes: list[int], flips: list[int], radius: int) -> None:
    if hashes:
        near = hashes[0]
        for bit in flips:
            near ^= 1 << bit
        hashes = [*hashes, near]
    naive = [
        (i, j, (hashes[i] ^ hashes[j]).bit_count())
        for i, j in combinations(range(len(hashes)), 2)
        if (hashes[i] ^ hashes[j]).bit_count() <= radius
    ]
    assert index.pairs_within(hashes, radius) == naive


def test_pairs_across_blocks_are_found() -> None:
    values = [7 << 40, *range(2**50, 2**50 + 5000 * 4096, 4096), 7 << 40]
    assert (0, len(values) - 1, 0) in index.pairs_within(values, 0)


def test_nothing_is_near_nothing() -> None:
    assert index.pairs_within([], 10) == []
    assert index.pairs_within([5], 10) == []
