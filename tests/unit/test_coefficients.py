"""Agreement coefficients against published numbers and well-kept code, and where they are undefined."""

from __future__ import annotations

import numpy as np
import pytest

from curation.reviewing.coefficients import (
    _alpha,
    _kappa,
    _pair_tables,
    coefficients,
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    raw_agreement,
)

_ = 0
# Gwet, Handbook of Inter-Rater Reliability (2014), table 4.10: 12 things, 4 raters, 5 categories
GWET = [
    (1, 1, _, 1),
    (2, 2, 3, 2),
    (3, 3, 3, 3),
    (3, 3, 3, 3),
    (2, 2, 2, 2),
    (1, 2, 3, 4),
    (4, 4, 4, 4),
    (1, 1, 2, 1),
    (2, 2, 2, 2),
    (_, 5, 5, 5),
    (_, _, 1, 1),
    (_, _, 3, _),
]
COUNTS = np.array([[row.count(category) for category in range(1, 6)] for row in GWET])


# Gwet 2002, "Kappa statistic is not satisfactory": 118 both positive, 7 split of 125
SKEWED = {str(n): {"a": "+" if n < 118 or n > 122 else "-", "b": "+" if n < 123 else "-"} for n in range(125)}


def random_ratings(seed: int, people: int = 3) -> dict[str, dict[str, str]]:
    random = np.random.default_rng(seed)
    return {
        str(thing): {
            f"p{who}": str(random.choice(list("xyz"))) for who in range(people) if random.random() < 0.8
        }
        for thing in range(40)
    }


def test_coefficients_are_the_published_ones() -> None:
    assert gwet_ac1(COUNTS) == pytest.approx(0.77544, abs=1e-5)
    assert krippendorff_alpha(COUNTS) == pytest.approx(0.743, abs=5e-4)


def test_ac1_and_kappa_of_gwets_skewed_table() -> None:
    assert cohen_kappa(SKEWED) == pytest.approx(-0.0234, abs=1e-4)
    skewed = np.array([[2, 0]] * 118 + [[1, 1]] * 7)
    assert gwet_ac1(skewed) == pytest.approx(0.9408, abs=1e-4)
    assert raw_agreement(skewed) == pytest.approx(0.944)


def test_equal_ratings_leave_alpha_undefined() -> None:
    equal = np.array([[2, 0, 0]] * 5)
    assert krippendorff_alpha(equal) is None
    assert (gwet_ac1(equal), raw_agreement(equal)) == (1.0, 1.0)


def test_one_rating_each_leaves_everything_undefined() -> None:
    single = np.array([[1, 0], [0, 1]])
    assert (raw_agreement(single), krippendorff_alpha(single), gwet_ac1(single)) == (None, None, None)


def test_what_is_drawn_again_is_the_same_coefficient() -> None:
    for seed in range(5):
        ratings = {thing: said for thing, said in random_ratings(seed).items() if len(said) > 1}
        counts = np.array([[list(ratings[t].values()).count(c) for c in "xyz"] for t in sorted(ratings)])
        once = np.ones((1, len(counts)))
        assert _alpha(once, counts)[0] == pytest.approx(krippendorff_alpha(counts))
        assert _kappa(once, _pair_tables(ratings, "xyz"))[0] == pytest.approx(cohen_kappa(ratings))


def test_intervals_hold_the_value_and_repeat() -> None:
    ratings = random_ratings(7)
    found = coefficients(ratings, "xyz")
    assert list(found) == ["raw", "kappa", "alpha", "ac1"]
    for one in found.values():
        assert one.value is not None
        assert one.low is not None
        assert one.high is not None
        assert one.low < one.value < one.high
    assert coefficients(dict(reversed(ratings.items())), "xyz") == found


def test_kappa_is_undefined_where_all_votes_are_equal() -> None:
    equal = {str(thing): {"a": "ok", "b": "ok"} for thing in range(9)}
    found = coefficients(equal, ("ok", "fix"))
    assert (found["kappa"].value, found["alpha"].value, found["raw"].value) == (None, None, 1.0)
