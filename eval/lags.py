"""Reads a sequential run: how each edit is remembered after so many later ones, as a matrix and its cuts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from curation.atomic import write_atomic
from curation.errors import IntegrityError
from curation.ids import canonical_json
from curation.records import EditType, ProbeKind, Record, Sha256
from eval.case_scores import CaseScores, case_scores, identities, ordered
from eval.records import EvalRecord, Protocol, Step, Unscored

SEQUENTIAL = "sequential.json"
# Numbers of later edits after which MMKE-Bench and VLKEB report.
PAPER_GAPS = (1, 3, 6, 10)
VLKEB_GAPS = (10, 20, 50, 100)


class LagCell(NamedTuple):
    """One case's value, its place in the order from 0, and how many edits came after its own."""

    position: int
    later: int
    value: float


class Mean(Record):
    """A mean over n cells of a matrix; at: the gap, the number of later edits or of all edits it is for.

    unscored: probes without a score there, by reason. reason: why there is no mean, '' when there is one.
    """

    at: int
    mean: float | None
    n: int
    unscored: dict[Unscored, int]
    reason: str = ""


class LagMatrix(Record):
    """One metric of one method in one order of so many edits: accuracy[position, later], as far as probed.

    cells: by position and later. gaps: the mean over positions at the gaps of MMKE-Bench and of VLKEB, where
    the case at position t has seen t + 1 + gap edits. decay: the same at every number of later edits that was
    probed. by_edits: the mean over all cases probed when so many edits were in the model.
    """

    method: str
    order: str
    kind: ProbeKind
    edits: int
    cells: tuple[LagCell, ...]
    gaps: tuple[Mean, ...]
    decay: tuple[Mean, ...]
    by_edits: tuple[Mean, ...]

    def value(self, position: int, later: int) -> float | None:
        """Return the accuracy of a case after so many later edits, None where it was not probed or scored."""
        for cell in self.cells:
            if (cell.position, cell.later) == (position, later):
                return cell.value
        return None


class UserRun(Record):
    """The end of a run over user-specific edits only: after the last edit, the mean over all cases.

    users: how many users were taught, items: the most edits of one user.
    """

    method: str
    order: str
    users: int
    items: int
    edits: int
    kind: ProbeKind
    mean: float | None
    n: int


class Sequential(Record):
    """Everything that the records of one sequential run say; see eval.summary for single editing.

    case_ids: of each order the cases by position, '' where none was probed.
    """

    model: str
    model_sha256: Sha256
    release_sha256: Sha256
    protocol: Protocol
    precision: str
    plan_sha256: Sha256
    evaluator_version: str
    methods: tuple[str, ...]
    hyper_parameters: dict[str, dict[str, float | int | str]]
    case_ids: dict[str, tuple[str, ...]]
    matrices: tuple[LagMatrix, ...]
    users: tuple[UserRun, ...]

    def matrix(self, method: str, order: str, kind: ProbeKind) -> LagMatrix:
        """Return a matrix; KeyError when there is none."""
        for matrix in self.matrices:
            if (matrix.method, matrix.order, matrix.kind) == (method, order, kind):
                return matrix
        raise KeyError(method, order, kind)

    @property
    def orders(self) -> tuple[str, ...]:
        """Return the orders that were run."""
        return tuple(dict.fromkeys(matrix.order for matrix in self.matrices))


class _Placed(NamedTuple):
    step: Step
    row: CaseScores

    @property
    def made(self) -> int:
        """Return how many edits were in the model."""
        return self.step.position + 1 + self.step.later


def summarise_lags(records: Iterable[EvalRecord]) -> Sequential | None:
    """Return what the records of sequential runs say, the same in whatever order they come; None without any.

    Records of single editing are left out. Raises IntegrityError for records of several runs, or two of one
    place in an order.
    """
    return lag_rows({r.key: case_scores(r) for r in records if r.step is not None}.values())


