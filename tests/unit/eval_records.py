"""Hand-made evaluation records, for the tests of scores, storage, summaries and the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation.records import EditType, ImageRole, ProbeKind
from eval.records import (
    CaseProbe,
    Dialect,
    EditCase,
    EvalRecord,
    ProbeReading,
    Protocol,
    RunIdentity,
    Step,
    Unscored,
    dialect_of,
)
from eval.summary import Background

BACKGROUND = Background(
    release_version="1.0.0", release_sha256="2" * 64, drafter="rules", is_llm=False, training={"naming": 0.5}
)
# What a probe came to: right out of all (label tokens, positions or ranks), or why it has no score.
Outcome = tuple[int, int] | Unscored
LOCALITY = {ProbeKind.T_LOC, ProbeKind.I_LOC}


def run_of(method: str, protocol: Protocol = Protocol.CLEAN, **changed: str) -> RunIdentity:
    """Return a run of a method."""
    return RunIdentity(
        method=method,
        hyper_parameters={"steps": 40},
        protocol=protocol,
        dialect=dialect_of(protocol, method),
        **{
            "precision": "exact",
            "model": "tiny-llava",
            "model_sha256": "1" * 64,
            "release_sha256": "2" * 64,
            "plan_sha256": "3" * 64,
            **changed,
        },
    )


def case_of(
    case_id: str,
    kinds: Sequence[ProbeKind] = (),
    edit_type: EditType = EditType.VISUAL_ENTITY,
    category: str = "building",
    user: str | None = None,
) -> EditCase:
    """Return a case with one probe for each entry of kinds."""
    probes = tuple(
        CaseProbe(
            probe_id=f"{kind.value}-{number}",
            kind=kind,
            question="Which?",
            answer="Oslo",
            image_role=None if kind in {ProbeKind.T_REL, ProbeKind.T_LOC} else ImageRole.EDIT,
            image=None if kind in {ProbeKind.T_REL, ProbeKind.T_LOC} else "4" * 64,
        )
        for number, kind in enumerate(kinds)
    )
    return EditCase(
        case_id=case_id, subject_name="Petra", edit_type=edit_type, category=category, fine_type=category,
        user_name=user, request="What?", rephrased_request="What is it?", original_text="", target="A tower.",
        image="4" * 64, probes=probes,
    )  # fmt: skip


def reading_of(probe: CaseProbe, outcome: Outcome, said: str | None = None) -> ProbeReading:
    """Return a reading of so many right ones; a wrong id is 1000 away from the right one."""
    if isinstance(outcome, Unscored):
        return ProbeReading(probe_id=probe.probe_id, kind=probe.kind, unscored=outcome)
    right, total = outcome
    ids = tuple(range(total))
    other = tuple(i if i < right else i + 1000 for i in ids)
    given = {"probe_id": probe.probe_id, "kind": probe.kind, "generated": said}
    if probe.kind is ProbeKind.T_LOC:
        top = tuple((i,) for i in ids), tuple((i,) for i in other)
        return ProbeReading(label_ids=ids, predicted_ids=ids, base_top=top[0], edited_top=top[1], **given)
    if probe.kind is ProbeKind.I_LOC:
        return ProbeReading(label_ids=(0,), predicted_ids=(0,), base_top=(ids,), edited_top=(other,), **given)
    return ProbeReading(label_ids=ids, predicted_ids=other, **given)


def record_of(
    case_id: str,
    method: str,
    outcomes: Mapping[ProbeKind, Sequence[Outcome]],
    *,
    run: RunIdentity | None = None,
    said: str | None = None,
    step: Step | None = None,
    edit_type: EditType = EditType.VISUAL_ENTITY,
    category: str = "building",
    user: str | None = None,
) -> EvalRecord:
    """Return the record of a method on a case, with a probe for each outcome."""
    kinds = [kind for kind, each in outcomes.items() for _ in each]
    case = case_of(case_id, kinds, edit_type, category, user)
    flat = [outcome for each in outcomes.values() for outcome in each]
    run = run or run_of(method)
    readings = tuple(
        reading_of(probe, outcome, said) for probe, outcome in zip(case.probes, flat, strict=True)
    )
    return EvalRecord(key=run.key(case, step), run=run, case=case, step=step, readings=readings)


__all__ = ["BACKGROUND", "Dialect", "case_of", "reading_of", "record_of", "run_of"]
