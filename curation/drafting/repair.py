"""Decides how a draft that was turned down is drafted again: from which step, how often, told what."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from curation.drafting.checks.finding import Finding
from curation.drafting.mining.facts import clean
from curation.errors import Reason
from curation.records import (
    Annotation,
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

    step: what is asked anew, and all after it; the steps before replay from kept answers. draw: goes into
    their requests; 1 for the first redraft of an item. reason: what was wrong with the answer of that step,
    None where nothing was (another prompt, other pictures, a refusal) and the step is told nothing. comment:
    what annotators wrote. detail and comment hold words of models and people: data, never instructions.
    """

    step: Step
    draw: int
    reason: Reason | None = None
    detail: str = ""
    comment: str = ""


class KeptDraft(Record):
    """One draft of an item as it came out, whether it passed or not; event "draft", key item_id#draw.

    item: None where a step gave nothing to make one of. findings: what the checks say of the item. reason:
    the first thing that was wrong, None for a draft that passes. step: the one that gave nothing. redrafts:
    how it came to be drafted anew; empty for a first draft. inputs_sha256: of the source texts and pictures
    that it was made from. provenance: of every step that was answered.
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


def step_of_prompt(prompt: str) -> Step | None:
    """Return the step that a prompt belongs to: 'questions_visual_entity.v2' is of the questions."""
    return next((step for step in Step if prompt.startswith(step.value)), None)


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


# An item with such an end is not drafted anew by itself: the same question would be put to it again.
_ENDS = frozenset(
    {Reason.REFUSED, Reason.CONTENT_FILTER, Reason.TRUNCATED, Reason.NOT_JSON, Reason.SCHEMA_INVALID}
)


def is_worth_another(draft: KeptDraft) -> bool:
    """Tell whether a draft was turned down for something that a draft told so may do better."""
    return draft.reason is not None and draft.reason not in _ENDS


def redrafts_after(draft: KeptDraft, draw: int) -> tuple[Redraft, ...]:
    """Return how an item comes to be drafted anew after a draft of it was turned down.

    Each step that something was wrong with is told what. A refusal is asked again with nothing added.
    """
    if draft.item is None or not draft.findings:
        step = draft.step or Step.ORIGINAL
        told = is_worth_another(draft)
        reason, detail = (draft.reason, draft.detail[:DETAIL_CHARACTERS]) if told else (None, "")
        return (*draft.redrafts, Redraft(step=step, draw=draw, reason=reason, detail=detail))
    wrong: dict[Step, list[Finding]] = {}
    for finding in draft.findings:
        wrong.setdefault(step_of(finding, draft.item), []).append(finding)
    new = (
        Redraft(step=step, draw=draw, reason=wrong[step][0].reason, detail=_told(wrong[step]))
        for step in Step
        if step in wrong
    )
    return (*draft.redrafts, *new)


def redrafts_for_people(
    item: KnowledgeItem, before: Sequence[Redraft], votes: Sequence[Annotation], draw: int
) -> tuple[Redraft, ...] | None:
    """Return how an item that people rejected comes to be drafted anew, told what they said of it.

    votes: those on the item's present wording. None where they only call pictures bad: no other words would
    mend those.
    """
    said = sorted((vote for vote in votes if not vote.skipped), key=lambda vote: vote.annotation_id)
    parts: dict[Step, list[str]] = {}
    for vote in said:
        for step, what in _marks(item, vote):
            if what not in parts.setdefault(step, []):
                parts[step].append(what)
    if not parts:
        if any(vote.bad_images for vote in said):
            return None
        parts = {Step.EDITED: []}
    reasons = sorted({reason for vote in said for reason in vote.reasons})
    comment = " / ".join(dict.fromkeys(clean(vote.comment) for vote in said if vote.comment))
    new = (
        Redraft(
            step=step,
            draw=draw,
            reason=Reason.REVIEWERS_REJECTED,
            detail="; ".join([*parts[step], *reasons])[:DETAIL_CHARACTERS],
            comment=comment[:DETAIL_CHARACTERS],
        )
        for step in Step
        if step in parts
    )
    return (*before, *new)


def step_of(finding: Finding, item: KnowledgeItem) -> Step:
    """Return the step whose answer a finding is about."""
    kind = _kind_of(item, finding.probe_id)
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


def _told(findings: Sequence[Finding]) -> str:
    rows = (f"{one.probe_id}: {one.detail}" if one.probe_id else one.detail for one in findings)
    return "; ".join(dict.fromkeys(rows))[:DETAIL_CHARACTERS]


def _marks(item: KnowledgeItem, vote: Annotation) -> list[tuple[Step, str]]:
    """Return what a vote finds wrong, by step, in words without the annotator's own."""
    marks = []
    if vote.original_verdict in ("fix", "wrong"):
        marks.append((Step.ORIGINAL, f"the original text is marked: {vote.original_verdict}"))
    if vote.edited_verdict in ("fix", "wrong"):
        marks.append((Step.EDITED, f"the edited text is marked: {vote.edited_verdict}"))
    for probe in vote.probe_votes:
        kind = _kind_of(item, probe.probe_id)
        if probe.verdict != "ok" and kind is not None:
            step = _OF_KIND.get(kind, Step.QUESTIONS)
            marks.append((step, f"question {probe.probe_id} is marked: {probe.verdict}"))
    return marks


def _kind_of(item: KnowledgeItem, probe_id: str | None) -> ProbeKind | None:
    return next((probe.kind for probe in item.probes if probe.probe_id == probe_id), None)
