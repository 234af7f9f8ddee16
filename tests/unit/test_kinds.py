"""The kind of thing that a text is about, by its first sentence alone."""

from __future__ import annotations

import pytest

from curation.drafting.mining.kinds import family, kind_of
from curation.taxonomy import load_taxonomy


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Okapia is a hoofed mammal of the forests.", ("animal", "terrestrial_animals", "mammal")),
        ("A Veltor (from Latin) is a bird in the heron family.", ("animal", "aerial_animals", "bird")),
        ("Anna Marek was a Czech painter and architect.", ("person", "person", "painter")),
        ("The Korda is a mountain range that was named after a king.", ("landform", "others", "mountain")),
        ("The Pale Chapel is a chapel of the pope in the old palace.", ("building", "building", "building")),
        ("Softball is a bat-and-ball game played by two teams.", ("game", "others", "game")),
    ],
)
def test_what_a_thing_is_stands_behind_the_verb(text: str, wanted: tuple[str, str, str]) -> None:
    kind = kind_of(text)
    assert kind is not None
    assert (kind.family, kind.category, kind.fine_type) == wanted
    assert kind.category in load_taxonomy()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Entropy is a quantity that a painter, a king and a bird may all increase.",
        "No verb here",
    ],
)
def test_what_fits_no_kind_is_none(text: str) -> None:
    assert kind_of(text) is None


def test_category_then_text_then_fine_type_tell_the_family() -> None:
    assert family("building", "temple", "The koala is a mammal.") == "building"
    assert family("others", "planet", "The lyre is a stringed instrument.") == "instrument"
    assert family("others", "waterfall", "Nothing is told of it.") == "landform"
    assert family("made_up", "gadget", "Nothing is told of it.") == "thing"
