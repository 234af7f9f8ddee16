"""The cells of a table: a mean with its interval, its change against no edit, and what was not scored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from pydantic import Field

from curation.ids import sha256_json
from curation.records import EditType, ProbeKind, Record
from eval.case_scores import EXTRAS, NO_EDIT, CaseScores
from eval.intervals import Bootstrap, Contrast, Estimate, Ratio, mean_ratio
from eval.records import Unscored

KINDS = tuple(ProbeKind)
_NOTHING = Estimate(None, None, None, 0)


class Cell(Record):
    """One metric of one method over all cases, over those of one editing type or of one category; shares.

    mean: over the scored cases, each the mean over its probes of the kind; in a micro row sum of what is
    right by sum of what was compared. average: unweighted mean over the editing types, as the paper's tables
    have it; only in cells over all cases, None when a type has no score. low, high: 95 % bootstrap interval
    of mean over cases. n: scored cases. delta: difference of means to no edit over the delta_n cases of both,
    with its paired interval. unscored: probes without a score, by reason. exact, f1, contained: means
    over cases of the free answers' scores. rank_wise, overlap: both readings of I-Loc, and overlap of T-Loc
    where it was kept. None where nothing is scored; no interval for a single case.
    """

    method: str
    kind: ProbeKind
    edit_type: EditType | None = None
    category: str | None = None
    micro: bool = False
    mean: float | None = None
    average: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    delta_n: int = 0
    unscored: dict[Unscored, int] = Field(default_factory=dict)
    exact: float | None = None
    f1: float | None = None
    contained: float | None = None
    rank_wise: float | None = None
    overlap: float | None = None


class Difference(Record):
    """How far one's mean is above the other's over the n cases that both have, with its 95 % interval."""

    one: str
    other: str
    kind: ProbeKind
    mean: float | None
    low: float | None
    high: float | None
    n: int


class Group:
    """The rows of one part of the cases, ready to be summed up; rows come once a method and case."""

    def __init__(
        self, rows: Sequence[CaseScores], methods: Sequence[str],
        edit_type: EditType | None = None, category: str | None = None,
    ) -> None:  # fmt: skip
        self.methods = methods
        self.edit_type, self.category = edit_type, category
        self.rows = [
            row for row in rows if edit_type in {None, row.edit_type} and category in {None, row.category}
        ]
        self.cases = sorted({row.case_id for row in self.rows})
        place = {case: number for number, case in enumerate(self.cases)}
        self._table: dict[str, list[CaseScores | None]] = {m: [None] * len(place) for m in methods}
        for row in self.rows:
            self._table[row.method][place[row.case_id]] = row
        # Rows whose mean is over what was compared and not over cases.
        self.micro = {row.method for row in self.rows if row.micro}
        seed = sha256_json([edit_type, category])
        self.bootstrap = Bootstrap(len(self.cases), int(seed[:16], 16))

    def ratio(self, method: str, kind: ProbeKind, *, micro: bool) -> Ratio:
        """Return a metric as a mean over cases, or over what was compared."""
        rows = self._table[method]
        if not micro:
            return mean_ratio([row.values.get(kind) if row else None for row in rows])
        counts = [row.counts.get(kind, (0, 0)) if row else (0, 0) for row in rows]
        top, bottom = np.array(counts, dtype=np.float64).reshape(-1, 2).T
        return Ratio(top, bottom)

    def beside(self, method: str, kind: ProbeKind) -> dict[str, Any]:
        """Return by name the means over cases of the further numbers, None where no case has one."""
        means: dict[str, Any] = {}
        for name in EXTRAS:
            found = [row.extras.get((name, kind)) for row in self._table[method] if row]
            known = [value for value in found if value is not None]
            means[name] = round(float(np.mean(known)), 9) if known else None
        return means

    def unscored(self, method: str, kind: ProbeKind) -> dict[Unscored, int]:
        """Return how many probes have no score, by reason."""
        total: Counter[Unscored] = Counter()
        for row in self._table[method]:
            total.update(row.unscored.get(kind, {}) if row else {})
        return dict(sorted(total.items()))


def cells_of(group: Group) -> list[Cell]:
    """Return the cells of one group: a row a method, a column a kind."""
    places = [(method, kind) for method in group.methods for kind in KINDS]
    means = group.bootstrap.ratios([group.ratio(m, k, micro=m in group.micro) for m, k in places])
    changed = [(m, k) for m, k in places if NO_EDIT in group.methods and m != NO_EDIT]
    deltas = dict(
        zip(
            changed,
            group.bootstrap.contrasts([_contrast(group, m, NO_EDIT, k) for m, k in changed]),
            strict=True,
        )
    )
    return [
        Cell(
            method=method,
            kind=kind,
            edit_type=group.edit_type,
            category=group.category,
            micro=method in group.micro,
            unscored=group.unscored(method, kind),
            **_fields(mean, deltas.get((method, kind), _NOTHING)),
            **group.beside(method, kind),
        )
        for (method, kind), mean in zip(places, means, strict=True)
    ]


def differences_of(group: Group) -> list[Difference]:
    """Return the difference of every two edited rows of a group, for every kind."""
    pairs = list(combinations([method for method in group.methods if method != NO_EDIT], 2))
    places = [(one, other, kind) for one, other in pairs for kind in KINDS]
    found = group.bootstrap.contrasts([_contrast(group, *place) for place in places])
    return [
        Difference(one=one, other=other, kind=kind, mean=each.value, low=each.low, high=each.high, n=each.n)
        for (one, other, kind), each in zip(places, found, strict=True)
    ]


def with_averages(cells: Sequence[Cell]) -> list[Cell]:
    """Return the cells, those over all cases with the unweighted mean over the editing types."""
    types = sorted({cell.edit_type for cell in cells if cell.edit_type is not None})
    of_type = {(c.method, c.kind, c.edit_type): c.mean for c in cells if c.category is None}
    whole = []
    for cell in cells:
        if cell.edit_type is None:
            means = [of_type[cell.method, cell.kind, each] for each in types]
            known = [mean for mean in means if mean is not None]
            average = round(sum(known) / len(known), 9) if known and len(known) == len(types) else None
            cell = cell.model_copy(update={"average": average})  # noqa: PLW2901 - the cell with its average
        whole.append(cell)
    return whole


def _fields(mean: Estimate, delta: Estimate) -> dict[str, Any]:
    of_mean = {"mean": mean.value, "low": mean.low, "high": mean.high, "n": mean.n}
    return of_mean | {
        "delta": delta.value, "delta_low": delta.low, "delta_high": delta.high, "delta_n": delta.n,
    }  # fmt: skip


def _contrast(group: Group, one: str, other: str, kind: ProbeKind) -> Contrast:
    # When one of the two is a mean over tokens, so is the other: a difference of unlike means says nothing.
    micro = bool({one, other} & group.micro)
    return Contrast(group.ratio(one, kind, micro=micro), group.ratio(other, kind, micro=micro))
