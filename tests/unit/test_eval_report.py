"""The charts and the page."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from curation.errors import IntegrityError
from curation.records import AgreementRow, Coefficient, EditType, KnowledgeItem, ProbeKind, Split, StageCount
from eval.cases import edit_case
from eval.charts import decay_curves, lag_map, locality_and_reliability, metric_bars
from eval.examples import chosen
from eval.lags import Sequential, summarise_lags, write_sequential
from eval.records import EditCase, EvalRecord, Protocol, RunIdentity, Step, Unscored
from eval.report import write_report
from eval.storage import write_block
from eval.summary import Summary, summarise
from tests.unit.eval_records import LOCALITY, reading_of, run_of
from tests.unit.eval_release import make_release

HOSTILE = '<script>alert(1)</script> & "quoted" {{ 7 * 7 }}'
RELEASE = make_release()
ITEMS = [entry.item for entry in RELEASE.items if entry.split is Split.EVAL]
COUNTS = {"incoming": 4, "kept": 2, "rejected": {"licence_missing": 1}, "pending": 1}
STAGES = [StageCount(stage="collect", unit="<i>pictures</i>", **COUNTS)]
AGREEMENT = [AgreementRow(control="decision", things=3, raw=Coefficient(value=0.5))]


def run(method: str, protocol: Protocol = Protocol.CLEAN, model: str = "tiny-llava") -> RunIdentity:
    return run_of(method, protocol, release_sha256=RELEASE.content_sha256, model=model)


def measured(
    item: KnowledgeItem,
    of: RunIdentity,
    said: str = "x",
    step: Step | None = None,
    lost: Unscored | None = None,
) -> EvalRecord:
    """Return a record of an item of the release, with chance results that its name and method decide."""
    case = edit_case(item)
    assert isinstance(case, EditCase)
    rng = random.Random(f"{item.item_id} {of.method} {step}")
    readings = tuple(
        reading_of(probe, lost or (10 if probe.kind in LOCALITY else rng.randrange(11), 10), said)
        for probe in case.probes
    )
    return EvalRecord(key=of.key(case, step), run=of, case=case, step=step, readings=readings)


def records_of(
    said: str = "x", protocol: Protocol = Protocol.CLEAN, model: str = "tiny-llava"
) -> list[EvalRecord]:
    return [
        measured(item, run(method, protocol, model), said)
        for item in ITEMS
        for method in ("none", "IKE", "KE")
    ]


def summary_of(records: list[EvalRecord]) -> Summary:
    return summarise(RELEASE, records, {"steps": 3, "naming": 0.5})


def stream() -> Sequential:
    records = [
        measured(ITEMS[place], run("SERAC"), step=Step(order="related", position=place, later=later))
        for place in range(3)
        for later in range(3 - place)
    ]
    found = summarise_lags(records)
    assert found is not None
    return found


def page(out: Path, records: list[EvalRecord], sequential: Sequential | None = None) -> str:
    write_block(out, records)
    return write_report(out, summary_of(records), RELEASE, STAGES, AGREEMENT, sequential).read_text("utf-8")


def test_charts_escape_what_they_name() -> None:
    matrix = stream().matrix("SERAC", "related", ProbeKind.T_REL)
    assert "<script" not in lag_map(matrix.model_copy(update={"method": HOSTILE}))
    strange = metric_bars(summary_of([measured(ITEMS[0], run(HOSTILE + r" $\nothing"))]))
    assert "<script" not in strange
    assert r"$\nothing" in strange


def test_charts_are_the_same_bytes_and_follow_the_page_colour() -> None:
    summary, sequential = summary_of(records_of()), stream()
    matrix = sequential.matrix("SERAC", "related", ProbeKind.T_REL)
    for draw in (
        lambda: metric_bars(summary),
        lambda: locality_and_reliability(summary),
        lambda: lag_map(matrix),
        lambda: decay_curves(sequential, "related", ProbeKind.T_REL),
    ):
        one, other = draw(), draw()
        assert one == other
        assert "currentColor" in one
        assert "<dc:date>" not in one


def test_the_page_escapes_hostile_text_and_needs_nothing_outside(tmp_path: Path) -> None:
    shown = page(tmp_path, records_of(HOSTILE))
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "<b>Petra" not in shown
    assert "<i>pictures" not in shown
    assert 'src="http' not in shown


def test_the_page_says_what_the_numbers_mean_and_is_the_same_again(tmp_path: Path) -> None:
    shown = page(tmp_path, records_of(), stream())
    for text in (
        "drafter=rules, is_llm=false", "precision <b>exact</b>", "3" * 64, RELEASE.content_sha256, "no edit",
        "licence_missing 1", "data:image/jpeg;base64,", "By category", "token F1", "rank by rank",
        "3 edits in a row", "the run has 3 edits; a gap of 100 needs at least 101", "Lag matrices",
        "Another protocol", "not comparable", "Unweighted mean over the types",
    ):  # fmt: skip
        assert text in shown
    assert shown == page(tmp_path, records_of(), stream())


def test_a_sequential_run_that_lies_in_the_folder_is_shown_too(tmp_path: Path) -> None:
    assert "edits in a row" not in page(tmp_path, records_of())
    write_sequential(tmp_path, stream())
    assert "edits in a row" in page(tmp_path, records_of())


def test_the_published_numbers_stand_beside_ours_for_their_model(tmp_path: Path) -> None:
    shown = page(tmp_path, records_of(protocol=Protocol.REFERENCE, model="llava-1.5-7b"))
    assert "63.49<small>" in shown
    assert "not comparable" not in shown
    assert "mmke-ike" in shown
    assert "mean over tokens" in shown


def test_reasons_of_the_unscored_are_told(tmp_path: Path) -> None:
    records = [measured(ITEMS[0], run("none")), measured(ITEMS[0], run("MEND"), lost=Unscored.OUT_OF_MEMORY)]
    shown = page(tmp_path, records)
    assert "<td>oom</td>" in shown
    assert "(oom)" in shown


def test_one_page_tells_of_one_run(tmp_path: Path) -> None:
    other = stream().model_copy(update={"precision": "fast"})
    with pytest.raises(IntegrityError, match="another precision"):
        page(tmp_path, records_of(), other)
    write_sequential(tmp_path, other)
    shown = page(tmp_path, records_of())
    assert "edits in a row" not in shown
    assert "of another precision: it is not shown" in shown


def test_a_missing_record_stops_the_report(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="run mmke evaluate again"):
        write_report(tmp_path, summary_of(records_of()), RELEASE, [], [])
    assert not (tmp_path / "report.html").exists()


def test_examples_take_every_type_before_a_second_of_one() -> None:
    shown = chosen(RELEASE.items, {entry.item.item_id for entry in RELEASE.items})
    assert {entry.item.edit_type for entry in shown[:3]} == set(EditType)
    assert chosen(RELEASE.items, {ITEMS[0].item_id})[0].item == ITEMS[0]
    assert chosen(RELEASE.items, set()) == []
