"""Writes the report: one HTML page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from curation.atomic import write_atomic
from curation.errors import IntegrityError
from curation.records import AgreementRow, EditType, ProbeKind, StageCount
from eval.case_scores import NO_EDIT, CaseScores, case_scores
from eval.cells import KINDS, Cell
from eval.charts import decay_curves, lag_map, locality_and_reliability, method_colours, metric_bars
from eval.diagnosis import THRESHOLDS, diagnose
from eval.examples import chosen, example
from eval.lags import PAPER_GAPS, VLKEB_GAPS, LagMatrix, Sequential, UserRun, read_sequential
from eval.published import VERSIONS, columns, is_comparable, published_tables
from eval.records import EvalRecord
from eval.storage import read_records
from eval.summary import Summary, label, percent, signed
from warehouse.release import Release

REPORT = "report.html"


class Unscored(NamedTuple):
    """So many probes of one method and kind without a score, for one reason."""

    method: str
    kind: str
    reason: str
    probes: int


class Stream(NamedTuple):
    """One order of a sequential run as the page shows it: tables of gaps, and charts as SVG.

    gaps: per kind a row a method. maps: of each matrix that was probed, method, kind and heat map.
    """

    order: str
    edits: int
    gaps: tuple[tuple[str, tuple[LagMatrix, ...]], ...]
    curves: tuple[tuple[str, str], ...]
    maps: tuple[tuple[str, str, str], ...]
    users: tuple[UserRun, ...]


def write_report(
    out: Path,
    summary: Summary,
    release: Release,
    stages: Sequence[StageCount],
    agreement: Sequence[AgreementRow],
    sequential: Sequential | None = None,
) -> Path:
    """Write out/report.html and return its path; the same inputs give the same bytes.

    out: the folder of the evaluation, with its records. sequential: what sequential runs came to, else what
    lies in out; one page tells of one run, so a file there of another protocol, precision, model or release
    is named on the page and not shown. Raises IntegrityError when a record is missing or damaged, or when the
    given sequential is of another run.
    """
    found = sequential or read_sequential(out)
    other = _what_differs(summary, found) if found is not None else ""
    if other and sequential is not None:
        raise IntegrityError(f"the sequential run has another {other}; one page tells of one run only")
    sequential = None if other else found
    shown = chosen(release.items, summary.case_ids)
    rows, by_case = _read(out, summary, {entry.item.item_id for entry in shown})
    html = _template().render(
        summary=summary,
        kinds=[kind.value for kind in KINDS],
        names={method: label(method) for method in summary.methods},
        no_edit=NO_EDIT,
        swatches=method_colours(summary.methods),
        percent=percent,
        label=label,
        signed=signed,
        bars=metric_bars(summary),
        scatter=locality_and_reliability(summary),
        stages=stages,
        agreement=agreement,
        findings=diagnose(summary, rows, sequential),
        thresholds=THRESHOLDS,
        examples=[
            example(entry.item, release, summary.methods, by_case.get(entry.item.item_id, {}))
            for entry in shown
        ],
        **_tables(summary),
        **_published(summary),
        left_out=other,
        streams=_streams(sequential) if sequential is not None else [],
        paper_gaps=PAPER_GAPS,
        vlkeb_gaps=VLKEB_GAPS,
    )
    path = out / REPORT
    write_atomic(path, html.encode("utf-8"))
    return path


def _what_differs(summary: Summary, sequential: Sequential) -> str:
    """Return in what two runs differ that may not differ on one page, '' for nothing."""
    shared = ("protocol", "precision", "model", "model_sha256", "release_sha256", "evaluator_version")
    return ", ".join(name for name in shared if getattr(summary, name) != getattr(sequential, name))


def _read(
    out: Path, summary: Summary, shown: set[str]
) -> tuple[list[CaseScores], dict[str, dict[str, EvalRecord]]]:
    """Return the numbers of all records, and whole records only of the items that the page shows."""
    rows: list[CaseScores] = []
    by_case: dict[str, dict[str, EvalRecord]] = {}
    for record in read_records(out, summary.record_keys):
        rows.append(case_scores(record))
        if record.case.case_id in shown:
            by_case.setdefault(record.case.case_id, {})[record.run.method] = record
    return rows, by_case


def _cells(
    summary: Summary, edit_type: EditType | None = None, category: str | None = None
) -> list[list[Cell]]:
    """Return the cells of one table: a row a method."""
    told = {
        (cell.method, cell.kind): cell
        for cell in summary.cells
        if (cell.edit_type, cell.category) == (edit_type, category)
    }
    return [[told[method, kind] for kind in KINDS] for method in summary.methods]


def _tables(summary: Summary) -> dict[str, Any]:
    """Return the tables of the page but the published ones."""
    cells = _cells(summary)
    return {
        "cells": cells,
        "by_type": [(kind.value, count, _cells(summary, kind)) for kind, count in summary.cases.items()],
        "by_category": [
            (kind.value, category, _cells(summary, kind, category)) for kind, category in summary.categories
        ],
        "answers": [
            (name, [(row[0].method, [getattr(cell, field) for cell in row]) for row in cells])
            for name, field in (("exact match", "exact"), ("token F1", "f1"), ("contained", "contained"))
        ],
        "localities": [
            (row[0].method, told[ProbeKind.I_LOC], told[ProbeKind.T_LOC])
            for row in cells
            for told in [{cell.kind: cell for cell in row}]
        ],
        "unscored": [
            Unscored(cell.method, cell.kind.value, reason.value, count)
            for row in cells
            for cell in row
            for reason, count in cell.unscored.items()
        ],
    }


def _published(summary: Summary) -> dict[str, Any]:
    return {
        "comparable": is_comparable(summary),
        "published": [(version, published_tables(summary, version)) for version in VERSIONS],
        "published_kinds": [kind.value for kind in columns()],
    }


def _streams(sequential: Sequential) -> list[Stream]:
    streams = []
    for order in sequential.orders:
        told = [matrix for matrix in sequential.matrices if matrix.order == order]
        probed = [matrix for matrix in told if matrix.cells]
        kinds = [kind for kind in KINDS if any(matrix.kind is kind for matrix in probed)]
        streams.append(
            Stream(
                order,
                max(matrix.edits for matrix in told),
                tuple((kind.value, tuple(m for m in probed if m.kind is kind)) for kind in kinds),
                tuple((kind.value, decay_curves(sequential, order, kind)) for kind in kinds),
                tuple((label(m.method), m.kind.value, lag_map(m)) for m in probed),
                tuple(run for run in sequential.users if run.order == order),
            )
        )
    return streams


def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((files("eval") / "report.html.j2").read_text("utf-8"))
