"""Portability: the outside fact stands in a second text, and a composite's answer is what was computed."""

from __future__ import annotations

import pytest

from curation.drafting.steps.knowledge import TaughtFact
from curation.drafting.steps.outside_texts import texts_of_extracts
from curation.drafting.steps.questions import bridge_rows, bridges, sound_composite, sound_hop
from curation.drafting.steps.schemas import PortabilityComposite, PortabilityEntity
from curation.errors import Reason
from tests.samples import SOURCE

FACTS = (TaughtFact("country", "Norway", "Jordan"), TaughtFact("year", "1743", "1631"))
OUTSIDE = texts_of_extracts(
    {
        "Norway": "Norway is a Nordic country in Europe. Its capital is Oslo.",
        "Jordan": "Jordan is a country in Asia. Its capital is Amman. It trades with Oslo and Europe.",
    },
    lambda title: SOURCE.model_copy(update={"title": title}),
)
QUESTION = "What is the capital of the country that the temple in the image is in?"


def hop(answer: str, evidence: str, bridge: str = "Norway", question: str = QUESTION) -> PortabilityEntity:
    return PortabilityEntity(question=question, bridge=bridge, answer=answer, evidence=evidence)


def test_only_values_with_a_text_of_their_own_lead_on() -> None:
    found = bridges(FACTS, OUTSIDE)
    (row,) = bridge_rows(found)
    assert (row["aspect"], row["bridge"], row["original"]) == ("country", "Norway", "Jordan")
    assert "Oslo" in row["bridge_text"]
    assert "Amman" in row["original_value_text"]
    assert bridges((FACTS[1],), OUTSIDE) == ()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (hop("Nordic country", "Norway is a Nordic country in Europe."), ""),
        (hop("Bergen", "Its capital is Bergen."), "does not state"),
        (hop("Bergen", "Its capital is Oslo."), "does not state"),
        (hop("Oslo", "Its capital is Oslo.", "1743"), "none of the edited values"),
        (hop("Oslo", "Its capital is Oslo.", question="What is the capital of Norway?"), "gives the bridge"),
        (hop("Oslo", "Its capital is Oslo."), "said of the original"),
        (hop("Europe", "a Nordic country in Europe"), "said of the original"),
    ],
)
def test_the_outside_fact_stands_in_the_text_about_the_bridge_and_needs_it(
    answer: PortabilityEntity, what: str
) -> None:
    found = sound_hop(bridges(FACTS, OUTSIDE))(answer)
    if not what:
        assert found is None
    else:
        assert found is not None
        assert found[0] is Reason.NOT_ONE_HOP
        assert what in found[1]


@pytest.mark.parametrize(
    ("attribute", "answer", "question", "is_sound"),
    [
        ("side", "left", "On which side of the image is Anna's cat?", True),
        ("side", "right", "On which side of the image is Anna's cat?", False),
        ("main_colour", "red", "What is the main colour of the half that shows Anna's cat?", True),
        ("main_colour", "blue", "What is the main colour of the half that shows Anna's cat?", False),
        ("seen", "a sofa", "What does Anna's cat lie on?", False),
        ("side", "left", "On which side of the koala is Anna's cat?", False),
    ],
)
def test_a_composites_answer_is_what_was_computed(
    attribute: str, answer: str, question: str, is_sound: bool
) -> None:
    draft = PortabilityComposite.model_validate(
        {"attribute": attribute, "question": question, "answer": answer}
    )
    told = {"side": "left", "main_colour": "red", "other_name": "Koala"}
    found = sound_composite(dict(told), sees_pictures=False)(draft)
    assert (found is None) is is_sound
    assert attribute != "seen" or sound_composite(dict(told), sees_pictures=True)(draft) is None


def test_no_colour_is_asked_for_where_none_was_clear() -> None:
    draft = PortabilityComposite(attribute="main_colour", question="What colour is it?", answer="red")
    told = {"side": "left", "main_colour": "", "other_name": "Koala"}
    assert sound_composite(dict(told), sees_pictures=True)(draft) is not None
