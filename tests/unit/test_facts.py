"""Finding facts: what is found, what is not taken for a fact, and hostile texts."""

from __future__ import annotations

import pytest

from curation.drafting.mining.facts import clean, mine, sentences


def found(text: str, family: str) -> dict[str, str]:
    return {fact.slot.name: fact.value for fact in mine(text, family)}


@pytest.mark.parametrize(
    ("family", "text", "expected"),
    [
        ("building", "The Taj Mahal is a marble tomb in Agra, India.", {"city": "Agra", "country": "India"}),
        ("building", "It was built from 1887 to 1889 by the company.", {"year": "1887"}),
        ("building", "It was completed in the twelfth century BC.", {"century": "12th century BC"}),
        ("building", "It was designed by French sculptor Paul Landowski.", {"person": "Paul Landowski"}),
        (
            "animal",
            "The koala is a herbivorous marsupial native to Australia.",
            {"region": "Australia", "diet": "plants"},
        ),
        ("animal", "It weighs 4–15 kg.", {"weight": "15 kilograms"}),
        ("planet", "Mars is the fourth planet from the Sun.", {"position": "fourth"}),
        (
            "group",
            "They are an English rock band formed in Liverpool in 1960.",
            {"year": "1960", "country": "England"},
        ),
        ("colour", "Blue lies between violet and cyan on the spectrum.", {"between": "violet and cyan"}),
        ("shape", "A triangle is a polygon of three sides and corners.", {"sides": "three"}),
    ],
)
def test_facts_are_found(family: str, text: str, expected: dict[str, str]) -> None:
    assert expected.items() <= found(text, family).items()


@pytest.mark.parametrize(
    ("family", "text", "slot"),
    [
        ("building", "The citadel lies 80 kilometres northwest of Cusco.", "city"),
        ("building", "It commemorates the peak of the British Empire.", "country"),
        ("building", "Built in 1695, when Florida was still a Spanish territory.", "country"),
        ("building", "It was built by the Maya people of the Terminal Classic period.", "person"),
        ("animal", "There are no hedgehogs native to Australia.", "region"),
        ("animal", "Once there was an extinct genus Amphechinus here.", "genus"),
    ],
)
def test_near_misses_are_no_facts(family: str, text: str, slot: str) -> None:
    assert slot not in found(text, family)


def test_sentences_lose_brackets_and_leave_markup_out() -> None:
    text = (
        "A tower (built 1889) stands here. See https://evil.example now please. <b>Bold</b> words are here."
    )
    assert sentences(text) == ["A tower stands here."]


def test_a_long_sentence_ends_at_a_comma() -> None:
    text = "One two three four, " + "word " * 60 + "end."
    assert sentences(text) == ["One two three four."]


def test_control_and_direction_characters_go() -> None:
    assert clean("a\u202eb\x00c\u200bd\ue000\n e") == "ab cd e"
