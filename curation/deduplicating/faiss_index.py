"""The same pairs by faiss (extra `faiss`): every hash against every other, in native code."""

from __future__ import annotations

import numpy as np

from curation.deduplicating.index import MOST_PARTNERS, Pairs, across_by, within_by
from curation.deduplicating.search import Found, Hashes
from curation.errors import PrerequisiteError

_QUERIES = 4096


class FaissIndex:
    """Exact range search of IndexBinaryFlat: quadratic, but the fastest where radii are large."""

    def __init__(self) -> None:
        """Raise PrerequisiteError when faiss is not installed."""
        try:
            import faiss
        except ImportError as error:
            message = "faiss is not installed; `pip install mmke-forge[faiss]`, or set index = 'numpy'"
            raise PrerequisiteError(message) from error
        self._faiss = faiss

    def within(self, hashes: Hashes, radius: int, most: int = MOST_PARTNERS) -> Pairs:
        """Return what `index.pairs_within` does."""

        def search(values: Hashes, found: Found) -> None:
            self._search(values, values, radius, found, same=True)

        return within_by(search, hashes, most)

    def across(self, left: Hashes, right: Hashes, radius: int, most: int = MOST_PARTNERS) -> Pairs:
        """Return what `index.pairs_across` does."""

        def search(ours: Hashes, theirs: Hashes, found: Found) -> None:
            self._search(ours, theirs, radius, found, same=False)

        return across_by(search, left, right, most)

    def _search(self, left: Hashes, right: Hashes, radius: int, found: Found, *, same: bool) -> None:
        index = self._faiss.IndexBinaryFlat(left.shape[1] * 64)
        index.add(right.view(np.uint8))
        for top in range(0, len(left), _QUERIES):
            # faiss keeps what is nearer than its radius, so one bit more.
            ends, distance, second = index.range_search(left[top : top + _QUERIES].view(np.uint8), radius + 1)
            first = np.repeat(np.arange(len(ends) - 1) + top, np.diff(ends.astype(np.int64)))
            keep = np.flatnonzero(first < second) if same else np.arange(len(first))
            keep = keep[np.lexsort((second[keep], first[keep]))]
            found.add(first[keep], second[keep], distance[keep])
