"""Finds all pairs of 64-bit hashes within a radius, exactly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BLOCK = 2048


def pairs_within(hashes: Sequence[int], radius: int) -> list[tuple[int, int, int]]:
    """Return (i, j, distance) for every i < j whose hashes differ in at most `radius` bits, in order.

    Compares all pairs, in blocks of 2,048 x 2,048 (32 MB): exact at any radius, quadratic in time.
    """
    values = np.asarray(hashes, dtype=np.uint64)
    found: list[tuple[int, int, int]] = []
    for top in range(0, len(values), _BLOCK):
        rows = values[top : top + _BLOCK, None]
        for left in range(top, len(values), _BLOCK):
            distance = np.bitwise_count(rows ^ values[None, left : left + _BLOCK])
            for row, column in np.argwhere(distance <= radius):
                i, j = top + int(row), left + int(column)
                if i < j:
                    found.append((i, j, int(distance[row, column])))
    return sorted(found)
