"""Looking hashes up in the warehouse: the pairs that the index finds, in SQL."""

import time
from pathlib import Path

import numpy as np
import pytest

from curation.deduplicating.index import pairs_across
from warehouse.bands import near_pictures
from warehouse.store import Event, open_store


def features(image_id: str, phash: int, dhash: int, algorithm: str = "1") -> Event:
    payload = {
        "phash": [f"{phash:016x}", "0" * 16],
        "dhash": [f"{dhash:016x}"],
        "informative": True,
        "algorithm": algorithm,
    }
    return Event("features", image_id, payload)


def test_bands_find_what_the_index_finds(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    known = random.integers(0, 2**64, 3000, dtype=np.uint64)
    known[0] = 2**64 - 1
    wanted = np.r_[known[:40], random.integers(0, 2**64, 10, dtype=np.uint64)]
    for row in range(40):
        for bit in random.choice(64, row % 6, replace=False):
            wanted[row] ^= np.uint64(1) << np.uint64(bit)
    with open_store(tmp_path) as store:
        store.append([features(f"img-{n:04d}", int(value), 0) for n, value in enumerate(known)])
        for radius in range(4):
            found = near_pictures(store, [int(value) for value in wanted], radius)
            expected = pairs_across(wanted, known, radius)
            assert found == [(i, f"img-{j:04d}", bits) for i, j, bits in expected]
            assert found


def test_the_newest_features_of_one_algorithm_count(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append([features("img-a", 7, 9), features("img-b", 7, 1, "2")])
        store.append([features("img-a", 2**40, 9)])
        assert near_pictures(store, [2**40, 7], algorithm="1") == [(0, "img-a", 0)]
        assert near_pictures(store, [9], kind="dhash") == [(0, "img-a", 0), (0, "img-b", 1)]
        assert near_pictures(store, []) == []


def test_a_radius_that_bands_cannot_find_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path) as store, pytest.raises(ValueError, match="pairs_across"):
        near_pictures(store, [1], 4)


def test_adding_a_thousand_to_many_costs_little(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    known = random.integers(0, 2**64, 20_000, dtype=np.uint64)
    with open_store(tmp_path) as store:
        store.append([features(f"img-{n:05d}", int(value), 0) for n, value in enumerate(known)])
        start = time.process_time()
        found = near_pictures(store, [int(value) ^ 5 for value in known[:1000]])
        assert time.process_time() - start < 3
    assert [(place, image_id) for place, image_id, _ in found] == [(n, f"img-{n:05d}") for n in range(1000)]
