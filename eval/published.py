"""Reads MMKE-Bench's published tables, and says where ours may be put beside them."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from curation.records import EditType, ProbeKind
from eval.records import Protocol
from eval.summary import Summary

VERSIONS = ("camera-ready", "submission")
AVERAGE = "average"


class Note(NamedTuple):
    """Something odd in one published row: which of its metrics, and why."""

    metrics: tuple[str, ...]
    text: str


class Beside(NamedTuple):
    """One published number with ours, both x100; ours and difference are None where not comparable."""

    kind: ProbeKind
    published: float
    ours: float | None
    difference: float | None
    odd: bool


class PublishedRow(NamedTuple):
    """A method's published row; note: what is odd about it, '' for nothing."""

    method: str
    cells: tuple[Beside, ...]
    note: str


class PublishedTable(NamedTuple):
    """The published rows of one model, version and editing type, or of the average over types."""

    version: str
    edit_type: EditType | None
    model: str
    rows: tuple[PublishedRow, ...]


def columns() -> tuple[ProbeKind, ...]:
    """Return the metrics in the order of the published tables."""
    return tuple(map(ProbeKind, _data()["columns"]))


def published_models() -> dict[str, str]:
    """Return the published tables' names of models by our names."""
    return dict(_data()["models"])


def published_row(
    version: str, edit_type: EditType | None, model: str, method: str
) -> dict[ProbeKind, float] | None:
    """Return a published row, x100; edit_type None: the printed average. None when it was not published."""
    values = _data()[version][edit_type or AVERAGE].get(model, {}).get(method)
    return dict(zip(columns(), values, strict=True)) if values else None


def note_of(version: str, edit_type: EditType | None, model: str, method: str) -> Note | None:
    """Return what is odd about a published row, None for nothing."""
    place = {"version": version, "edit_type": edit_type or AVERAGE, "model": model, "method": method}
    for note in _data()["notes"]:
        if all(note[name] == value for name, value in place.items()):
            return Note(tuple(note["metrics"]), note["text"])
    return None


def is_comparable(summary: Summary) -> bool:
    """Return whether the numbers mean the same as the published: reference protocol, one of the models."""
    return summary.protocol is Protocol.REFERENCE and summary.model in published_models()


def published_tables(summary: Summary, version: str) -> list[PublishedTable]:
    """Return the published tables to show beside a run's: those of its model, else of all three.

    Ours and the difference are given only where is_comparable; the average beside the printed average.
    """
    comparable = is_comparable(summary)
    models = [summary.model] if comparable else list(published_models())
    return [
        PublishedTable(
            version,
            edit_type,
            published_models()[model],
            tuple(
                _row(summary if comparable else None, version, edit_type, model, method)
                for method in _data()[version][edit_type or AVERAGE][model]
            ),
        )
        for model in models
        for edit_type in (*EditType, None)
    ]


def _row(
    summary: Summary | None, version: str, edit_type: EditType | None, model: str, method: str
) -> PublishedRow:
    note = note_of(version, edit_type, model, method)
    row = published_row(version, edit_type, model, method) or {}
    cells = []
    for kind, number in row.items():
        ours = _ours(summary, method, kind, edit_type) if summary else None
        difference = None if ours is None else ours - number
        cells.append(Beside(kind, number, ours, difference, note is not None and kind.value in note.metrics))
    return PublishedRow(method, tuple(cells), note.text if note else "")


def _ours(summary: Summary, method: str, kind: ProbeKind, edit_type: EditType | None) -> float | None:
    if method not in summary.methods or (edit_type is not None and edit_type not in summary.cases):
        return None
    # The paper's average is over all three types: that of fewer would be another number.
    if edit_type is None and len(summary.cases) < len(EditType):
        return None
    cell = summary.cell(method, kind, edit_type)
    share = cell.average if edit_type is None else cell.mean
    return None if share is None else 100 * share


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((files("eval") / "published.toml").read_text("utf-8"))
