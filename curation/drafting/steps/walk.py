"""Walks the steps of one item in order, each built on the answers to the ones before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from curation.drafting.casting import Casting
from curation.drafting.llm import ImagePart
from curation.drafting.mining.facts import clean
from curation.drafting.mining.phrases import bare_name, named
from curation.drafting.repair import Redraft, Step, redraft_for
from curation.drafting.steps.asking import Answered, Asking, Sound, ask
from curation.drafting.steps.knowledge import (
    TaughtFact,
    edit_values,
    fact_rows,
    original_values,
    sound_edit,
    taught_facts,
    user_name,
)
from curation.drafting.steps.locality import (
    locality_probes,
    locality_values,
    pool_probe,
    pool_questions,
    sound_locality,
)
from curation.drafting.steps.outside_texts import OutsideTexts
from curation.drafting.steps.pools import Pool
from curation.drafting.steps.prompting import Value
from curation.drafting.steps.questions import (
    bridge_of,
    bridge_rows,
    bridges,
    composite_probe,
    hop_probe,
    reliability_probes,
    sound_composite,
    sound_hop,
)
from curation.drafting.steps.schemas import (
    Draft,
    Edit,
    EditedEntity,
    EditedSemantic,
    EditedUser,
    Locality,
    OriginalKnowledge,
    PortabilityComposite,
    PortabilityEntity,
    Questions,
    QuestionsEntity,
    QuestionsSemantic,
    QuestionsUser,
)
from curation.errors import IntegrityError, Reason, Rejected
from curation.records import (
    EditType,
    ImageRole,
    ItemImage,
    KnowledgeItem,
    Probe,
    ProbeKind,
    Provenance,
    Subject,
    TextSource,
)

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


class EndedError(Exception):
    """A step ended in a rejection, and the walk with it."""

    def __init__(self, step: Step, rejected: Rejected) -> None:
        """Remember the step to begin anew with, and the rejection."""
        super().__init__(rejected.detail)
        self.step = step
        self.rejected = rejected


class Walk:
    """The steps of one item, and what they came from."""

    def __init__(
        self,
        subject: Subject,
        casting: Casting,
        sources: Sources,
        asking: Asking,
        redrafts: tuple[Redraft, ...],
    ) -> None:
        """Prepare to walk; provenance grows by one for every step that is answered."""
        self._subject = subject
        self._casting = casting
        self._sources = sources
        self._asking = asking
        self._redrafts = redrafts
        self.provenance: list[Provenance] = []

    async def item(self) -> KnowledgeItem:
        """Return the item; raises EndedError at the step that gave nothing to go on with."""
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
            images=(ImageRole.EDIT,) if subject.edit_type is EditType.VISUAL_SEMANTIC else (),
            sound=sound_edit(original.original_text, stand_in),
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
        if subject.edit_type is EditType.VISUAL_ENTITY:
            port, hop_source = await self._hop(facts, known)
        else:
            port, hop_source = await self._composite(user, known), None
        locality, images = await self._locality(facts)
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
            images=images,
            probes=(*reliability_probes(questions, facts), *locality, port),
            text_source=subject.text_source,
            hop_source=hop_source,
            provenance=tuple(self.provenance),
            draw=self._redrafts[-1].draw if self._redrafts else 0,
        )

    async def _hop(
        self, facts: tuple[TaughtFact, ...], known: Mapping[str, Value]
    ) -> tuple[Probe, TextSource]:
        """Return an entity's Port, one hop beyond an edited fact, and where the outside fact comes from."""
        found = bridges(facts, self._sources.outside)
        if not found:
            values = " or ".join(f"'{fact.answer}'" for fact in facts)
            detail = f"there is no second source text about {values}: portability has nothing to go on to"
            # Another edit would have one; another question would not.
            raise EndedError(Step.EDITED, Rejected(self._subject.subject_id, Reason.NOT_ONE_HOP, detail))
        answer = await self._step(
            Step.PORTABILITY,
            "portability_visual_entity",
            PortabilityEntity,
            {**known, "bridges": bridge_rows(found)},
            sound=sound_hop(found),
        )
        bridge = bridge_of(answer, found)
        if bridge is None:
            raise IntegrityError(f"{self._subject.subject_id}: a bridge that was checked is none")
        return hop_probe(answer), bridge.text.source

    async def _composite(self, user: str | None, known: Mapping[str, Value]) -> Probe:
        """Return Port of a semantic or user item: a plain attribute of one half of its composite picture."""
        subject, hop = self._subject, self._casting.one_hop
        if hop is None:
            raise IntegrityError(f"{subject.subject_id} was cast without a one-hop picture")
        phrase = named(subject.name, subject.category, subject.source_text).text
        other = self._sources.subjects[self._casting.text_locality]
        values: dict[str, Value] = {
            **known,
            "whose": f"{user}'s {phrase.removeprefix('the ')}" if user else phrase,
            "side": hop.side,
            "main_colour": hop.colour or "",
            "other_name": bare_name(other.name),
        }
        sees = self._asking.settings.sees_pictures
        answer = await self._step(
            Step.PORTABILITY,
            "portability_composite",
            PortabilityComposite,
            values,
            images=(ImageRole.ONE_HOP,),
            sound=sound_composite(values, sees_pictures=sees),
        )
        return composite_probe(answer)

    async def _locality(
        self, facts: tuple[TaughtFact, ...]
    ) -> tuple[tuple[Probe, Probe], tuple[ItemImage, ...]]:
        """Return T-Loc and I-Loc, from the user's pool where it has what will do, and the item's pictures."""
        subject, casting = self._subject, self._casting
        taken = [text for fact in facts for text in (fact.answer, fact.original or "") if text]
        touches = [*taken, bare_name(subject.name), subject.fine_type]
        text, picture = pool_questions(self._sources.pool, subject.subject_id, casting.block, touches)
        images = casting.images
        if picture is not None and picture.image is not None:
            images = tuple(picture.image if one.role is ImageRole.LOCALITY else one for one in images)
        if text is not None and picture is not None:
            probes = pool_probe(ProbeKind.T_LOC, text), pool_probe(ProbeKind.I_LOC, picture)
            return probes, images
        about = self._sources.subjects[casting.text_locality]
        seen = self._sources.subjects[casting.image_locality]
        answer = await self._step(
            Step.LOCALITY,
            "locality",
            Locality,
            locality_values(about, seen, taken),
            images=(ImageRole.LOCALITY,),
            sound=sound_locality(about, seen, taken),
        )
        t_loc, i_loc = locality_probes(answer)
        t_loc = pool_probe(ProbeKind.T_LOC, text) if text is not None else t_loc
        i_loc = pool_probe(ProbeKind.I_LOC, picture) if picture is not None else i_loc
        return (t_loc, i_loc), images

    async def _step(
        self,
        step: Step,
        prompt_name: str,
        wanted: type[_D],
        values: Mapping[str, Value],
        *,
        images: tuple[ImageRole, ...] = (),
        sound: Sound | None = None,
    ) -> _D:
        """Ask for one step; it is told why earlier drafts of it were turned down, as data.

        images: roles of the casting's pictures that go along where the model sees pictures.
        """
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
            images=self._pictures(images),
            draw=redraft.draw if redraft is not None else 0,
            sound=sound,
        )
        if not isinstance(outcome, Answered):
            raise EndedError(step, outcome)
        self.provenance.append(outcome.provenance)
        if not isinstance(outcome.draft, wanted):
            raise IntegrityError(f"the prompt {prompt_name} names another schema than {wanted.__name__}")
        return outcome.draft

    def _pictures(self, wanted: tuple[ImageRole, ...]) -> list[ImagePart]:
        if not self._asking.settings.sees_pictures:
            return []
        shown = [image for image in self._casting.images if image.role in wanted]
        return [ImagePart(self._sources.read(image.sha256)) for image in shown]
