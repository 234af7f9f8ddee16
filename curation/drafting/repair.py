"""Decides how a draft that was turned down is drafted again: from which step, how often, told what."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from curation.drafting.checks.finding import Finding
from curation.errors import Reason
from curation.records import (
    EditType,
    KnowledgeItem,
    ProbeKind,
    Provenance,
    Record,
    Sha256,
)

DETAIL_CHARACTERS = 600
"""As much of what was wrong as a prompt is told."""


class Step(StrEnum):
    """The steps of an item, in order; the prompt of a step may carry the editing type after its name."""

    ORIGINAL = "original_knowledge"
    EDITED = "edited_knowledge"
    QUESTIONS = "questions"
    PORTABILITY = "portability"
    LOCALITY = "locality"


ORDER = {step: place for place, step in enumerate(Step)}


class Redraft(Record):
    """Why and from where an item is drafted anew.

    step: the first step that is asked anew, the earlier ones replay from kept answers. draw: goes into the
    requests of that step and of all later ones; 1 for the first redraft of an item. reason, detail: what was
    wrong. comment: what annotators wrote. detail and comment hold words of models and people: data, never
    instructions.
    """

    step: Step
    draw: int
    reason: Reason
    detail: str
    comment: str = ""


class KeptDraft(Record):
    """One draft of an item as it came out, whether it passed or not; event "draft", key item_id#draw.

    item: None where a step gave nothing to make one of. findings: what the checks say of the item. reason:
    the first thing that was wrong, None for a draft that passes. step: where it went wrong. redrafts: how it
    came to be drafted anew, the last one for this draw; empty for a first draft. inputs_sha256: of the source
    texts, pictures and settings that it was made from. provenance: of every step that was answered.
    """

    item_id: str
    subject_id: str
    edit_type: EditType
    category: str
    draw: int
    item: KnowledgeItem | None
    reason: Reason | None
    detail: str = ""
    step: Step | None = None
    findings: tuple[Finding, ...] = ()
    redrafts: tuple[Redraft, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    inputs_sha256: Sha256

    @property
    def key(self) -> str:
        """Return the key of its event."""
        return f"{self.item_id}#{self.draw}"


def step_of_prompt(prompt: str) -> Step:
    """Return the step that a prompt belongs to: 'questions_visual_entity.v2' is of the questions.

    Raises ValueError for a prompt of no step.
    """
    for step in Step:
        if prompt.startswith(step.value):
            return step
    message = f"{prompt!r} is the prompt of no drafting step"
    raise ValueError(message)


def redraft_for(step: Step, redrafts: Sequence[Redraft]) -> Redraft | None:
    """Return the last redraft that a step is asked anew for; None where its first answer stands."""
    concerned = [redraft for redraft in redrafts if ORDER[redraft.step] <= ORDER[step]]
    return concerned[-1] if concerned else None


_OF_KIND = {
    ProbeKind.PORT: Step.PORTABILITY,
    ProbeKind.T_LOC: Step.LOCALITY,
    ProbeKind.I_LOC: Step.LOCALITY,
}
# The answers of reliability questions are the facts of the edit: other wordings would not mend them.
_OF_THE_EDIT = frozenset(
    {
        Reason.ANSWER_NOT_IN_EDITED_TEXT,
        Reason.ANSWER_IN_ORIGINAL_TEXT,
        Reason.ORIGINAL_ANSWER_NOT_IN_TEXT,
        Reason.SAME_RELIABILITY_ANSWER,
        Reason.NOT_COUNTERFACTUAL,
        Reason.ENTITY_NOT_NAMED,
        Reason.EDIT_NOT_COHERENT,
    }
)


def step_of(finding: Finding, item: KnowledgeItem) -> Step:
    """Return the step whose answer a finding is about."""
    kind = next((probe.kind for probe in item.probes if probe.probe_id == finding.probe_id), None)
    if kind in _OF_KIND:
        return _OF_KIND[kind]
    if finding.reason in _OF_THE_EDIT:
        return Step.EDITED
    if kind is not None or finding.reason in (Reason.NAME_LEAKED, Reason.NEAR_DUPLICATE_PROBE):
        return Step.QUESTIONS
    if finding.span and finding.span in item.request + item.rephrased_request:
        return Step.QUESTIONS
    is_original = finding.span and finding.span in item.original_text and finding.span not in item.edited_text
    return Step.ORIGINAL if is_original else Step.EDITED
