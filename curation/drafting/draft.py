"""Drafts one item: what its steps give, checked as a whole, or the step at which it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curation.drafting.casting import Casting
from curation.drafting.checks import check_item
from curation.drafting.checks.finding import Finding
from curation.drafting.repair import Redraft, Step
from curation.drafting.steps.asking import Asking, DraftSettings
from curation.drafting.steps.walk import EndedError, Sources, Walk
from curation.errors import Rejected
from curation.records import KnowledgeItem, Provenance, Subject

__all__ = ["Asking", "DraftSettings", "Drafted", "Sources", "StepFailed", "draft_item"]


@dataclass(frozen=True, slots=True)
class Drafted:
    """An item, and all that the checks find wrong with it: nothing when it passes."""

    item: KnowledgeItem
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class StepFailed:
    """A draft that ended before there was an item: at which step, why, and what was answered before."""

    step: Step
    rejected: Rejected
    provenance: tuple[Provenance, ...]


async def draft_item(
    subject: Subject,
    casting: Casting,
    sources: Sources,
    asking: Asking,
    redrafts: Sequence[Redraft] = (),
) -> Drafted | StepFailed:
    """Return the draft of an item for a subject, or the step that gave nothing to go on with.

    The steps are those of MMKE-Bench, section 3: original knowledge, edited knowledge, questions, then
    portability and locality. redrafts: why earlier drafts were turned down, in order; a step is told those
    that concern it. A rejection's key is the subject's id. Raises TransientError when the model is away,
    LimitReachedError when the budget is used up, PrerequisiteError when the model cannot be used.
    """
    walk = Walk(subject, casting, sources, asking, tuple(redrafts))
    try:
        item = await walk.item()
    except EndedError as ended:
        return StepFailed(ended.step, ended.rejected, tuple(walk.provenance))
    return Drafted(item, tuple(check_item(item)))
