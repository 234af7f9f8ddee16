"""Drafts one item: walks the steps in order, each built on the answers to the ones before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from curation.drafting.asking import Answered, Asking, DraftSettings, Sound, ask
from curation.drafting.casting import Casting
from curation.drafting.checks import check_item
from curation.drafting.checks.finding import Finding
from curation.drafting.facts import clean
from curation.drafting.knowledge import (
    edit_values,
    fact_rows,
    original_values,
    taught_facts,
    unsound_edit,
    user_name,
)
from curation.drafting.llm import ImagePart
from curation.drafting.locality import image_locality, one_hop, text_locality
from curation.drafting.outside_texts import OutsideTexts
from curation.drafting.phrases import bare_name, named
from curation.drafting.pools import Pool
from curation.drafting.prompting import Value
from curation.drafting.questions import reliability_probes
from curation.drafting.repair import Redraft, Step, redraft_for
from curation.drafting.schemas import (
    Draft,
    Edit,
    EditedEntity,
    EditedSemantic,
    EditedUser,
    OriginalKnowledge,
    Questions,
    QuestionsEntity,
    QuestionsSemantic,
    QuestionsUser,
)
from curation.errors import IntegrityError, Rejected
from curation.records import EditType, ImageRole, KnowledgeItem, Probe, ProbeKind, Provenance, Subject

__all__ = ["Asking", "DraftSettings", "Drafted", "Sources", "StepFailed", "draft_item"]

_D = TypeVar("_D", bound=Draft)
_EDITS: dict[EditType, type[Edit]] = {
    EditType.VISUAL_ENTITY: EditedEntity,
    EditType.VISUAL_SEMANTIC: EditedSemantic,
    EditType.USER_SPECIFIC: EditedUser,
}
_QUESTIONS: dict[EditType, type[Questions]] = {
    EditType.VISUAL_ENTITY: QuestionsEntity,
    EditType.VISUAL_SEMANTIC: QuestionsSemantic,
    EditType.USER_SPECIFIC: QuestionsUser,
}


@dataclass(frozen=True, slots=True)
class Sources:
    """What items are drafted from, beside their subject and its pictures.

    subjects: all of them by id. outside: texts about what edits bring in. pool: the user's own locality
    questions. read: sha256 of a kept picture to its bytes.
    """

    subjects: Mapping[str, Subject]
    outside: OutsideTexts
    pool: Pool
    read: Callable[[str], bytes]


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
    walk = _Walk(subject, casting, sources, asking, tuple(redrafts))
    try:
        item = await walk.item()
    except _EndedError as ended:
        return StepFailed(ended.step, ended.rejected, tuple(walk.provenance))
    return Drafted(item, tuple(check_item(item)))


class _EndedError(Exception):
    """A step ended in a rejection; never leaves this module."""

    def __init__(self, step: Step, rejected: Rejected) -> None:
        super().__init__(rejected.detail)
        self.step = step
        self.rejected = rejected


class _Walk:
    """The steps of one item, and what they came from."""

    def __init__(
        self,
        subject: Subject,
        casting: Casting,
        sources: Sources,
        asking: Asking,
        redrafts: tuple[Redraft, ...],
    ) -> None:
        self._subject = subject
        self._casting = casting
        self._sources = sources
        self._asking = asking
        self._redrafts = redrafts
        self.provenance: list[Provenance] = []

    async def item(self) -> KnowledgeItem:
        """Return the item; raises _EndedError at the step that gave nothing to go on with."""
        subject, casting = self._subject, self._casting
        kind = subject.edit_type.value
        original = await self._step(
            Step.ORIGINAL, "original_knowledge", OriginalKnowledge, original_values(subject)
        )
        stand_in = self._sources.subjects[casting.stand_in] if casting.stand_in is not None else None
        edit: Edit = await self._step(
            Step.EDITED,
            f"edited_knowledge_{kind}",
            _EDITS[subject.edit_type],
            edit_values(subject, original.original_text, stand_in),
            sound=unsound_edit,
        )
        facts = taught_facts(edit)
        user = user_name(subject) if subject.edit_type is EditType.USER_SPECIFIC else None
        known: dict[str, Value] = {
            "original_text": original.original_text,
            "edited_text": edit.edited_text,
            "changes": fact_rows(facts),
            "user_name": user or "",
        }
        questions: Questions = await self._step(
            Step.QUESTIONS, f"questions_{kind}", _QUESTIONS[subject.edit_type], known
        )
        probes = reliability_probes(questions, facts)
        taken = [text for fact in facts for text in (fact.answer, fact.original or "")]
        probes.append(text_locality(self._sources.subjects[casting.text_locality], taken))
        probes.append(image_locality(self._sources.subjects[casting.image_locality], taken))
        probes.append(_portability(subject, casting, questions, user))
        return KnowledgeItem(
            item_id=f"item-{subject.subject_id}",
            subject_id=subject.subject_id,
            subject_name=clean(subject.name),
            edit_type=subject.edit_type,
            category=subject.category,
            fine_type=subject.fine_type,
            original_text=original.original_text,
            edited_text=edit.edited_text,
            request=questions.request,
            rephrased_request=questions.rephrased_request,
            stand_in=casting.stand_in,
            user_name=user,
            images=casting.images,
            probes=tuple(probes),
            text_source=subject.text_source,
            provenance=tuple(self.provenance),
            draw=self._redrafts[-1].draw if self._redrafts else 0,
        )

    async def _step(
        self,
        step: Step,
        prompt_name: str,
        wanted: type[_D],
        values: Mapping[str, Value],
        *,
        images: Sequence[ImagePart] = (),
        sound: Sound | None = None,
    ) -> _D:
        """Ask for one step; it is told why earlier drafts of it were turned down, as data."""
        subject = self._subject
        about: dict[str, Value] = {
            "name": bare_name(subject.name),
            "fine_type": subject.fine_type,
            "category": subject.category,
            "revision": [
                {"reason": one.reason.value, "detail": one.detail, "comment": one.comment}
                for one in self._redrafts
                if one.step is step and one.reason is not None
            ],
        }
        redraft = redraft_for(step, self._redrafts)
        outcome = await ask(
            subject,
            prompt_name,
            {**about, **values},
            self._asking,
            images=images,
            draw=redraft.draw if redraft is not None else 0,
            sound=sound,
        )
        if not isinstance(outcome, Answered):
            raise _EndedError(step, outcome)
        self.provenance.append(outcome.provenance)
        if not isinstance(outcome.draft, wanted):
            raise IntegrityError(f"the prompt {prompt_name} names another schema than {wanted.__name__}")
        return outcome.draft


def _portability(subject: Subject, casting: Casting, questions: Questions, user: str | None) -> Probe:
    if isinstance(questions, QuestionsEntity) and questions.portability is not None:
        port = questions.portability
        return Probe(
            probe_id="Port",
            kind=ProbeKind.PORT,
            question=port.question,
            answer=port.answer,
            image_role=ImageRole.EDIT,
            hop=1,
        )
    if casting.one_hop is None:
        raise IntegrityError(f"{subject.subject_id} was cast without a one-hop picture")
    phrase = named(subject.name, subject.category, subject.source_text)
    whose = f"{user}'s {phrase.text.removeprefix('the ')}" if user else phrase.text
    return one_hop(casting.one_hop, whose)
