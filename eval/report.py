"""Writes the report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, StrictUndefined, Template

from curation.atomic import write_atomic
from curation.records import (
    AgreementRow,
    EditType,
    ImageRole,
    ItemImage,
    KnowledgeItem,
    ReleasedItem,
    StageCount,
)
from eval.charts import colours, locality_and_reliability, metric_bars
from eval.records import EvalRecord, ProbeScore
from eval.storage import read_records
from eval.summary import KINDS, NO_EDIT, Cell, Summary, Table, label, percent, signed
from warehouse.release import Release

REPORT = "report.html"
_EXAMPLES = 8
_THUMBNAIL = 240
_ROLES = {
    ImageRole.EDIT: "edit",
    ImageRole.REPHRASE: "rephrase",
    ImageRole.LOCALITY: "locality",
    ImageRole.ONE_HOP: "one hop",
}


class Picture(NamedTuple):
    """A picture on the page: its role, its data URI, and where it comes from."""

    role: str
    uri: str
    image: ItemImage


class Answer(NamedTuple):
    """What one method said to one question; right: word for word. score: x100, as in the tables."""

    text: str
    right: bool
    score: str


class Line(NamedTuple):
    """One question of an example with the answer of each method."""

    kind: str
    question: str
    expected: str
    answers: tuple[Answer, ...]


class Example(NamedTuple):
    """One item as the page shows it."""

    item: KnowledgeItem
    type_name: str
    pictures: tuple[Picture, ...]
    lines: tuple[Line, ...]


def write_report(
    out: Path,
    summary: Summary,
    release: Release,
    stages: Sequence[StageCount],
    agreement: Sequence[AgreementRow],
) -> Path:
    """Write out/report.html and return its path; the same inputs give the same bytes.

    out: the folder of the evaluation, with its records. Raises IntegrityError when a record is missing or
    damaged.
    """
    records = read_records(out, summary.record_keys)
    html = _template().render(
        summary=summary,
        cells=_cells(summary, None),
        kinds=[kind.value for kind in KINDS],
        names={method: label(method) for method in summary.methods},
        no_edit=NO_EDIT,
        swatches=colours(summary),
        percent=percent,
        signed=signed,
        by_type=[
            (kind.value, summary.cases[kind], _cells(summary, kind))
            for kind in EditType
            if kind in summary.cases
        ],
        exact=_exact_table(summary),
        bars=metric_bars(summary),
        scatter=locality_and_reliability(summary),
        stages=stages,
        agreement=agreement,
        examples=[
            _example(entry.item, release, summary, records) for entry in chosen(release.items, records)
        ],
    )
    path = out / REPORT
    write_atomic(path, html.encode("utf-8"))
    return path


def chosen(entries: Sequence[ReleasedItem], records: Sequence[EvalRecord]) -> list[ReleasedItem]:
    """Return at most eight evaluated items, in turn from the editing types and from their categories."""
    evaluated = {record.case.case_id for record in records}
    groups: dict[tuple[EditType, str], list[ReleasedItem]] = {}
    for entry in entries:
        if entry.item.item_id in evaluated:
            groups.setdefault((entry.item.edit_type, entry.item.category), []).append(entry)
    # The first of each category, then the second of each; within a turn the types alternate.
    turns = [
        (number, sum(kind == other for other, _ in list(groups)[:place]), place, entry)
        for place, ((kind, _), group) in enumerate(groups.items())
        for number, entry in enumerate(group)
    ]
    return [entry for *_, entry in sorted(turns, key=lambda turn: turn[:3])][:_EXAMPLES]


def _example(
    item: KnowledgeItem, release: Release, summary: Summary, records: Sequence[EvalRecord]
) -> Example:
    by_method = {record.method: record for record in records if record.case.case_id == item.item_id}
    scores = {m: {score.probe_id: score for score in record.scores} for m, record in by_method.items()}
    lines = tuple(
        Line(
            probe.kind.value,
            probe.question,
            probe.answer,
            tuple(_answer(scores.get(method, {}).get(probe.probe_id)) for method in summary.methods),
        )
        for probe in item.probes
    )
    pictures = tuple(
        Picture(_ROLES[image.role], thumbnail(release.image(image.sha256)), image) for image in item.images
    )
    return Example(item, item.edit_type.value, pictures, lines)


def _answer(score: ProbeScore | None) -> Answer:
    if score is None or score.unscored is not None:
        return Answer(f"({score.unscored.value})" if score and score.unscored else "-", False, "-")
    return Answer(score.generated, score.exact_match == 1.0, percent(score.value))


def _cells(summary: Summary, edit_type: EditType | None) -> list[list[Cell]]:
    """Return the cells of the headline table, or of one editing type's: a row a method."""
    return [[summary.cell(method, kind, edit_type) for kind in KINDS] for method in summary.methods]


def _exact_table(summary: Summary) -> Table:
    rows = [
        (label(method), *(percent(summary.cell(method, kind).exact) for kind in KINDS))
        for method in summary.methods
    ]
    return Table(("method", *(kind.value for kind in KINDS)), tuple(rows))


@lru_cache(maxsize=256)
def thumbnail(jpeg: bytes) -> str:
    """Return a picture as a data URI, its longest side at most 240 pixels, without metadata."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string((files("eval") / "report.html.j2").read_text("utf-8"))
