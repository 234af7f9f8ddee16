"""How far annotators agree: by control, category and annotator."""

from __future__ import annotations

import pytest

from curation.records import Annotation, ProbeVote
from curation.reviewing.agreement import agreement, agreement_by_annotator, agreement_by_category
from curation.reviewing.forms import Form, parse
from tests.review_samples import PROBES, item, raw


def vote(number: int, who: str, decision: str, first: str = "ok", queue: str = "review") -> Annotation:
    extra = {"question": "Other?"} if first == "fix" else {}
    votes = [ProbeVote(probe_id=probe.probe_id, verdict="ok") for probe in PROBES]
    votes[0] = ProbeVote(probe_id="T-Rel", verdict=first, **extra)
    reasons = () if decision == "approve" else ("other",)
    form = Form(decision, tuple(votes), reasons=reasons)
    read = parse(raw(form, item(f"itm-{number}"), who, queue, number + 1), "0" * 64)
    assert isinstance(read, Annotation)
    return read


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
    assert decision.raw.value == pytest.approx(11 / 12)
    assert decision.kappa.value == pytest.approx(0.8)
    assert decision.alpha.low is not None
    assert rows["T-Rel"].raw.value == pytest.approx(8 / 12)
    assert (rows["Port"].things, rows["Port"].raw.value, rows["Port"].alpha.value) == (24, 1.0, None)
    assert agreement(votes[::-1]) == list(rows.values())


def test_adjudications_and_single_votes_are_no_agreement() -> None:
    votes = [vote(1, "a@x.org", "approve"), vote(1, "c@x.org", "reject", queue="adjudication")]
    row = agreement(votes)[0]
    assert (row.things, row.raw.value, row.alpha.value, row.ac1.value) == (0, None, None, None)


def test_a_category_and_an_annotator_have_rows_of_their_own() -> None:
    votes = []
    for number in range(6):
        votes.append(vote(number, "a@x.org", "approve"))
        votes.append(vote(number, "b@x.org", "approve" if number < 3 else "reject"))
        votes.append(vote(number, "c@x.org", "approve"))
    of = {f"itm-{number}": "birds" if number < 3 else "flags" for number in range(6)}
    birds, _, flags, _ = agreement_by_category(votes, of)
    assert (birds.part, birds.raw.value, flags.part) == ("birds", 1.0, "flags")
    assert flags.raw.value == pytest.approx(1 / 3)
    rows = {row.part: row for row in agreement_by_annotator(votes) if row.control == "decision"}
    assert (rows["a@x.org"].things, rows["a@x.org"].raw.value) == (12, 0.75)
    assert rows["b@x.org"].raw.value == 0.5
