"""Sums up evaluation records, from them alone: means, changes to no edit, intervals, the unscored."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from curation.atomic import write_atomic
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import canonical_json
from curation.records import EditType, ProbeKind, Record, Sha256
from eval.case_scores import NO_EDIT, SHARED, CaseScores, case_scores, identities, ordered
from eval.cells import KINDS, Cell, Difference, Group, cells_of, differences_of, with_averages
from eval.lags import lag_rows, write_sequential
from eval.records import Dialect, EvalRecord, Protocol
from eval.storage import read_records
from warehouse.release import Release

SUMMARY = "summary.json"
BACKGROUND = "background.json"


class Background(Record):
    """What a summary tells beside the records: where the texts come from, what the model had learnt.

    training: what the model knew before any edit, {} for one that the project did not train.
    """

    release_version: str
    release_sha256: Sha256
    drafter: str
    is_llm: bool
    training: dict[str, float | int]


class Summary(Record):
    """Everything that the numbers of one evaluation mean, and the numbers.

    records: how many cases each method has. cases: how many distinct ones of each editing type. cells: over
    all cases, by editing type, and by category within its type.
    """

    release_version: str
    release_sha256: Sha256
    drafter: str
    is_llm: bool
    training: dict[str, float | int]
    model: str
    model_sha256: Sha256
    protocol: Protocol
    precision: str
    plan_sha256: Sha256
    evaluator_version: str
    methods: tuple[str, ...]
    dialects: dict[str, Dialect]
    hyper_parameters: dict[str, dict[str, float | int | str]]
    records: dict[str, int]
    cases: dict[EditType, int]
    case_ids: tuple[str, ...]
    cells: tuple[Cell, ...]
    differences: tuple[Difference, ...]
    record_keys: tuple[Sha256, ...]

    def cell(
        self, method: str, kind: ProbeKind, edit_type: EditType | None = None, category: str | None = None
    ) -> Cell:
        """Return a cell; KeyError when the method was not run, or the type or category has no case."""
        for cell in self.cells:
            if (cell.method, cell.kind, cell.edit_type, cell.category) == (method, kind, edit_type, category):
                return cell
        raise KeyError(method, kind, edit_type, category)

    @property
    def categories(self) -> list[tuple[EditType, str]]:
        """Return every category that has a case, with its editing type."""
        found = dict.fromkeys((c.edit_type, c.category) for c in self.cells)
        return [(kind, name) for kind, name in found if kind is not None and name is not None]


class Table(NamedTuple):
    """A table ready to print: headers, and rows of texts."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def background_of(release: Release, training: dict[str, float | int]) -> Background:
    """Return what a summary has to tell about a release and a model's training."""
    return Background(
        release_version=release.version,
        release_sha256=release.content_sha256,
        drafter=release.drafter,
        is_llm=release.is_llm,
        training=training,
    )


def summarise(release: Release, records: Iterable[EvalRecord], training: dict[str, float | int]) -> Summary:
    """Return the summary of one run's records of single editing; records of sequential runs are left out.

    Raises as sum_up does.
    """
    return sum_up(background_of(release, training), records)


def sum_up(background: Background, records: Iterable[EvalRecord]) -> Summary:
    """Return the summary of one run's records of single editing, the same in whatever order they come.

    Raises PrerequisiteError for no record, IntegrityError for records of several runs, for two records of a
    method on a case, or for ids that cannot be scored.
    """
    return _sum_up(background, _rows(records))


def _sum_up(background: Background, every: Iterable[CaseScores]) -> Summary:
    rows = sorted((row for row in every if row.step is None), key=lambda row: (row.method, row.case_id))
    if not rows:
        raise PrerequisiteError("there is no record of single editing to sum up; run mmke evaluate first")
    runs = identities(rows)
    if len({(row.method, row.case_id) for row in rows}) != len(rows):
        raise IntegrityError("a method has two records of one case; keep each run in its own folder")
    first = next(iter(runs.values()))
    if first.release_sha256 != background.release_sha256:
        raise IntegrityError(
            f"the records are of release {first.release_sha256[:16]}, not of {background.release_sha256[:16]}"
        )
    methods = ordered(runs)
    types = [kind for kind in EditType if any(row.edit_type is kind for row in rows)]
    whole = Group(rows, methods)
    cells = cells_of(whole)
    for kind in types:
        cells += cells_of(Group(rows, methods, kind))
    for kind in types:
        for category in sorted({row.category for row in rows if row.edit_type is kind}):
            cells += cells_of(Group(rows, methods, kind, category))
    return Summary(
        **dict(background),
        **{name: getattr(first, name) for name in SHARED if name != "release_sha256"},
        methods=methods,
        dialects={method: runs[method].dialect for method in methods},
        hyper_parameters={method: runs[method].hyper_parameters for method in methods},
        records={method: sum(row.method == method for row in rows) for method in methods},
        cases={kind: len({row.case_id for row in rows if row.edit_type is kind}) for kind in types},
        case_ids=tuple(whole.cases),
        cells=tuple(with_averages(cells)),
        differences=tuple(differences_of(whole)),
        record_keys=tuple(sorted(row.key for row in rows)),
    )


def write_summary(out: Path, summary: Summary) -> None:
    """Write out/summary.json in one step, and beside it what a rescore has to know."""
    known = Background.model_validate({name: getattr(summary, name) for name in Background.model_fields})
    write_background(out, known)
    write_atomic(out / SUMMARY, _bytes(summary))


def write_background(out: Path, background: Background) -> None:
    """Write out/background.json, so that the records beside it can be summed up by themselves."""
    write_atomic(out / BACKGROUND, _bytes(background))


def rescore(out: Path) -> Summary:
    """Sum up a folder's records again, write what they come to and return the summary; needs no model.

    Writes out/sequential.json too where there are records of a sequential run. Raises PrerequisiteError where
    no evaluation was run, else as sum_up does.
    """
    path = out / BACKGROUND
    if not path.is_file():
        raise PrerequisiteError(f"{path} is not there; run mmke evaluate first")
    try:
        background = Background.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise IntegrityError(f"{path} is damaged; run mmke evaluate again") from error
    rows = _rows(read_records(out))
    sequential = lag_rows(rows)
    if sequential is not None:
        write_sequential(out, sequential)
    summary = _sum_up(background, rows)
    write_summary(out, summary)
    return summary


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

    Last columns: exact matches over image reliability and over portability.
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


def _rows(records: Iterable[EvalRecord]) -> list[CaseScores]:
    """Return the numbers of all records, a repeated record once."""
    return list({record.key: case_scores(record) for record in records}.values())


def _bytes(value: Record) -> bytes:
    return (canonical_json(value.model_dump(mode="json")) + "\n").encode("utf-8")
