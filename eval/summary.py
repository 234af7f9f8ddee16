"""Sums up evaluation records: means with intervals, deltas to no edit, exact matches, counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from curation.atomic import write_atomic
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import canonical_json, sha256_json
from curation.records import EditType, ProbeKind, Record, Sha256
from eval.records import EvalRecord, Protocol
from warehouse.release import Release

SUMMARY = "summary.json"
NO_EDIT = "none"
KINDS = tuple(ProbeKind)
_RESAMPLES = 2000


class Cell(Record):
    """One metric of one method over all cases, or over those of one editing type; shares in 0..1.

    mean: of the cases' values, each the mean over its probes of the kind. n: scored cases. unscored:
    probes without a score. low, high: 95 % bootstrap interval of mean over cases. delta: mean difference to
    no edit on the same cases. exact: share of free answers that are right word for word. None where nothing
    is scored.
    """

    method: str
    kind: ProbeKind
    edit_type: EditType | None
    mean: float | None
    n: int
    unscored: int
    low: float | None
    high: float | None
    delta: float | None
    exact: float | None


class Summary(Record):
    """Everything that the numbers of one evaluation mean, and the numbers."""

    release_version: str
    release_sha256: Sha256
    drafter: str
    is_llm: bool
    model: str
    model_sha256: Sha256
    protocol: Protocol
    evaluator_version: str
    methods: tuple[str, ...]
    hyper_parameters: dict[str, dict[str, float | int | str]]
    training: dict[str, float | int]
    cases: dict[EditType, int]
    cells: tuple[Cell, ...]
    record_keys: tuple[Sha256, ...]

    def cell(self, method: str, kind: ProbeKind, edit_type: EditType | None = None) -> Cell:
        """Return a cell; KeyError when the method was not run or the type has no case."""
        for cell in self.cells:
            if (cell.method, cell.kind, cell.edit_type) == (method, kind, edit_type):
                return cell
        raise KeyError(method, kind, edit_type)


class Table(NamedTuple):
    """A table ready to print: headers, and rows of texts."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def summarise(release: Release, records: Sequence[EvalRecord], training: dict[str, float | int]) -> Summary:
    """Return the summary of one run's records. Raises ValueError for none, or for several runs' records."""
    meanings = {(r.protocol, r.model, r.model_sha256, r.release_sha256, r.evaluator_version) for r in records}
    if len(meanings) != 1:
        raise ValueError(f"records of {len(meanings)} different runs cannot share a table")
    first = records[0]
    methods = tuple(dict.fromkeys(record.method for record in records))
    types = [kind for kind in EditType if any(record.case.edit_type is kind for record in records)]
    cells = [
        _cell(records, method, kind, edit_type)
        for edit_type in (None, *types)
        for method in methods
        for kind in KINDS
    ]
    return Summary(
        release_version=release.version,
        release_sha256=first.release_sha256,
        drafter=release.drafter,
        is_llm=release.is_llm,
        model=first.model,
        model_sha256=first.model_sha256,
        protocol=first.protocol,
        evaluator_version=first.evaluator_version,
        methods=methods,
        hyper_parameters={record.method: record.hyper_parameters for record in records},
        training=training,
        cases={
            kind: len({record.case.case_id for record in records if record.case.edit_type is kind})
            for kind in types
        },
        cells=tuple(cells),
        record_keys=tuple(record.key for record in records),
    )


def write_summary(out: Path, summary: Summary) -> None:
    """Write out/summary.json in one step."""
    write_atomic(out / SUMMARY, (canonical_json(summary.model_dump(mode="json")) + "\n").encode("utf-8"))


def read_summary(out: Path) -> Summary:
    """Return an evaluation's summary. Raises PrerequisiteError for none, IntegrityError for a damaged one."""
    path = out / SUMMARY
    if not path.is_file():
        raise PrerequisiteError(f"{path} is not there; run mmke evaluate first")
    try:
        return Summary.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise IntegrityError(f"{path} is damaged; run mmke evaluate again") from error


def table(summary: Summary, edit_type: EditType | None = None) -> Table:
    """Return the table of the six metrics, x100 with two decimals, and in brackets the difference to no edit.

    Last columns: exact matches over the reliability kinds and over portability.
    """
    headers = ("method", *(kind.value for kind in KINDS), "exact I-Rel", "exact Port")
    rows = []
    for method in summary.methods:
        cells = [summary.cell(method, kind, edit_type) for kind in KINDS]
        exact = [summary.cell(method, kind, edit_type).exact for kind in (ProbeKind.I_REL, ProbeKind.PORT)]
        rows.append((label(method), *map(_shown, cells), *map(percent, exact)))
    return Table(headers, tuple(rows))


def label(method: str) -> str:
    """Return the name of a method for people."""
    return "no edit" if method == NO_EDIT else method


def percent(share: float | None) -> str:
    """Return a share x100 with two decimals, '-' for none."""
    return "-" if share is None else f"{100 * share:.2f}"


def signed(share: float | None) -> str:
    """Return a difference of shares x100 with its sign."""
    return "-" if share is None else f"{100 * share:+.2f}"


def _shown(cell: Cell) -> str:
    if cell.method == NO_EDIT or cell.delta is None:
        return percent(cell.mean)
    return f"{percent(cell.mean)} ({signed(cell.delta)})"


def _cell(records: Sequence[EvalRecord], method: str, kind: ProbeKind, edit_type: EditType | None) -> Cell:
    chosen = [r for r in records if edit_type is None or r.case.edit_type is edit_type]
    mine = [r for r in chosen if r.method == method]
    unedited = {r.case.case_id: r.metric(kind) for r in chosen if r.method == NO_EDIT}
    values = [value for r in mine if (value := r.metric(kind)) is not None]
    low, high = _interval(values, sha256_json([method, kind.value, edit_type]))
    differences = [
        value - before
        for r in mine
        if (value := r.metric(kind)) is not None and (before := unedited.get(r.case.case_id)) is not None
    ]
    return Cell(
        method=method,
        kind=kind,
        edit_type=edit_type,
        mean=_mean(values),
        n=len(values),
        unscored=sum(score.unscored is not None for r in mine for score in r.scores if score.kind is kind),
        low=low,
        high=high,
        delta=_mean(differences),
        exact=_mean([value for r in mine if (value := r.exact(kind)) is not None]),
    )


def _interval(values: Sequence[float], seed: str) -> tuple[float | None, float | None]:
    """Return the 95 % percentile bootstrap interval of the mean, drawn from a seed; None for no value."""
    import numpy as np

    if not values:
        return None, None
    draws = np.random.default_rng(int(seed[:16], 16)).choice(np.asarray(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(draws.mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
