"""Locality and one-hop questions ask for true things that are not given away."""

from __future__ import annotations

from curation.drafting.casting import OneHop
from curation.drafting.locality import image_locality, one_hop, text_locality
from curation.records import ImageRole
from tests.drafts import subject


def test_a_true_fact_of_the_unrelated_subject_is_asked() -> None:
    koala = subject("Koala")
    probe = text_locality(koala, [])
    assert "the koala" in probe.question
    assert probe.answer == probe.original_answer
    assert image_locality(koala, []).image_role is ImageRole.LOCALITY
    assert "koala" not in image_locality(koala, []).question.lower()


def test_answers_of_the_edit_are_not_asked_for() -> None:
    taken = {"Australia", "plants", "marsupial"}
    probe = text_locality(subject("Koala"), taken)
    assert (probe.question, probe.answer) == ("What kind of thing is the koala?", "mammal")
    assert image_locality(subject("Koala"), taken).answer == "koala"


def test_a_value_in_the_name_is_no_question() -> None:
    named = subject("Petra", "The Tower of Pisa is a tower in Pisa.").model_copy(
        update={"name": "Tower of Pisa", "fine_type": "tower"}
    )
    assert text_locality(named, []).answer != "Pisa"


def test_a_composite_is_asked_for_its_colour_or_else_its_side() -> None:
    clear = one_hop(OneHop("left", "green"), "Anna's cat")
    assert (clear.question, clear.answer) == (
        "What is the main colour of the half of the image that shows Anna's cat?",
        "green",
    )
    assert one_hop(OneHop("left", None), "Cubism").answer == "left"
    assert clear.hop == 1
