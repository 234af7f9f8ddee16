"""Turns one evaluation record into the numbers of its case: what summaries, lags and findings read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from curation.errors import IntegrityError
from curation.records import EditType, ProbeKind
from eval.metrics import Count, contained_answer, exact_match, score, token_f1
from eval.records import Dialect, EvalRecord, RunIdentity, Step, Unscored

NO_EDIT = "none"
# The rows of every table, in the order of MMKE-Bench's.
METHOD_ORDER = (NO_EDIT, "FT-LLM", "FT-Alignment", "IKE", "SERAC", "MEND", "KE")
# What all records of one table share; the rest of a run's identity may differ from method to method.
SHARED = (
    "protocol", "precision", "model", "model_sha256", "release_sha256", "plan_sha256", "evaluator_version",
)  # fmt: skip
# What is computed beside the metric itself, by the name of the cell's field.
EXTRAS = ("exact", "f1", "contained", "rank_wise", "overlap")


@dataclass(frozen=True)
class CaseScores:
    """The numbers of one method on one case.

    values: per kind the metric, counts: what it was counted from (see eval.metrics.Scores). extras: per name
    in EXTRAS and kind a further number: exact, f1 and contained of the free answers, rank_wise and overlap of
    the locality kinds. A kind that is absent was not scored. unscored: per kind, how many probes, by reason.
    """

    key: str
    run: RunIdentity
    case_id: str
    edit_type: EditType
    category: str
    user_name: str | None
    step: Step | None
    values: Mapping[ProbeKind, float]
    counts: Mapping[ProbeKind, Count]
    extras: Mapping[tuple[str, ProbeKind], float]
    unscored: Mapping[ProbeKind, Mapping[Unscored, int]]

    @property
    def method(self) -> str:
        """Return the method's name."""
        return self.run.method

    @property
    def micro(self) -> bool:
        """Return whether the method's means are over tokens, not over cases, as KE's in the reference."""
        return self.run.dialect is Dialect.KE


def case_scores(record: EvalRecord) -> CaseScores:
    """Return the numbers of a record. Raises IntegrityError when its ids cannot be scored."""
    try:
        scores = score(record.readings, record.run.dialect)
    except ValueError as error:
        raise IntegrityError(f"the record of {record.case.case_id} cannot be scored: {error}") from error
    extras = _free_answers(record)
    beside = {
        ("rank_wise", ProbeKind.I_LOC): scores.i_loc_rank_wise,
        ("overlap", ProbeKind.I_LOC): scores.i_loc_overlap,
        ("overlap", ProbeKind.T_LOC): scores.t_loc_overlap,
    }
    values = {kind: scores.of(kind) for kind in ProbeKind}
    return CaseScores(
        key=record.key,
        run=record.run,
        case_id=record.case.case_id,
        edit_type=record.case.edit_type,
        category=record.case.category,
        user_name=record.case.user_name,
        step=record.step,
        values={kind: value for kind, value in values.items() if value is not None},
        counts=scores.counts,
        extras=extras | {name: value for name, value in beside.items() if value is not None},
        unscored=_unscored(record),
    )


def ordered(methods: Iterable[str]) -> tuple[str, ...]:
    """Return methods in the order of the paper's tables, those that it does not have at the end."""
    place = {method: number for number, method in enumerate(METHOD_ORDER)}
    return tuple(sorted(methods, key=lambda method: (place.get(method, len(place)), method)))


def identities(rows: Sequence[CaseScores]) -> dict[str, RunIdentity]:
    """Return the run of each method. Raises IntegrityError when they may not share a table."""
    runs: dict[str, RunIdentity] = {}
    for row in rows:
        if runs.setdefault(row.method, row.run) != row.run:
            other = runs[row.method]
            changed = [
                name for name in type(row.run).model_fields if getattr(other, name) != getattr(row.run, name)
            ]
            raise IntegrityError(
                f"there are records of two runs of {row.method}, which differ in {', '.join(changed)}; "
                "a table never mixes them: keep each run in its own folder"
            )
    for name in SHARED:
        told = sorted({str(getattr(run, name)) for run in runs.values()})
        if len(told) > 1:
            raise IntegrityError(
                f"the methods' records differ in {name} ({', '.join(told)}); a table never mixes them: "
                "keep each run in its own folder"
            )
    return runs


def _free_answers(record: EvalRecord) -> dict[tuple[str, ProbeKind], float]:
    answers = {probe.probe_id: probe.answer for probe in record.case.probes}
    found: dict[tuple[str, ProbeKind], list[float]] = {}
    for reading in record.readings:
        if reading.generated is None or reading.unscored is not None:
            continue
        if reading.probe_id not in answers:
            raise IntegrityError(
                f"the record of {record.case.case_id} has an unknown probe {reading.probe_id}"
            )
        said, gold = reading.generated, answers[reading.probe_id]
        for name, measure in (("exact", exact_match), ("f1", token_f1), ("contained", contained_answer)):
            found.setdefault((name, reading.kind), []).append(measure(said, gold))
    return {name: sum(values) / len(values) for name, values in found.items()}


def _unscored(record: EvalRecord) -> dict[ProbeKind, dict[Unscored, int]]:
    found: dict[ProbeKind, dict[Unscored, int]] = {}
    for reading in record.readings:
        if reading.unscored is not None:
            reasons = found.setdefault(reading.kind, {})
            reasons[reading.unscored] = reasons.get(reading.unscored, 0) + 1
    return found
