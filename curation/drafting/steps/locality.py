"""Locality of an item: questions on subjects that an edit leaves alone, from their texts or a user's pool."""

from __future__ import annotations

from collections.abc import Collection

from curation.drafting.checks.words import says
from curation.drafting.mining.phrases import bare_name
from curation.drafting.steps.asking import Sound
from curation.drafting.steps.pools import Pool, PoolQuestion
from curation.drafting.steps.prompting import Value
from curation.drafting.steps.schemas import Draft, Locality, LocalityQuestion
from curation.errors import Reason
from curation.records import ImageRole, Probe, ProbeKind, Subject


def locality_values(text: Subject, image: Subject, taken: Collection[str]) -> dict[str, Value]:
    """Return what the prompt of the locality questions may be given.

    text, image: the unrelated subjects of T-Loc and of the locality picture. taken: the values of the edit.
    """
    values: dict[str, Value] = {"taken": [{"value": value} for value in taken if value]}
    for role, subject in (("text", text), ("image", image)):
        values |= {
            f"{role}_name": bare_name(subject.name),
            f"{role}_fine_type": subject.fine_type,
            f"{role}_category": subject.category,
            f"{role}_text": subject.source_text,
        }
    return values


def sound_locality(text: Subject, image: Subject, taken: Collection[str]) -> Sound:
    """Return the test of locality questions: answers stand in the subjects' texts and not in the edit."""

    def wrong(draft: Draft) -> tuple[Reason, str] | None:
        if not isinstance(draft, Locality):
            return None
        for probe_id, question, subject in (("T-Loc", draft.text, text), ("I-Loc", draft.image, image)):
            fault = _fault(question, subject, taken)
            if fault is not None:
                return fault[0], f"{probe_id}: {fault[1]}"
        return None

    return wrong


def _fault(question: LocalityQuestion, subject: Subject, taken: Collection[str]) -> tuple[Reason, str] | None:
    known = (subject.source_text, subject.name, subject.fine_type)
    if not any(says(text, question.answer) for text in known):
        return Reason.QUESTION_NOT_SOUND, "the answer does not stand in the subject's text"
    if any(value and says(question.answer, value) for value in taken):
        return Reason.LOCALITY_NOT_UNRELATED, "the answer is a value of the edit"
    return None


def locality_probes(answer: Locality) -> tuple[Probe, Probe]:
    """Return T-Loc and I-Loc as a model wrote them."""
    return _probe(ProbeKind.T_LOC, answer.text), _probe(ProbeKind.I_LOC, answer.image)


def pool_questions(
    pool: Pool, item: str, block: str, touches: Collection[str]
) -> tuple[PoolQuestion | None, PoolQuestion | None]:
    """Return a text and a picture question of the user's own pool; None where it has none that will do.

    touches: as in Pool.choose. The items of a block share a picture: one for each item would tie blocks to
    each other, and soon all of them, so that a release could not be split without a picture on both sides.
    """
    return (
        pool.choose(item, touches, with_image=False),
        pool.choose(block, touches, with_image=True),
    )


def pool_probe(kind: ProbeKind, question: PoolQuestion) -> Probe:
    """Return T-Loc or I-Loc with the words of a pool."""
    return _probe(kind, question)


def _probe(kind: ProbeKind, question: LocalityQuestion | PoolQuestion) -> Probe:
    return Probe(
        probe_id=kind.value,
        kind=kind,
        question=question.question,
        answer=question.answer,
        original_answer=question.answer,
        image_role=ImageRole.LOCALITY if kind is ProbeKind.I_LOC else None,
    )