def lag_rows(rows: Iterable[CaseScores]) -> Sequential | None:
    """Return what summarise_lags does, from the numbers of the records."""
    placed = [_Placed(row.step, row) for row in rows if row.step is not None]
    if not placed:
        return None
    placed.sort(key=lambda each: (each.step.order, each.step.position, each.step.later, each.row.method))
    runs = identities([each.row for each in placed])
    places = {(each.row.method, *each.step.model_dump().values()) for each in placed}
    if len(places) != len(placed):
        raise IntegrityError("a case was probed twice at one place; keep each run in its own folder")
    first = next(iter(runs.values()))
    methods = ordered(runs)
    groups = [
        (method, order, [p for p in placed if (p.row.method, p.step.order) == (method, order)])
        for order in dict.fromkeys(each.step.order for each in placed)
        for method in methods
    ]
    return Sequential(
        **{name: getattr(first, name) for name in Sequential.model_fields if hasattr(first, name)}
        | {"hyper_parameters": {method: runs[method].hyper_parameters for method in methods}},
        methods=methods,
        case_ids=_case_ids(placed),
        matrices=tuple(_matrix(*group, kind) for group in groups if group[2] for kind in ProbeKind),
        users=tuple(run for group in groups if group[2] for run in _users(*group)),
    )


def write_sequential(out: Path, sequential: Sequential) -> None:
    """Write out/sequential.json in one step."""
    text = canonical_json(sequential.model_dump(mode="json")) + "\n"
    write_atomic(out / SEQUENTIAL, text.encode("utf-8"))


def read_sequential(out: Path) -> Sequential | None:
    """Return what was written, None when there is nothing. Raises IntegrityError for a damaged file."""
    path = out / SEQUENTIAL
    if not path.is_file():
        return None
    try:
        return Sequential.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise IntegrityError(f"{path} is damaged; run mmke evaluate again") from error


def _case_ids(placed: Sequence[_Placed]) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[int, str]] = {}
    for each in placed:
        at = found.setdefault(each.step.order, {})
        if at.setdefault(each.step.position, each.row.case_id) != each.row.case_id:
            raise IntegrityError("two cases have the same place in an order; keep each run in its own folder")
    return {order: tuple(at.get(place, "") for place in range(max(at) + 1)) for order, at in found.items()}


def _matrix(method: str, order: str, placed: Sequence[_Placed], kind: ProbeKind) -> LagMatrix:
    edits = max(each.made for each in placed)
    gaps = sorted({*PAPER_GAPS, *VLKEB_GAPS})

    def later(each: _Placed) -> int:
        return each.step.later

    return LagMatrix(
        method=method,
        order=order,
        kind=kind,
        edits=edits,
        cells=tuple(
            LagCell(each.step.position, each.step.later, round(each.row.values[kind], 9))
            for each in placed
            if kind in each.row.values
        ),
        gaps=tuple(_mean(placed, kind, gap, later, edits) for gap in gaps),
        decay=tuple(_mean(placed, kind, at, later) for at in sorted({later(each) for each in placed})),
        by_edits=tuple(
            _mean(placed, kind, at, lambda each: each.made) for at in sorted({each.made for each in placed})
        ),
    )


def _mean(
    placed: Sequence[_Placed], kind: ProbeKind, at: int, axis: Callable[[_Placed], int], edits: int = 0
) -> Mean:
    """Return the mean over the cells at one place of an axis; edits: the run's length, for a gap."""
    if edits and at >= edits:
        reason = f"the run has {edits} edits; a gap of {at} needs at least {at + 1}"
        return Mean(at=at, mean=None, n=0, unscored={}, reason=reason)
    there = [each.row for each in placed if axis(each) == at]
    unscored: Counter[Unscored] = Counter()
    for row in there:
        unscored.update(row.unscored.get(kind, {}))
    values = [row.values[kind] for row in there if kind in row.values]
    reason = "" if values else "nothing was probed there" if not there else "nothing has a score there"
    mean = round(sum(values) / len(values), 9) if values else None
    return Mean(at=at, mean=mean, n=len(values), unscored=dict(sorted(unscored.items())), reason=reason)


def _users(method: str, order: str, placed: Sequence[_Placed]) -> list[UserRun]:
    """Return the end of a run of one method, a row a metric; none when not all edits are user-specific."""
    rows = [each.row for each in placed]
    if any(row.edit_type is not EditType.USER_SPECIFIC or row.user_name is None for row in rows):
        return []
    owners = Counter({row.case_id: row.user_name for row in rows}.values())
    edits = max(each.made for each in placed)
    last = [each.row for each in placed if each.made == edits]
    runs = []
    for kind in ProbeKind:
        values = [row.values[kind] for row in last if kind in row.values]
        mean = round(sum(values) / len(values), 9) if values else None
        runs.append(
            UserRun(
                method=method,
                order=order,
                users=len(owners),
                items=max(owners.values()),
                edits=edits,
                kind=kind,
                mean=mean,
                n=len(values),
            )
        )
    return runs
