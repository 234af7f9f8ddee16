"""The published tables: complete, with every inconsistency marked, and beside ours only where they may be."""

from __future__ import annotations

import pytest

from curation.records import EditType, ProbeKind
from eval.case_scores import METHOD_ORDER
from eval.published import (
    VERSIONS,
    columns,
    is_comparable,
    note_of,
    published_models,
    published_row,
    published_tables,
)
from eval.records import Protocol
from eval.summary import Summary, sum_up
from tests.unit.eval_records import BACKGROUND, record_of, run_of

METHODS = METHOD_ORDER[1:]
ROWS = [
    (version, model, method) for version in VERSIONS for model in published_models() for method in METHODS
]


def test_every_row_is_there_but_the_one_that_was_not_printed() -> None:
    rows = {
        (*row, kind): published_row(row[0], kind, row[1], row[2])
        for row in ROWS
        for kind in (*EditType, None)
    }
    missing = [place for place, row in rows.items() if row is None]
    assert missing == [("submission", "llava-1.5-7b", "FT-LLM", EditType.VISUAL_ENTITY)]
    assert len(rows) == 144
    assert all(0 <= value <= 100 for row in rows.values() if row for value in row.values())


@pytest.mark.parametrize(("version", "model", "method"), ROWS)
def test_averages_are_the_mean_of_the_types_or_marked(version: str, model: str, method: str) -> None:
    average = published_row(version, None, model, method)
    types = [published_row(version, kind, model, method) for kind in EditType]
    assert average is not None
    if None in types:
        assert (version, model, method) == ("submission", "llava-1.5-7b", "FT-LLM")
        return
    note = note_of(version, None, model, method)
    odd = {k.value for k in columns() if abs(sum(row[k] for row in types if row) / 3 - average[k]) > 0.011}
    assert odd == set(note.metrics if note else ())


def test_rows_that_did_not_move_between_the_versions_are_marked_as_stale() -> None:
    same = [
        (kind, model, method)
        for kind in EditType
        for model in published_models()
        for method in METHODS
        if published_row(VERSIONS[0], kind, model, method) == published_row(VERSIONS[1], kind, model, method)
    ]
    expected = [(EditType.VISUAL_SEMANTIC, "blip2-opt-2.7b", method) for method in ("MEND", "KE")]
    assert same == expected
    notes = [note_of("camera-ready", *place) for place in same]
    assert all(note and "probably stale" in note.text for note in notes)


def test_a_number_of_the_table_is_where_it_was_printed() -> None:
    row = published_row("camera-ready", EditType.USER_SPECIFIC, "llava-1.5-7b", "IKE")
    assert row is not None
    assert (row[ProbeKind.T_REL], row[ProbeKind.PORT]) == (75.65, 22.87)


def of_run(model: str, protocol: Protocol) -> Summary:
    run = run_of("IKE", protocol, model=model)
    outcomes = {ProbeKind.T_REL: [(1, 2)]}
    records = [record_of(kind.value, "IKE", outcomes, run=run, edit_type=kind) for kind in EditType]
    return sum_up(BACKGROUND, records)


def test_ours_stands_beside_the_published_of_the_same_model() -> None:
    tables = published_tables(of_run("llava-1.5-7b", Protocol.REFERENCE), "camera-ready")
    assert {table.model for table in tables} == {"LLaVA-1.5"}
    rows = {table.edit_type: {row.method: row for row in table.rows} for table in tables}
    cell = {cell.kind: cell for cell in rows[EditType.VISUAL_ENTITY]["IKE"].cells}[ProbeKind.T_REL]
    assert (cell.published, cell.ours) == (63.49, 50.0)
    assert cell.difference == pytest.approx(-13.49)
    average = {cell.kind: cell for cell in rows[None]["IKE"].cells}
    assert average[ProbeKind.T_REL].ours == 50.0
    assert average[ProbeKind.PORT].ours is None
    assert all(cell.ours is None for cell in rows[None]["MEND"].cells)


@pytest.mark.parametrize(
    ("model", "protocol"), [("llava-1.5-7b", Protocol.CLEAN), ("tiny-llava", Protocol.REFERENCE)]
)
def test_another_protocol_or_model_is_not_compared(model: str, protocol: Protocol) -> None:
    summary = of_run(model, protocol)
    assert not is_comparable(summary)
    cells = [
        cell for table in published_tables(summary, "submission") for row in table.rows for cell in row.cells
    ]
    assert len(cells) == 6 * 71
    assert all(cell.ours is None and cell.difference is None for cell in cells)


def test_an_average_of_fewer_types_is_not_put_beside_the_papers() -> None:
    run = run_of("IKE", Protocol.REFERENCE, model="llava-1.5-7b")
    summary = sum_up(BACKGROUND, [record_of("a", "IKE", {ProbeKind.T_REL: [(1, 2)]}, run=run)])
    average = next(table for table in published_tables(summary, "camera-ready") if table.edit_type is None)
    assert all(cell.ours is None for row in average.rows for cell in row.cells)
