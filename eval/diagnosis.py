"""Names the failures that MMKE-Bench describes, where a run shows them, with the items that show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from curation.records import ProbeKind, Record
from eval.case_scores import NO_EDIT, CaseScores
from eval.lags import Sequential
from eval.summary import Summary, label

# How many items a finding names.
_ITEMS = 5
_RELIABILITY = (ProbeKind.T_REL, ProbeKind.I_REL)
# What FT-Alignment changes lies between the picture and the text, so nothing without a picture can change.
_CONNECTOR_ONLY = ("FT-Alignment",)
_MEMORY_BASED = ("SERAC",)


class Threshold(NamedTuple):
    """A share from which on something is a finding, and why that one."""

    share: float
    reason: str


THRESHOLDS = {
    "locality gap": Threshold(
        0.20, "published, MEND has 13 to 27 points; the others, SERAC aside, have 33 to 91"
    ),
    "learnt": Threshold(0.10, "published, FT-LLM gains 14 to 17 points of reliability on entities"),
    "unmoved": Threshold(0.02, "what an interval over a few hundred cases cannot tell from nothing"),
    "untouched": Threshold(0.98, "published, SERAC's locality is never lower"),
    "forgotten": Threshold(0.10, "as much as learning has to bring to count"),
}


class Number(Record):
    """One number of a finding: what it is, its share, and over how many cases; signed: it is a difference."""

    name: str
    share: float
    n: int
    signed: bool = False


class Finding(Record):
    """A failure that a run shows: its name, the method, one sentence, the numbers, up to five item ids."""

    name: str
    method: str
    sentence: str
    numbers: tuple[Number, ...]
    items: tuple[str, ...]


class _Case(NamedTuple):
    """A case as one method and as no edit left it."""

    edited: CaseScores
    unedited: CaseScores | None

    def change(self, kind: ProbeKind) -> float | None:
        """Return what the edit changed, None where one of the two has no score."""
        before = self.unedited.values.get(kind) if self.unedited else None
        after = self.edited.values.get(kind)
        return None if before is None or after is None else after - before

    def reliability(self) -> float | None:
        """Return the mean change of T-Rel and I-Rel, None where neither is known."""
        return _mean([self.change(kind) for kind in _RELIABILITY])

    def exact(self) -> float | None:
        """Return the mean change of the exact matches of T-Rel and I-Rel, None where neither is known."""
        changes = []
        for kind in _RELIABILITY:
            after = self.edited.extras.get(("exact", kind))
            before = self.unedited.extras.get(("exact", kind)) if self.unedited else None
            changes.append(None if before is None or after is None else after - before)
        return _mean(changes)


def diagnose(
    summary: Summary, rows: Iterable[CaseScores], sequential: Sequential | None = None
) -> tuple[Finding, ...]:
    """Return what a run suffers from, by method; nothing that it does not show.

    rows: the numbers of the summary's records (eval.case_scores). Reliability is the mean of T-Rel and I-Rel,
    changes are to no edit on the same cases, each case counts alike.
    """
    single = sorted((row for row in rows if row.step is None), key=lambda row: row.case_id)
    unedited = {row.case_id: row for row in single if row.method == NO_EDIT}
    found: list[Finding | None] = []
    for method in summary.methods:
        if method == NO_EDIT:
            continue
        cases = [_Case(row, unedited.get(row.case_id)) for row in single if row.method == method]
        found += [look(method, cases) for look in _LOOKS]
    if sequential is not None:
        places = [(method, order) for order in sequential.orders for method in sequential.methods]
        found += [_decay(sequential, *place) for place in places]
    return tuple(finding for finding in found if finding is not None)


def _images_pay(method: str, cases: Sequence[_Case]) -> Finding | None:
    gaps = {}
    for case in cases:
        text, image = (case.edited.values.get(kind) for kind in (ProbeKind.T_LOC, ProbeKind.I_LOC))
        if text is not None and image is not None:
            gaps[case.edited.case_id] = (text - image, text, image)
    if not gaps or _average(gap for gap, _, _ in gaps.values()) < THRESHOLDS["locality gap"].share:
        return None
    return Finding(
        name="I-Loc far under T-Loc",
        method=method,
        sentence=f"{label(method)} leaves text alone far better than it leaves pictures alone.",
        numbers=(
            Number(name="T-Loc", share=_average(text for _, text, _ in gaps.values()), n=len(gaps)),
            Number(name="I-Loc", share=_average(image for _, _, image in gaps.values()), n=len(gaps)),
        ),
        items=_worst({case: gap for case, (gap, _, _) in gaps.items()}),
    )


def _not_portable(method: str, cases: Sequence[_Case]) -> Finding | None:
    told = _both(cases, lambda case: case.change(ProbeKind.PORT))
    if not _learnt(told) or _average(port for _, port in told.values()) > THRESHOLDS["unmoved"].share:
        return None
    return Finding(
        name="memorised, not portable",
        method=method,
        sentence=f"{label(method)} makes the model repeat the edit, but not reason from it.",
        numbers=(_reliability(told), _other("change of Port", told)),
        items=_worst({case: gain - port for case, (gain, port) in told.items() if gain > 0 >= port}),
    )


def _broken_answers(method: str, cases: Sequence[_Case]) -> Finding | None:
    told = _both(cases, _Case.exact)
    if not _learnt(told) or _average(exact for _, exact in told.values()) > THRESHOLDS["unmoved"].share:
        return None
    return Finding(
        name="token accuracy up, free answers not",
        method=method,
        sentence=f"{label(method)} raises token accuracy, while the answers that the model gives by itself "
        "do not become right.",
        numbers=(_reliability(told), _other("change of exact match", told)),
        items=_worst({case: gain - exact for case, (gain, exact) in told.items() if gain > 0 >= exact}),
    )


def _cannot_move_text(method: str, cases: Sequence[_Case]) -> Finding | None:
    text = [case.edited.values.get(ProbeKind.T_LOC) for case in cases]
    known = [value for value in text if value is not None]
    if method not in _CONNECTOR_ONLY or not known or min(known) < 1:
        return None
    changes = {case.edited.case_id: case.change(ProbeKind.T_REL) for case in cases}
    told = {case: change for case, change in changes.items() if change is not None}
    moved = {case.edited.case_id: abs(case.change(ProbeKind.I_REL) or 0.0) for case in cases}
    numbers = [Number(name="T-Loc", share=1.0, n=len(known))]
    if told:
        numbers.append(
            Number(name="change of T-Rel", share=_average(told.values()), n=len(told), signed=True)
        )
    return Finding(
        name="T-Loc is structural",
        method=method,
        sentence=f"{label(method)} changes only the way from picture to text: no question without a picture "
        "can change, so its T-Loc is no achievement.",
        numbers=tuple(numbers),
        items=_worst({case: change for case, change in moved.items() if change > 0}),
    )


def _hardly_fires(method: str, cases: Sequence[_Case]) -> Finding | None:
    if method not in _MEMORY_BASED:
        return None
    gains = {case.edited.case_id: gain for case in cases if (gain := case.reliability()) is not None}
    kept = {
        kind: [value for case in cases if (value := case.edited.values.get(kind)) is not None]
        for kind in (ProbeKind.T_LOC, ProbeKind.I_LOC)
    }
    if not gains or not all(kept.values()) or abs(_average(gains.values())) > THRESHOLDS["unmoved"].share:
        return None
    if any(_average(values) < THRESHOLDS["untouched"].share for values in kept.values()):
        return None
    share = _average(gains.values())
    gained = Number(name="change of reliability", share=share, n=len(gains), signed=True)
    locality = (Number(name=k.value, share=_average(each), n=len(each)) for k, each in kept.items())
    return Finding(
        name="hardly fires",
        method=method,
        sentence=f"{label(method)} answers nearly everything as if there were no edit: nothing is disturbed, "
        "nothing is learnt.",
        numbers=(gained, *locality),
        items=tuple(sorted(case for case, each in gains.items() if each == 0)[:_ITEMS]),
    )


def _decay(sequential: Sequential, method: str, order: str) -> Finding | None:
    """Compare each case just after its edit with the last time that it was probed."""
    read: dict[tuple[int, int], list[float | None]] = {}
    for matrix in sequential.matrices:
        if (matrix.method, matrix.order) == (method, order) and matrix.kind in _RELIABILITY:
            for cell in matrix.cells:
                read.setdefault((cell.position, cell.later), []).append(cell.value)
    names = sequential.case_ids.get(order, ())
    first = {names[place]: _mean(values) or 0.0 for (place, later), values in read.items() if later == 0}
    # In the order of places, so that of a case's later readings the last one stays.
    last = {names[place]: (later, _mean(read[place, later]) or 0.0) for place, later in sorted(read) if later}
    lost = {case: value - last[case][1] for case, value in first.items() if case in last}
    if not lost or _average(lost.values()) < THRESHOLDS["forgotten"].share:
        return None
    return Finding(
        name="forgets in sequence",
        method=method,
        sentence=f"{label(method)} loses edits when others follow (order {order}, up to "
        f"{max(later for later, _ in last.values())} later edits).",
        numbers=(
            Number(name="reliability at once", share=_average(first[case] for case in lost), n=len(lost)),
            Number(name="at the end", share=_average(last[case][1] for case in lost), n=len(lost)),
        ),
        items=_worst(lost),
    )


_LOOKS = (_images_pay, _not_portable, _broken_answers, _cannot_move_text, _hardly_fires)


def _both(cases: Sequence[_Case], other: Callable[[_Case], float | None]) -> dict[str, tuple[float, float]]:
    """Return for each case that has both the change of reliability and the other change."""
    told = {}
    for case in cases:
        gain, more = case.reliability(), other(case)
        if gain is not None and more is not None:
            told[case.edited.case_id] = (gain, more)
    return told


def _learnt(told: Mapping[str, tuple[float, float]]) -> bool:
    return bool(told) and _average(gain for gain, _ in told.values()) >= THRESHOLDS["learnt"].share


def _reliability(told: Mapping[str, tuple[float, float]]) -> Number:
    share = _average(gain for gain, _ in told.values())
    return Number(name="change of reliability", share=share, n=len(told), signed=True)


def _other(name: str, told: Mapping[str, tuple[float, float]]) -> Number:
    return Number(name=name, share=_average(more for _, more in told.values()), n=len(told), signed=True)


def _worst(by_case: Mapping[str, float]) -> tuple[str, ...]:
    """Return the cases with the highest values, those of equal value by name."""
    return tuple(sorted(by_case, key=lambda case: (-by_case[case], case))[:_ITEMS])


def _average(values: Iterable[float]) -> float:
    known = list(values)
    return round(sum(known) / len(known), 9)


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
