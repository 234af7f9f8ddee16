"""Reliability and portability of an item: what a model is told, what must hold of its answers, the probes."""

from __future__ import annotations

from dataclasses import dataclass

from curation.drafting.checks.words import says
from curation.drafting.steps.asking import Sound
from curation.drafting.steps.knowledge import TaughtFact
from curation.drafting.steps.outside_texts import OutsideText, OutsideTexts
from curation.drafting.steps.prompting import Value
from curation.drafting.steps.schemas import (
    Draft,
    PortabilityComposite,
    PortabilityEntity,
    Questions,
    QuestionsSemantic,
)
from curation.errors import Reason
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


@dataclass(frozen=True, slots=True)
class Bridge:
    """An edited value that leads on: the text about it, and the one about the value before ('' for none)."""

    fact: TaughtFact
    text: OutsideText
    original_text: str


def bridges(facts: tuple[TaughtFact, ...], outside: OutsideTexts) -> tuple[Bridge, ...]:
    """Return the edited values about which there is a second source text, in the order of the facts."""
    found = []
    for fact in facts:
        text = outside.about(fact.answer)
        if text is not None:
            before = outside.about(fact.original) if fact.original is not None else None
            found.append(Bridge(fact, text, before.text if before is not None else ""))
    return tuple(found)


def bridge_rows(found: tuple[Bridge, ...]) -> list[dict[str, str]]:
    """Return bridges as the rows `bridges` of a prompt."""
    return [
        {
            "aspect": one.fact.aspect,
            "original": one.fact.original or "",
            "bridge": one.fact.answer,
            "bridge_text": one.text.text,
            "original_value_text": one.original_text,
        }
        for one in found
    ]


def bridge_of(answer: PortabilityEntity, found: tuple[Bridge, ...]) -> Bridge | None:
    """Return the bridge that an answer goes over, None when it names none of them."""
    return next((one for one in found if one.fact.answer == answer.bridge), None)


def sound_hop(found: tuple[Bridge, ...]) -> Sound:
    """Return the test of an entity's portability: its fact stands in the text about one of these bridges."""

    def wrong(draft: Draft) -> tuple[Reason, str] | None:
        if not isinstance(draft, PortabilityEntity):
            return None
        bridge = bridge_of(draft, found)
        if bridge is None:
            return Reason.NOT_ONE_HOP, "the bridge is none of the edited values that have a text"
        if not (says(bridge.text.text, draft.evidence) and says(draft.evidence, draft.answer)):
            return Reason.NOT_ONE_HOP, "the text about the bridge does not state the answer in these words"
        if says(draft.question, draft.bridge):
            return Reason.NOT_ONE_HOP, "the question gives the bridge away"
        if says(bridge.original_text, draft.answer):
            return Reason.NOT_ONE_HOP, "the answer is said of the original value too"
        return None

    return wrong


def hop_probe(answer: PortabilityEntity) -> Probe:
    """Return an entity's Port, asked about the edit picture."""
    return Probe(
        probe_id="Port",
        kind=ProbeKind.PORT,
        question=answer.question,
        answer=answer.answer,
        image_role=ImageRole.EDIT,
        hop=1,
    )


def sound_composite(values: dict[str, Value], *, sees_pictures: bool) -> Sound:
    """Return the test of a composite's portability: what was computed of the picture holds of the answer."""

    def wrong(draft: Draft) -> tuple[Reason, str] | None:
        if not isinstance(draft, PortabilityComposite):
            return None
        if draft.attribute == "seen":
            if not sees_pictures:
                return Reason.QUESTION_NOT_SOUND, "it asks for something seen, and no picture was shown"
        elif draft.answer != values[draft.attribute]:
            return Reason.QUESTION_NOT_SOUND, f"the {draft.attribute} of that half is another one"
        if says(draft.question, str(values["other_name"])):
            return Reason.QUESTION_NOT_SOUND, "the question names what the other half shows"
        return None

    return wrong


def composite_probe(answer: PortabilityComposite) -> Probe:
    """Return Port of a semantic or user item, asked about the side-by-side picture."""
    return Probe(
        probe_id="Port",
        kind=ProbeKind.PORT,
        question=answer.question,
        answer=answer.answer,
        image_role=ImageRole.ONE_HOP,
        hop=1,
    )
