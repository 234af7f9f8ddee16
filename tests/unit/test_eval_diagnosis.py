"""The named failures: found where the numbers show them, silent where they do not."""

from __future__ import annotations

import pytest

from curation.records import ProbeKind
from eval.case_scores import case_scores
from eval.diagnosis import Finding, diagnose
from eval.lags import summarise_lags
from eval.records import EvalRecord, Step
from eval.summary import sum_up
from tests.unit.eval_records import BACKGROUND, Outcome, record_of

T_REL, I_REL, PORT = ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.PORT
T_LOC, I_LOC = ProbeKind.T_LOC, ProbeKind.I_LOC


def found(*records: EvalRecord) -> dict[str, Finding]:
    rows = [case_scores(record) for record in records]
    findings = diagnose(sum_up(BACKGROUND, records), rows, summarise_lags(records))
    return {finding.name: finding for finding in findings}


def pair(
    method: str, before: dict[ProbeKind, Outcome], after: dict[ProbeKind, Outcome], said: str = "Rome"
) -> list[EvalRecord]:
    """Return seven cases without an edit and as a method left them."""
    told = [("none", before, "Rome"), (method, after, said)]
    return [
        record_of(f"c{n}", name, {kind: [outcome] for kind, outcome in values.items()}, said=answer)
        for n in range(7)
        for name, values, answer in told
    ]


def test_pictures_pay_where_text_does_not() -> None:
    finding = found(*pair("IKE", {}, {T_LOC: (10, 10), I_LOC: (3, 10)}))["I-Loc far under T-Loc"]
    assert [(number.name, number.share, number.n) for number in finding.numbers] == [
        ("T-Loc", 1, 7),
        ("I-Loc", 0.3, 7),
    ]
    assert finding.items == ("c0", "c1", "c2", "c3", "c4")
    assert "I-Loc far under T-Loc" not in found(*pair("IKE", {}, {T_LOC: (10, 10), I_LOC: (9, 10)}))


@pytest.mark.parametrize(("port", "shown"), [((1, 10), True), ((5, 10), False)])
def test_memorised_but_not_portable(port: tuple[int, int], shown: bool) -> None:
    before: dict[ProbeKind, Outcome] = {T_REL: (2, 10), I_REL: (2, 10), PORT: (1, 10)}
    told = found(*pair("MEND", before, {T_REL: (8, 10), I_REL: (6, 10), PORT: port}))
    assert ("memorised, not portable" in told) is shown
    if shown:
        gain, carried = told["memorised, not portable"].numbers
        assert (gain.share, carried.share, gain.signed, gain.n) == (0.5, 0, True, 7)


def test_what_was_not_learnt_is_not_called_memorised() -> None:
    same: dict[ProbeKind, Outcome] = {T_REL: (2, 10), I_REL: (2, 10), PORT: (1, 10)}
    assert found(*pair("MEND", same, same)) == {}


@pytest.mark.parametrize(("said", "shown"), [("Romeo", True), ("Oslo", False)])
def test_free_answers_that_stay_wrong(said: str, shown: bool) -> None:
    told = found(*pair("FT-LLM", {T_REL: (2, 10)}, {T_REL: (9, 10)}, said))
    assert ("token accuracy up, free answers not" in told) is shown


def test_connector_edits_cannot_move_text() -> None:
    before: dict[ProbeKind, Outcome] = {T_REL: (2, 10), I_REL: (2, 10)}
    after: dict[ProbeKind, Outcome] = {T_REL: (2, 10), I_REL: (9, 10), T_LOC: (4, 4)}
    finding = found(*pair("FT-Alignment", before, after))["T-Loc is structural"]
    assert [(n.name, n.share) for n in finding.numbers] == [("T-Loc", 1), ("change of T-Rel", 0)]
    assert len(finding.items) == 5
    assert "T-Loc is structural" not in found(*pair("FT-LLM", before, after))
    assert "T-Loc is structural" not in found(*pair("FT-Alignment", before, after | {T_LOC: (3, 4)}))


@pytest.mark.parametrize(
    ("method", "right", "shown"), [("SERAC", 2, True), ("SERAC", 6, False), ("KE", 2, False)]
)
def test_serac_that_hardly_fires(method: str, right: int, shown: bool) -> None:
    after: dict[ProbeKind, Outcome] = {T_REL: (right, 10), T_LOC: (10, 10), I_LOC: (10, 10)}
    told = found(*pair(method, {T_REL: (2, 10)}, after))
    assert ("hardly fires" in told) is shown


def stream(lost: int) -> list[EvalRecord]:
    """Return four edits in a row; each case loses so many of ten tokens with every later edit."""
    return [
        record_of(
            f"c{place}", "FT-LLM", {T_REL: [(10 - lost * (made - 1 - place), 10)]},
            step=Step(order="related", position=place, later=made - 1 - place),
        )
        for made in range(1, 5)
        for place in range(made)
    ]  # fmt: skip


def test_decay_in_sequence_names_the_most_forgotten_first() -> None:
    single = record_of("c0", "FT-LLM", {T_REL: [(1, 1)]})
    finding = found(single, *stream(2))["forgets in sequence"]
    assert finding.items == ("c0", "c1", "c2")
    assert [(n.name, n.share, n.n) for n in finding.numbers] == [
        ("reliability at once", 1, 3),
        ("at the end", 0.6, 3),
    ]
    assert "order related, up to 3 later edits" in finding.sentence
    assert found(single, *stream(0)) == {}
