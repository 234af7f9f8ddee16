"""The later steps of an item: reliability, portability and locality, from a model's answers to probes."""

from __future__ import annotations

from curation.drafting.knowledge import TaughtFact
from curation.drafting.schemas import Questions, QuestionsSemantic
from curation.records import ImageRole, Probe, ProbeKind

_RELIABILITY = (
    (ProbeKind.T_REL, None),
    (ProbeKind.I_REL, ImageRole.EDIT),
    (ProbeKind.I_GEN, ImageRole.REPHRASE),
)


def reliability_probes(questions: Questions, facts: tuple[TaughtFact, ...]) -> list[Probe]:
    """Return T-Rel, I-Rel and I-Gen: two each for entity and user items, one each for semantic ones."""
    if isinstance(questions, QuestionsSemantic):
        wordings = [(questions.text_question, questions.image_question, questions.rephrased_image_question)]
    else:
        wordings = [
            (pair.text_question, pair.image_question, pair.image_question) for pair in questions.reliability
        ]
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
        for place, (kind, role) in enumerate(_RELIABILITY)
        for number, (wording, fact) in enumerate(zip(wordings, facts, strict=True), start=1)
    ]
