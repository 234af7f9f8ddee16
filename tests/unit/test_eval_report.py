"""The summary's arithmetic, the charts and the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import sha256_json
from curation.records import AgreementRow, EditType, ProbeKind, StageCount
from eval.charts import locality_and_reliability, metric_bars
from eval.records import CaseProbe, EditCase, EvalRecord, ProbeScore, Protocol, Unscored
from eval.report import chosen, write_report
from eval.storage import record_path, write_record
from eval.summary import Summary, read_summary, summarise, table, write_summary
from tests.unit.eval_model import small_release

HOSTILE = '<script>alert(1)</script> & "quoted" {{ 7 * 7 }}'


def record(case_id: str, method: str, values: list[float | None], generated: str = "x") -> EvalRecord:
    """Return a record with T-Rel probes of these token accuracies; None is unscored."""
    item = next(
        (e.item for e in small_release().items if e.item.item_id == case_id), small_release().items[0].item
    )
    probes = tuple(
        CaseProbe(
            probe_id=p.probe_id,
            kind=p.kind,
            question=p.question,
            answer=p.answer,
            image_role=None,
            image=None,
        )
        for p in item.probes[:1]
    )
    case = EditCase(
        case_id=case_id, subject_name="S", edit_type=item.edit_type, category="c", request="r",
        rephrased_request="r", target="t", image="0" * 64, probes=probes,
    )  # fmt: skip
    scores = tuple(
        ProbeScore(probe_id=f"T-Rel-{n + 1}", kind=ProbeKind.T_REL, unscored=Unscored.TOO_LONG)
        if value is None
        else ProbeScore(
            probe_id=f"T-Rel-{n + 1}",
            kind=ProbeKind.T_REL,
            token_accuracy=value,
            exact_match=float(value == 1),
            generated=generated,
        )
        for n, value in enumerate(values)
    )  # fmt: skip
    key = sha256_json([case_id, method, values])
    return EvalRecord(
        key=key, case=case, method=method, hyper_parameters={"k": 2}, protocol=Protocol.CLEAN, model="m",
        model_sha256="1" * 64, release_sha256="2" * 64, evaluator_version="1", scores=scores,
    )  # fmt: skip


def summary_of(*records: EvalRecord) -> Summary:
    return summarise(small_release(), records, {"steps": 3, "naming": 0.5})


def test_means_are_over_cases_and_unscored_probes_are_counted() -> None:
    # Case a: (1 + 0) / 2; case b: 1 of one scored probe; their mean is 0.75, not 2 of 3.
    cell = summary_of(record("a", "IKE", [1.0, 0.0]), record("b", "IKE", [1.0, None])).cell(
        "IKE", ProbeKind.T_REL
    )
    assert (cell.mean, cell.n, cell.unscored, cell.exact) == (0.75, 2, 1, 0.75)
    assert cell.delta is None


def test_delta_is_paired_by_case() -> None:
    records = [
        record("a", "none", [0.25]),
        record("b", "none", [None]),
        record("a", "IKE", [1.0]),
        record("b", "IKE", [0.0]),
    ]
    assert summary_of(*records).cell("IKE", ProbeKind.T_REL).delta == 0.75


def test_nothing_scored_is_none_not_zero() -> None:
    cell = summary_of(record("a", "IKE", [None])).cell("IKE", ProbeKind.T_REL)
    assert (cell.mean, cell.low, cell.exact, cell.n) == (None, None, None, 0)


def test_intervals_are_repeatable_and_hold_the_mean() -> None:
    records = [record(str(n), "IKE", [n / 10]) for n in range(10)]
    one, other = (summary_of(*records).cell("IKE", ProbeKind.T_REL) for _ in range(2))
    assert one == other
    assert one.low is not None and one.high is not None and one.mean is not None
    assert 0 < one.low < one.mean < one.high < 0.9


def test_runs_of_two_models_share_no_table() -> None:
    other = record("b", "IKE", [1.0]).model_copy(update={"model_sha256": "3" * 64})
    with pytest.raises(ValueError, match="2 different runs"):
        summary_of(record("a", "IKE", [1.0]), other)


def test_the_table_says_no_edit_first_and_deltas_after() -> None:
    shown = table(summary_of(record("a", "none", [0.5]), record("a", "IKE", [1.0])))
    assert [row[:2] for row in shown.rows] == [("no edit", "50.00"), ("IKE", "100.00 (+50.00)")]
    assert shown.rows[0][2] == "-"


def test_the_summary_survives_its_file_and_damage_is_told(tmp_path: Path) -> None:
    summary = summary_of(record("a", "none", [0.5]))
    with pytest.raises(PrerequisiteError, match="run mmke evaluate first"):
        read_summary(tmp_path)
    write_summary(tmp_path, summary)
    assert read_summary(tmp_path) == summary
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(IntegrityError, match="damaged"):
        read_summary(tmp_path)


def test_charts_are_the_same_bytes_and_follow_the_page_colour() -> None:
    summary = summary_of(record("a", "none", [0.5]), record("a", "IKE", [1.0]))
    for draw in (metric_bars, locality_and_reliability):
        one, other = draw(summary), draw(summary)
        assert one == other
        assert "currentColor" in one
        assert "<dc:date>" not in one


def written(tmp_path: Path, generated: str) -> str:
    item = small_release().items[0].item
    records = [record(item.item_id, method, [0.5, 1.0], generated) for method in ("none", "IKE")]
    for one in records:
        write_record(tmp_path, one)
    stages = [
        StageCount(
            stage="collect",
            unit="<i>pictures</i>",
            incoming=4,
            kept=2,
            rejected={"licence_missing": 1},
            pending=1,
        )
    ]
    agreement = [
        AgreementRow(control="decision", things=3, raw=0.5, alpha=None, low=None, high=None, ac1=None)
    ]
    return write_report(tmp_path, summary_of(*records), small_release(), stages, agreement).read_text("utf-8")


def test_the_page_escapes_hostile_text_and_needs_nothing_outside(tmp_path: Path) -> None:
    page = written(tmp_path, HOSTILE)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "<b>Petra" not in page
    assert "<i>pictures" not in page
    assert 'src="http' not in page


def test_the_page_says_what_the_numbers_mean(tmp_path: Path) -> None:
    page = written(tmp_path, "x")
    for text in (
        "drafter=rules, is_llm=false",
        "clean",
        "2" * 64,
        "no edit",
        "licence_missing 1",
        "data:image/jpeg;base64,",
    ):
        assert text in page
    assert page == written(tmp_path, "x")


def test_a_missing_record_stops_the_report(tmp_path: Path) -> None:
    summary = summary_of(record("a", "none", [0.5]))
    with pytest.raises(IntegrityError, match="run mmke evaluate again"):
        write_report(tmp_path, summary, small_release(), [], [])
    assert not record_path(tmp_path, summary.record_keys[0]).exists()


def test_examples_take_every_type_before_a_second_of_one() -> None:
    records = [record(entry.item.item_id, "none", [1.0]) for entry in small_release().items]
    kinds = [entry.item.edit_type for entry in chosen(small_release().items, records)[:3]]
    assert set(kinds) == set(EditType)
