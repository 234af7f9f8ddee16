"""The summary's arithmetic, what it refuses, and that it is a function of the records alone."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from curation.errors import IntegrityError, PrerequisiteError
from curation.records import EditType, ProbeKind
from eval.case_scores import METHOD_ORDER
from eval.intervals import Bootstrap, Contrast, Ratio, mean_ratio
from eval.records import EvalRecord, Protocol, Step, Unscored
from eval.storage import write_block
from eval.summary import (
    Summary,
    percent,
    read_summary,
    rescore,
    signed,
    sum_up,
    summarise,
    table,
    write_summary,
)
from tests.unit.eval_records import BACKGROUND, record_of, run_of
from tests.unit.eval_release import make_release

T_REL, I_LOC, PORT = ProbeKind.T_REL, ProbeKind.I_LOC, ProbeKind.PORT
ENTITY, USER = EditType.VISUAL_ENTITY, EditType.USER_SPECIFIC


def summed(*records: EvalRecord) -> Summary:
    return sum_up(BACKGROUND, records)


def t_rel(case: str, method: str, right: int, of: int = 4) -> EvalRecord:
    return record_of(case, method, {T_REL: [(right, of)]})


def test_means_are_over_cases_and_the_unscored_are_counted_by_reason() -> None:
    # Case a: (1 + 0) / 2; case b: 1 of one scored probe; their mean is 0.75, not 2 of 3.
    cell = summed(
        record_of("a", "IKE", {T_REL: [(2, 2), (0, 1)]}),
        record_of("b", "IKE", {T_REL: [(3, 3), Unscored.TOO_LONG]}),
        record_of("c", "IKE", {T_REL: [Unscored.NOT_FINITE, Unscored.TOO_LONG]}),
    ).cell("IKE", T_REL)
    assert (cell.mean, cell.n) == (0.75, 2)
    assert cell.unscored == {Unscored.TOO_LONG: 2, Unscored.NOT_FINITE: 1}


def test_nothing_scored_is_none_not_zero() -> None:
    cell = summed(record_of("a", "IKE", {T_REL: [Unscored.NO_PICTURE]})).cell("IKE", T_REL)
    assert (cell.mean, cell.low, cell.exact, cell.n) == (None, None, None, 0)


def test_deltas_are_paired_by_case() -> None:
    cell = summed(
        t_rel("a", "none", 1), t_rel("b", "none", 4), t_rel("a", "IKE", 4), t_rel("c", "IKE", 0)
    ).cell("IKE", T_REL)
    assert (cell.delta, cell.delta_n, cell.n) == (0.75, 1, 2)
    assert cell.delta_low is None  # one case has no interval


def test_a_constant_change_has_a_narrow_interval_whatever_the_level() -> None:
    records = [
        t_rel(str(n), method, n % 3 + (method == "IKE")) for n in range(30) for method in ("none", "IKE")
    ]
    cell = summed(*records).cell("IKE", T_REL)
    assert (cell.delta, cell.delta_low, cell.delta_high) == (0.25, 0.25, 0.25)
    assert cell.low is not None and cell.high is not None and cell.high - cell.low > 0.05


def test_ke_of_the_reference_is_a_mean_over_tokens_and_no_other_row_is() -> None:
    def pair(method: str) -> list[EvalRecord]:
        run = run_of(method, Protocol.REFERENCE)
        cases = ("a", (1, 1)), ("b", (0, 9))
        return [record_of(case, method, {T_REL: [told]}, run=run) for case, told in cases]

    summary = summed(*pair("KE"), *pair("MEND"), *pair("none"))
    assert {m: summary.cell(m, T_REL).mean for m in summary.methods} == {"none": 0.5, "MEND": 0.5, "KE": 0.1}
    assert [summary.cell(m, T_REL).micro for m in summary.methods] == [False, False, True]
    assert summary.cell("KE", T_REL).delta == 0  # micro against micro
    assert sum_up(BACKGROUND, [record_of("a", "KE", {T_REL: [(1, 1), (0, 9)]})]).cell("KE", T_REL).mean == 0.5


def test_average_is_over_types_and_pooled_over_cases() -> None:
    records = [record_of(str(n), "IKE", {T_REL: [(1, 1)]}) for n in range(3)]
    summary = summed(*records, record_of("u", "IKE", {T_REL: [(0, 1)]}, edit_type=USER, category="singer"))
    cell = summary.cell("IKE", T_REL)
    assert (cell.mean, cell.average) == (0.75, 0.5)
    assert [summary.cell("IKE", T_REL, kind).mean for kind in (ENTITY, USER)] == [1.0, 0.0]
    assert summary.cell("IKE", T_REL, USER, "singer").n == 1
    assert summary.categories == [(ENTITY, "building"), (USER, "singer")]
    assert summary.cell("IKE", PORT).average is None


def test_both_kinds_of_image_locality_are_kept() -> None:
    cell = summed(record_of("a", "IKE", {I_LOC: [(6, 10)]})).cell("IKE", I_LOC)
    assert (cell.mean, cell.overlap, cell.rank_wise) == (0.6, 0.6, 0.6)


def test_free_answers_are_scored_three_ways() -> None:
    records = [
        record_of("a", "IKE", {PORT: [(0, 1)]}, said="Oslo"),
        record_of("b", "IKE", {PORT: [(0, 1)]}, said="in Oslo"),
        record_of("c", "IKE", {PORT: [(0, 1)]}, said="Rome"),
    ]
    cell = summed(*records).cell("IKE", PORT)
    assert (cell.exact, cell.f1, cell.contained) == pytest.approx((1 / 3, 5 / 9, 2 / 3))


def test_methods_are_compared_in_pairs() -> None:
    summary = summed(*[t_rel(str(n), m, n) for n in range(4) for m in ("IKE", "MEND", "none")])
    assert {(d.one, d.other) for d in summary.differences} == {("IKE", "MEND")}
    found = next(d for d in summary.differences if d.kind is T_REL)
    assert (found.mean, found.low, found.high, found.n) == (0, 0, 0, 4)


@pytest.mark.parametrize("name", ["precision", "model", "model_sha256", "release_sha256", "plan_sha256"])
def test_two_runs_share_no_table(name: str) -> None:
    other = run_of("IKE", **{name: "5" * 64})
    told = [t_rel("a", "none", 1), record_of("a", "IKE", {T_REL: [(1, 1)]}, run=other)]
    with pytest.raises(IntegrityError, match=f"differ in {name}"):
        summed(*told)


def test_two_protocols_share_no_table() -> None:
    other = record_of("a", "IKE", {T_REL: [(1, 1)]}, run=run_of("IKE", Protocol.REFERENCE))
    with pytest.raises(IntegrityError, match="differ in protocol"):
        summed(t_rel("a", "none", 1), other)


def test_one_method_has_one_set_of_hyper_parameters_and_one_record_a_case() -> None:
    run = run_of("IKE").model_copy(update={"hyper_parameters": {"steps": 41}})
    with pytest.raises(IntegrityError, match=r"two runs of IKE.*hyper_parameters"):
        summed(t_rel("a", "IKE", 1), record_of("b", "IKE", {T_REL: [(1, 1)]}, run=run))
    with pytest.raises(IntegrityError, match="two records of one case"):
        summed(t_rel("a", "IKE", 1), record_of("a", "IKE", {T_REL: [(1, 4)]}, category="bridge"))


def test_records_of_another_release_or_none_at_all_are_refused() -> None:
    with pytest.raises(IntegrityError, match="are of release"):
        summarise(make_release(), [t_rel("a", "IKE", 1)], {})
    step = Step(order="o", position=0, later=0)
    with pytest.raises(PrerequisiteError, match="run mmke evaluate first"):
        summed(record_of("a", "IKE", {T_REL: [(1, 1)]}, step=step))


def test_ids_that_cannot_be_scored_are_an_integrity_error() -> None:
    whole = t_rel("a", "IKE", 1)
    cut = whole.readings[0].model_copy(update={"predicted_ids": ()})
    with pytest.raises(IntegrityError, match=r"of a cannot be scored: cannot compare 4 labels"):
        summed(whole.model_copy(update={"readings": (cut,)}))


def many() -> list[EvalRecord]:
    rng = random.Random(2)
    return [
        record_of(f"c{n}", method, {T_REL: [(rng.randrange(5), 4)], I_LOC: [(rng.randrange(11), 10)]},
                  edit_type=list(EditType)[n % 3], category=f"k{n % 4}")
        for n in range(12)
        for method in METHOD_ORDER
    ]  # fmt: skip


def test_same_records_same_bytes_in_whatever_order_and_again_from_the_files(tmp_path: Path) -> None:
    records = many()
    write_summary(tmp_path, summed(*records))
    data = (tmp_path / "summary.json").read_bytes()
    for start in range(0, len(records), 10):
        write_block(tmp_path, records[start : start + 10])
    (tmp_path / "summary.json").unlink()
    assert rescore(tmp_path) == read_summary(tmp_path) == summed(*records[::-1], *records[:5])
    assert (tmp_path / "summary.json").read_bytes() == data


def test_the_table_has_the_rows_of_the_paper_in_its_order() -> None:
    shown = table(summed(*many()))
    assert [row[0] for row in shown.rows] == ["no edit", *METHOD_ORDER[1:]]
    assert shown.headers[:4] == ("method", "T-Rel", "I-Rel", "I-Gen")
    assert shown.rows[0][2] == "-"


def test_the_table_says_the_change() -> None:
    rows = table(summed(t_rel("a", "none", 2), t_rel("a", "IKE", 4))).rows
    assert [row[:2] for row in rows] == [("no edit", "50.00"), ("IKE", "100.00 (+50.00)")]
    assert (percent(None), signed(-0.5)) == ("-", "-50.00")


def test_a_summary_that_is_not_there_or_damaged_is_told(tmp_path: Path) -> None:
    for read in (read_summary, rescore):
        with pytest.raises(PrerequisiteError, match="run mmke evaluate first"):
            read(tmp_path)
    write_summary(tmp_path, summed(t_rel("a", "none", 2)))
    for name, read in (("summary.json", read_summary), ("background.json", rescore)):
        (tmp_path / name).write_text("{}")
        with pytest.raises(IntegrityError, match="damaged"):
            read(tmp_path)


def test_intervals_are_those_of_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(1).random(80)
    ours = Bootstrap(80, 7, 9000).ratios([mean_ratio(list(values))])[0]
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=9000, random_state=1)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.006)


def test_many_cases_are_drawn_in_parts_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    ratio = mean_ratio([n / 50 for n in range(50)])
    whole = Bootstrap(50, 3).ratios([ratio])
    monkeypatch.setattr("eval.intervals._AT_ONCE", 333)
    assert Bootstrap(50, 3).ratios([ratio]) == whole


def test_drawings_without_a_scored_case_are_left_out() -> None:
    few = Ratio(np.array([1.0, 0.5, 0.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0]))
    one, two = Bootstrap(4, 1).ratios([few]), Bootstrap(4, 1).contrasts([Contrast(few, few)])
    assert (one[0].value, one[0].low, one[0].high, one[0].n) == (0.75, 0.5, 1.0, 2)
    assert two[0][:3] == (0, 0, 0)
