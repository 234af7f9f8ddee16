"""Made-up subjects in any number, about which the rule drafter finds enough to say: to measure with."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

from curation.records import EditType, Subject, TextSource

# Category: editing type, fine type, and what an encyclopaedia would say; {x} is the name.
_KINDS: Mapping[str, tuple[EditType, str, str]] = {
    "building": (
        EditType.VISUAL_ENTITY,
        "temple",
        "{x} is a {stone} temple in {city}. It was built in {year} and is {height} metres high. It is known "
        "for its wide stairs.",
    ),
    "terrestrial_animals": (
        EditType.VISUAL_ENTITY,
        "mammal",
        "The {x} is a herbivorous mammal native to {region}. It has {colour} fur and lives in forests. It "
        "weighs up to {height} kilograms.",
    ),
    "art_style": (
        EditType.VISUAL_SEMANTIC,
        "art style",
        "{x} is an art movement which began in {city} in the {century} century. It is known for its plain "
        "{colour} outlines.",
    ),
    "university": (
        EditType.USER_SPECIFIC,
        "university",
        "{x} is a public university in {city}. It was founded in {year}. Its colours are {colour} and white.",
    ),
}
_STARTS = ("Kar", "Vel", "Tor", "Mis", "Ban", "Lod", "Ser", "Pav", "Rin", "Dol", "Gam", "Hes", "Jor", "Nad")
_MIDDLES = ("a", "e", "i", "o", "u", "ane", "eri", "olu", "ima", "adu")
_ENDS = ("dor", "lin", "mar", "nov", "pel", "ras", "sen", "tum", "vik", "zan", "bek", "for")
_FILLINGS = {
    "stone": ("marble", "granite", "limestone", "sandstone", "brick"),
    "city": ("Vienna", "Lisbon", "Prague", "Cairo", "Madrid", "Oslo", "Athens"),
    "region": ("Australia", "Africa", "Asia", "South America", "Europe"),
    "colour": ("brown", "black", "red", "yellow", "green"),
    "century": ("18th", "19th", "17th", "16th"),
    "year": tuple(str(year) for year in range(1702, 1999, 3)),
    "height": tuple(str(height) for height in range(21, 97)),
}
_SOURCE = TextSource(
    title="Made up", page="https://example.org/made-up", licence="CC-BY-SA-4.0", attribution="A. Writer"
)


def made_up_subjects(count: int) -> list[Subject]:
    """Return so many subjects of four categories in turn, in id order; the same ones every time."""
    names = [start + middle + end for start, middle, end in product(_STARTS, _MIDDLES, _ENDS)]
    spread = [names[number * 391 % len(names)] for number in range(len(names))]
    return [_subject(number, spread) for number in range(count)]


def _subject(number: int, names: list[str]) -> Subject:
    category = list(_KINDS)[number % len(_KINDS)]
    edit_type, fine_type, text = _KINDS[category]
    own = f"{names[number % len(names)]} {names[(number * 7 + 3) % len(names)]}"
    fillings = {
        slot: values[(number * 5 + place) % len(values)]
        for place, (slot, values) in enumerate(_FILLINGS.items())
    }
    return Subject(
        subject_id=f"s{number:05d}",
        name=own,
        edit_type=edit_type,
        category=category,
        fine_type=fine_type,
        source_text=text.format(x=own, **fillings),
        text_source=_SOURCE,
    )
