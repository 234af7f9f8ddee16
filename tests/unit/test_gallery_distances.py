"""The chart of distances counts what comparing every pair by hand counts."""

from __future__ import annotations

import random
from itertools import combinations

import pytest

from curation.galleries.distances import chart, distances
from curation.records import ClusterMember, DuplicateCluster, PairVerdict
from tests.unit.galleries import features, pair


def test_every_pair_is_counted_once_under_its_verdict() -> None:
    chance = random.Random(3)
    values = {f"img-{n:02}": chance.getrandbits(64) for n in range(40)}
    values["img-01"] = values["img-00"] ^ 0b11
    values["img-03"] = values["img-02"] ^ 0b111
    known = {key: features(key, value) for key, value in values.items()}
    member = ClusterMember(image_id="img-01", distance=2, relation="near", reason="")
    cluster = DuplicateCluster(cluster_id="dup", keeper="img-00", keep_reason="", dropped=(member,))
    pairs = [pair("img-00", "img-01", PairVerdict.MERGE), pair("img-02", "img-03")]
    found = distances([cluster], pairs, known)
    assert found is not None
    by_hand = [(values[a] ^ values[b]).bit_count() for a, b in combinations(sorted(values), 2)]
    total = found.merged + found.review + found.other
    assert [int(n) for n in total] == [by_hand.count(bits) for bits in range(65)]
    assert (found.merged[2], found.review[3], found.merged.sum(), found.review.sum()) == (1, 1, 1, 1)
    assert found.first_other == min(bits for bits in by_hand if bits > 3)
    assert found.exact
    assert found.table[3][:3] == (6, 1, 1)


def test_pictures_without_an_informative_hash_are_left_out() -> None:
    known = {"a": features("a"), "b": features("b"), "c": features("c", informative=False)}
    found = distances([], [], known)
    assert found is not None
    assert (found.pictures, found.other[0]) == (2, 1)
    assert distances([], [], {"a": known["a"], "c": known["c"]}) is None


def test_a_picture_and_the_views_made_of_it_are_no_pair() -> None:
    known = {key: features(key, value) for key, value in {"a": 0, "a-crop": 1, "a-flip": 3, "b": 255}.items()}
    found = distances([], [], known, [["a", "a-crop", "a-flip"]])
    assert found is not None
    assert (found.other.sum(), found.first_other) == (3, 6)


def test_of_many_pictures_a_sample_is_scaled_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.galleries.distances._MOST_COMPARISONS", 100_000)
    chance = random.Random(4)
    known = {f"{n:04}": features(f"{n:04}", chance.getrandbits(64)) for n in range(1_000)}
    found = distances([], [], known)
    assert found is not None
    assert not found.exact
    assert found.other.sum() == pytest.approx(1_000 * 999 / 2)
    assert found.other[28:37].sum() / found.other.sum() == pytest.approx(0.74, abs=0.02)


def test_a_bar_is_as_high_as_its_count_says() -> None:
    known = {key: features(key, value) for key, value in {"a": 0, "b": 1, "c": 1 << 40, "d": 3}.items()}
    found = distances([], [], known)
    assert found is not None
    drawn = chart(found)
    heights = {bar.says: bar.height for bar in drawn.bars}
    assert heights["1 bits: 3 pairs of different pictures"] > heights["3 bits: 1 pairs of different pictures"]
    assert all(0 <= bar.x <= drawn.width and bar.y + bar.height <= drawn.base + 0.2 for bar in drawn.bars)
