"""Naming: articles, plurals, disambiguated titles and what counts as naming."""

from __future__ import annotations

import pytest

from curation.drafting.mining.phrases import Phrase, bare_name, named, names, shown


@pytest.mark.parametrize(
    ("name", "category", "source", "expected"),
    [
        ("Eiffel Tower", "building", "The Eiffel Tower is a tower.", "the Eiffel Tower"),
        ("Petra", "building", "Petra is a city.", "Petra"),
        ("The Great Wall of China", "building", "The Great Wall was listed.", "the Great Wall of China"),
        ("Windmill", "building", "A windmill is a machine.", "the windmill"),
        ("Koala", "terrestrial_animals", "Koalas are marsupials.", "the koala"),
        ("Komodo dragon", "terrestrial_animals", "The Komodo dragon is a lizard.", "the Komodo dragon"),
        ("Mercury (planet)", "others", "Mercury is a planet.", "Mercury"),
        ("Red", "color", "Red is a colour.", "the colour red"),
        ("Octagon", "shape", "An octagon has sides.", "an octagon"),
        ("Running", "human_action", "Running is fast.", "running"),
    ],
)
def test_a_subject_is_named_as_its_source_does(name: str, category: str, source: str, expected: str) -> None:
    assert named(name, category, source).text == expected


def test_plurals_take_plural_verbs() -> None:
    scissors = named("Scissors", "item", "Scissors are tools.")
    assert scissors.fill("What {is} {x} for?") == "What are the scissors for?"
    assert shown("item").fill("What {is} {x} for?") == "What is the item in the image for?"


def test_countries_with_an_article_keep_it_in_statements() -> None:
    assert Phrase("x").fill("{It} {is} in {v}.", v="United States") == "It is in the United States."
    assert Phrase("x").fill("It is {a_v}.", v="ape") == "It is an ape."


def test_a_name_counts_in_other_spellings() -> None:
    assert names("Chichen Itza was a large city.", "Chichén Itzá")
    assert names("Butterflies are insects.", "Butterfly")
    assert names("The castle Neuschwanstein stands there.", "Neuschwanstein Castle")
    assert not names("The city has a tower.", "Eiffel Tower")
    assert bare_name("Queen (band)") == "Queen"
