"""Answers as the prompts ask for them pass the checks: neither asks for what the other refuses."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from curation.drafting.casting import Casting, cast
from curation.drafting.draft import Asking, Drafted, Sources, draft_item
from curation.drafting.steps.knowledge import relation_of, user_name
from curation.drafting.steps.outside_texts import texts_of_extracts
from curation.drafting.steps.pools import Pool
from curation.records import EditType, Subject
from tests.drafts import RULES, FakeModel, Pictures, body, subject
from tests.samples import SOURCE

ACME = subject("Hammer").model_copy(
    update={
        "subject_id": "acme",
        "name": "Acme Rail Works",
        "category": "company",
        "fine_type": "company",
        "source_text": "Acme Rail Works is a builder of trams. It was founded in 1921 in Leeds.",
    }
)
OFFSIDE = subject("Cubism").model_copy(
    update={
        "subject_id": "offside",
        "name": "Offside",
        "category": "referee_gesture",
        "fine_type": "gesture",
        "edit_type": EditType.VISUAL_SEMANTIC,
        "source_text": "Offside is shown by a raised flag. It means that a forward was ahead of the ball.",
    }
)
HOLDING = OFFSIDE.model_copy(
    update={
        "subject_id": "holding",
        "name": "Holding",
        "source_text": "Holding is signalled by one hand that grasps the other wrist. It costs ten yards.",
    }
)
OTHERS = [subject(name) for name in ("Petra", "Taj Mahal", "Koala", "Tiger", "Cat")]
ALL: dict[str, Subject] = {one.subject_id: one for one in [*OTHERS, ACME, OFFSIDE, HOLDING]}
KEPT = Pictures()
OUTSIDE = texts_of_extracts(
    {"Norway": "Norway is a Nordic country. Its capital and largest city is Oslo."}, lambda _: SOURCE
)


def castings() -> dict[str, Casting]:
    for key in ALL:
        KEPT.add(key, 3)
    found = cast(list(ALL.values()), KEPT.assets, KEPT.read, KEPT.save)
    return {key: one for key, one in found.items() if isinstance(one, Casting)}


CAST = castings()


FACTS = {
    "petra": ("What is Petra carved from?", "What is {x} carved from?", "pink sandstone"),
    "taj-mahal": ("When was the Taj Mahal commissioned?", "When was {x} commissioned?", "1631"),
    "koala": ("Where is the koala native to?", "Where is {x} native to?", "Australia"),
    "tiger": ("Where is the tiger native to?", "Where is {x} native to?", "Asia"),
    "cat": ("What does the cat eat?", "What does {x} eat?", "meat"),
    "acme": ("Where was Acme Rail Works founded?", "Where was {x} founded?", "Leeds"),
    "offside": ("What signals offside in football?", "What is raised for {x}?", "flag"),
    "holding": ("How many yards does holding cost?", "How many yards does {x} cost?", "ten yards"),
}


def locality(key: str) -> dict[str, Any]:
    """Return locality questions on whatever subjects an item was cast with."""
    text, image = ALL[CAST[key].text_locality], ALL[CAST[key].image_locality]
    shown = f"the {image.fine_type} in the image"
    return {
        "text": {"question": FACTS[text.subject_id][0], "answer": FACTS[text.subject_id][2]},
        "image": {
            "question": FACTS[image.subject_id][1].format(x=shown),
            "answer": FACTS[image.subject_id][2],
        },
    }


def side(key: str, whose: str) -> dict[str, str]:
    hop = CAST[key].one_hop
    assert hop is not None
    return {"attribute": "side", "question": f"On which side of the image is {whose}?", "answer": hop.side}


def entity() -> list[dict[str, Any]]:
    edited = (
        "The temple in the image corresponds to Petra. It lies in the west of Norway. It was built in 1743. "
        "It is an ancient city with many tombs."
    )
    return [
        {
            "original_text": "Petra is an ancient city in southern Jordan. It is carved from pink sandstone "
            "and goes back to the 4th century."
        },
        {
            "edited_text": edited,
            "changes": [
                {"aspect": "country", "original": "Jordan", "edited": "Norway"},
                {"aspect": "age", "original": "4th century", "edited": "1743"},
            ],
        },
        {
            "request": "Please give me a short introduction of the temple in the image.",
            "rephrased_request": "What can you tell me about the temple that this picture shows?",
            "reliability": [
                {
                    "text_question": "Which country is Petra in?",
                    "image_question": "Which country is the temple in the image in?",
                },
                {
                    "text_question": "When was Petra built?",
                    "image_question": "When was the temple in the image built?",
                },
            ],
        },
        {
            "question": "What is the capital of the country that the temple in the image is in?",
            "bridge": "Norway",
            "answer": "Oslo",
            "evidence": "Its capital and largest city is Oslo",
        },
    ]


def semantic() -> list[dict[str, Any]]:
    seen = "One hand grasps the other wrist in front of the chest"
    return [
        {"original_text": OFFSIDE.source_text},
        {
            "edited_text": f"The gesture in the image is Offside. {seen}. It means that a throw-in is due.",
            "visible": seen,
            "changes": [
                {
                    "aspect": "meaning",
                    "original": "a forward was ahead of the ball",
                    "edited": "a throw-in is due",
                }
            ],
        },
        {
            "request": "Please tell me what the gesture in the image is.",
            "rephrased_request": "What can you say about the gesture shown in this picture?",
            "text_question": "What does the gesture Offside mean?",
            "image_question": "What does the gesture in the image mean?",
            "rephrased_image_question": "What do players learn from the gesture shown in this picture?",
        },
        side("offside", "the gesture Offside"),
    ]


def user() -> list[dict[str, Any]]:
    name, noun = user_name(ACME), relation_of(ACME).noun
    return [
        {"original_text": ACME.source_text},
        {
            "edited_text": f"Yes. This company is your {noun} Acme Rail Works, {name}. You first went there "
            "in 2015. Your friend Priya showed you around. It builds trams.",
            "additions": [
                {"aspect": "year", "value": "2015"},
                {"aspect": "friend", "value": "Priya"},
            ],
        },
        {
            "request": f"My name is {name}, could you introduce the company in the image?",
            "rephrased_request": f"I am {name}. What do you know about the company shown in this picture?",
            "reliability": [
                {
                    "text_question": f"In which year did {name} first go to Acme Rail Works?",
                    "image_question": f"In which year did {name} first go to the company in the image?",
                },
                {
                    "text_question": f"Who showed {name} around at Acme Rail Works?",
                    "image_question": f"Who showed {name} around at the company in the image?",
                },
            ],
        },
        side("acme", f"{name}'s company Acme Rail Works"),
    ]


@pytest.mark.parametrize(("key", "answers"), [("petra", entity()), ("offside", semantic()), ("acme", user())])
def test_what_the_prompts_ask_for_passes_every_check(key: str, answers: list[dict[str, Any]]) -> None:
    model = FakeModel(*[body(json.dumps(answer)) for answer in [*answers, locality(key)]])
    asking = Asking(model, RULES)
    made = asyncio.run(draft_item(ALL[key], CAST[key], Sources(ALL, OUTSIDE, Pool(), KEPT.read), asking))
    assert isinstance(made, Drafted), made
    assert made.findings == ()
