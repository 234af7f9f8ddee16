"""Drafts one item: original knowledge, edited knowledge, questions, and the checks on all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from curation.drafting.asking import Answered, DraftSettings, ask
from curation.drafting.casting import Casting
from curation.drafting.checks import check_item
from curation.drafting.facts import clean
from curation.drafting.lexicon import pool
from curation.drafting.llm import LanguageModel
from curation.drafting.locality import image_locality, one_hop, text_locality
from curation.drafting.phrases import bare_name, named
from curation.drafting.prompting import Value
from curation.drafting.schemas import (
    Draft,
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
from curation.ids import sha256_json
from curation.records import EditType, ImageRole, KnowledgeItem, Probe, ProbeKind, Provenance, Subject

__all__ = ["DraftSettings", "draft_item", "user_name"]


@dataclass(frozen=True, slots=True)
class _Fact:
    """A value that is asked for, and what the original knowledge says in its place."""

    aspect: str
    answer: str
    original: str | None


async def draft_item(
    subject: Subject,
    casting: Casting,
    subjects_by_id: Mapping[str, Subject],
    model: LanguageModel,
    settings: DraftSettings,
) -> KnowledgeItem | Rejected:
    """Return the item for a subject, or the first thing that is wrong with its draft.

    Three requests as in MMKE-Bench, section 3 (original knowledge, edited knowledge, questions); locality
    and one-hop questions on composites are made here from unrelated subjects. A rejection's key is the
    subject's id. Raises TransientError when the model is away, PrerequisiteError when it cannot be used.
    """
    drafted = await _Drafting(subject, model, settings).run()
    if isinstance(drafted, Rejected):
        return drafted
    item = _item(subject, casting, subjects_by_id, drafted)
    found = check_item(item)
    return Rejected(subject.subject_id, found[0].reason, found[0].detail) if found else item


@dataclass(frozen=True, slots=True)
class _Drafted:
    """The texts of an item as the model wrote them."""

    original_text: str
    edited_text: str
    facts: tuple[_Fact, ...]
    questions: Questions
    user_name: str | None
    provenance: tuple[Provenance, ...]


class _Drafting:
    """The three steps for one subject, each built on the answer to the one before."""

    def __init__(self, subject: Subject, model: LanguageModel, settings: DraftSettings) -> None:
        self._subject = subject
        self._model = model
        self._settings = settings
        self._user = user_name(subject) if subject.edit_type is EditType.USER_SPECIFIC else None
        self._provenance: list[Provenance] = []

    async def run(self) -> _Drafted | Rejected:
        source = {"source_text": self._subject.source_text}
        original = await self._step(
            "original_knowledge", {**source, "source_title": self._subject.text_source.title}
        )
        if not isinstance(original, OriginalKnowledge):
            return _rejection(original)
        known = {"original_text": original.original_text}
        user = {"user_name": self._user or ""}
        kind = self._subject.edit_type.value
        edit = await self._step(f"edited_knowledge_{kind}", {**known, **(user if self._user else source)})
        if not isinstance(edit, EditedEntity | EditedSemantic | EditedUser):
            return _rejection(edit)
        facts = _facts(edit)
        rows: dict[str, Value] = {"edited_text": edit.edited_text, "changes": _rows(facts)}
        questions = await self._step(f"questions_{kind}", {**rows, **(user if self._user else known)})
        if not isinstance(questions, QuestionsEntity | QuestionsSemantic | QuestionsUser):
            return _rejection(questions)
        return _Drafted(
            original.original_text, edit.edited_text, facts, questions, self._user, tuple(self._provenance)
        )

    async def _step(self, prompt_name: str, values: Mapping[str, Value]) -> Draft | Rejected:
        subject = self._subject
        about = {
            "name": bare_name(subject.name),
            "fine_type": subject.fine_type,
            "category": subject.category,
        }
        outcome = await ask(subject.subject_id, prompt_name, {**about, **values}, self._model, self._settings)
        if isinstance(outcome, Answered):
            self._provenance.append(outcome.provenance)
            return outcome.draft
        return outcome


def user_name(subject: Subject) -> str:
    """Return the invented first name of the user that an item belongs to."""
    names = pool("first_names")
    return names[int(sha256_json(["user", subject.subject_id])[:8], 16) % len(names)]


def _rejection(outcome: Draft | Rejected) -> Rejected:
    if isinstance(outcome, Rejected):
        return outcome
    raise IntegrityError(f"a prompt of this step asks for {type(outcome).__name__}: correct its front matter")


def _facts(edit: EditedEntity | EditedSemantic | EditedUser) -> tuple[_Fact, ...]:
    if isinstance(edit, EditedUser):
        return tuple(_Fact(row.aspect, row.value, None) for row in edit.additions)
    return tuple(_Fact(row.aspect, row.edited, row.original) for row in edit.changes)


def _rows(facts: tuple[_Fact, ...]) -> list[dict[str, str]]:
    return [
        {"aspect": fact.aspect, "edited": fact.answer}
        | ({"original": fact.original} if fact.original is not None else {})
        for fact in facts
    ]


def _item(
    subject: Subject, casting: Casting, subjects_by_id: Mapping[str, Subject], drafted: _Drafted
) -> KnowledgeItem:
    taken = [text for fact in drafted.facts for text in (fact.answer, fact.original or "")]
    probes = _probes(drafted)
    probes.append(text_locality(subjects_by_id[casting.text_locality], taken))
    probes.append(image_locality(subjects_by_id[casting.image_locality], taken))
    probes.append(_portability(subject, casting, drafted))
    return KnowledgeItem(
        item_id=f"item-{subject.subject_id}",
        subject_id=subject.subject_id,
        subject_name=clean(subject.name),
        edit_type=subject.edit_type,
        category=subject.category,
        fine_type=subject.fine_type,
        original_text=drafted.original_text,
        edited_text=drafted.edited_text,
        request=drafted.questions.request,
        rephrased_request=drafted.questions.rephrased_request,
        stand_in=casting.stand_in,
        user_name=drafted.user_name,
        images=casting.images,
        probes=tuple(probes),
        text_source=subject.text_source,
        provenance=drafted.provenance,
    )


def _probes(drafted: _Drafted) -> list[Probe]:
    """Return T-Rel, I-Rel and I-Gen: two each for entity and user, one each for semantic items."""
    questions = drafted.questions
    if isinstance(questions, QuestionsSemantic):
        wordings = [(questions.text_question, questions.image_question, questions.rephrased_image_question)]
    else:
        wordings = [
            (pair.text_question, pair.image_question, pair.image_question) for pair in questions.reliability
        ]
    kinds = (
        (ProbeKind.T_REL, None),
        (ProbeKind.I_REL, ImageRole.EDIT),
        (ProbeKind.I_GEN, ImageRole.REPHRASE),
    )
    numbered = len(wordings) > 1
    return [
        Probe(
            probe_id=f"{kind.value}-{number}" if numbered else kind.value,
            kind=kind,
            question=wording[place],
            answer=fact.answer,
            original_answer=fact.original,
            image_role=role,
        )
        for place, (kind, role) in enumerate(kinds)
        for number, (wording, fact) in enumerate(zip(wordings, drafted.facts, strict=True), start=1)
    ]


def _portability(subject: Subject, casting: Casting, drafted: _Drafted) -> Probe:
    """Return Port: one hop beyond the edited fact for an entity, else a look at the composite picture."""
    if isinstance(drafted.questions, QuestionsEntity):
        port = drafted.questions.portability
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
    whose = f"{drafted.user_name}'s {phrase.text.removeprefix('the ')}" if drafted.user_name else phrase.text
    return one_hop(casting.one_hop, whose)
