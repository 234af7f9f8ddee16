"""The hand-written lists fit together: every slot can be filled, changed and followed."""

from __future__ import annotations

import pytest

from curation.drafting.mining.lexicon import (
    Slot,
    countries,
    family_of,
    hop_answer,
    ordinal,
    pool,
    slots_of,
    table,
    user_slots,
)
from curation.drafting.mining.phrases import Phrase
from curation.taxonomy import load_taxonomy

FAMILIES = [*table("slots")["families"], "thing"]
SLOTS = [slot for family in FAMILIES for slot in slots_of(family)]
COMPUTED = {"year", "century", "number"}


@pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: f"{slot.family}.{slot.name}")
def test_every_slot_makes_sentences_and_has_other_values(slot: Slot) -> None:
    for template in (slot.ask, slot.ask_image, slot.again):
        question = Phrase("the thing").fill(template, verb="built")
        assert question.endswith("?")
        assert "{" not in question
    assert Phrase("it").fill(slot.say, v="X", verb="built").endswith(".")
    assert "X" in Phrase("it").fill(slot.say, v="X", verb="built")
    assert slot.swap in COMPUTED or len(pool(slot.swap)) >= 3


@pytest.mark.parametrize(
    "slot", [slot for slot in SLOTS if slot.hop], ids=lambda slot: f"{slot.family}.{slot.name}"
)
def test_every_outside_fact_can_be_reached(slot: Slot) -> None:
    assert [value for value in pool(slot.swap) if hop_answer(slot.hop, value)]
    assert Phrase("the thing in the image").fill(slot.hop_ask, verb="built").endswith("?")


def test_families_name_real_categories() -> None:
    named = [key for keys in table("slots")["families"].values() for key in keys]
    assert set(named) <= set(load_taxonomy())
    assert family_of("others") is None  # many kinds of things: the text tells


def test_outside_facts_and_ordinals() -> None:
    assert hop_answer("capital", "Norway") == "Oslo"
    assert hop_answer("capital", "Denmark") is None  # its text does not tell it
    assert hop_answer("country_of_city", "Kyoto") == "Japan"
    assert hop_answer("nationality", "Zaha Hadid") == "Iraqi"
    assert [ordinal(number) for number in (1, 2, 3, 11, 21)] == ["1st", "2nd", "3rd", "11th", "21st"]


def test_no_city_is_in_two_countries() -> None:
    cities = [city for country in countries() for city in (country.capital, *country.cities)]
    assert len(cities) == len(set(cities))


@pytest.mark.parametrize("kind", ["item", "pet", "work", "study", "visit", "other"])
def test_user_slots_can_be_told(kind: str) -> None:
    for slot in user_slots(kind):
        assert "Anna" in Phrase("the hammer").fill(slot.ask, user="Anna")
        assert "X" in Phrase("the hammer").fill(slot.say, v="X")
