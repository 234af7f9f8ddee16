"""Agreement coefficients against published numbers, and where they are undefined."""

from __future__ import annotations

import numpy as np
import pytest

from curation.records import Annotation, ProbeVote
from curation.reviewing.agreement import agreement, gwet_ac1, krippendorff_alpha, raw_agreement
from curation.reviewing.forms import Form, parse
from tests.review_samples import PROBES, item, raw

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


def vote(number: int, who: str, decision: str, first: str = "ok", queue: str = "review") -> Annotation:
    extra = {"question": "Other?"} if first == "fix" else {}
    votes = [ProbeVote(probe_id=probe.probe_id, verdict="ok") for probe in PROBES]
    votes[0] = ProbeVote(probe_id="T-Rel", verdict=first, **extra)
    reasons = () if decision == "approve" else ("other",)
    form = Form(decision, tuple(votes), reasons=reasons)
    read = parse(raw(form, item(f"itm-{number}"), who, queue, number + 1), "0" * 64)
    assert isinstance(read, Annotation)
    return read


def test_coefficients_are_the_published_ones() -> None:
    assert gwet_ac1(COUNTS) == pytest.approx(0.77544, abs=1e-5)
    assert krippendorff_alpha(COUNTS) == pytest.approx(0.743, abs=5e-4)


def test_ac1_of_gwets_skewed_table() -> None:
    # Gwet 2002, "Kappa statistic is not satisfactory": 118 both positive, 7 split of 125
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


def test_a_row_a_control_with_an_interval_around_alpha() -> None:
    votes = []
    for number in range(12):
        votes.append(
            vote(number, "a@x.org", "approve" if number % 3 else "reject", "fix" if number < 4 else "ok")
        )
        votes.append(vote(number, "b@x.org", "approve" if number % 3 or number == 6 else "reject"))
    rows = {row.control: row for row in agreement(votes)}
    assert list(rows)[:4] == ["decision", "original", "edited", "T-Rel"]
    decision = rows["decision"]
    assert decision.things == 12
    assert decision.raw == pytest.approx(11 / 12)
    assert decision.alpha is not None
    assert decision.low is not None
    assert decision.high is not None
    assert decision.low < decision.alpha < decision.high
    assert rows["T-Rel"].raw == pytest.approx(8 / 12)
    assert (rows["Port"].things, rows["Port"].raw, rows["Port"].alpha) == (24, 1.0, None)
    assert agreement(votes[::-1]) == list(rows.values())


def test_adjudications_and_single_votes_are_no_agreement() -> None:
    votes = [vote(1, "a@x.org", "approve"), vote(1, "c@x.org", "reject", queue="adjudication")]
    row = agreement(votes)[0]
    assert (row.things, row.raw, row.alpha, row.ac1) == (0, None, None, None)
