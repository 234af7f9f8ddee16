"""The hand-written word lists and question patterns, read once from the TOML files beside this module."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Slot:
    """Something that can be asked about a family of subjects, as a row of slots.toml says.

    mine: the way of finding it. ask, ask_image, again: question about {x} as text, with the picture, and
    in other words. say: the regular sentence that states {v}. early: only the first so many sentences
    are searched, 0 for all. weak: a last resort. hop, hop_ask: the
    outside fact that an edit of it leads to, and its question; empty when there is none.
    """

    family: str
    name: str
    mine: str
    ask: str
    ask_image: str
    again: str
    say: str
    swap: str
    words: str
    cue: re.Pattern[str] | None
    pattern: re.Pattern[str] | None
    early: int
    weak: bool
    hop: str
    hop_ask: str


@dataclass(frozen=True, slots=True)
class Country:
    """A country with its capital, continent, adjective and other cities."""

    name: str
    capital: str
    continent: str
    adjective: str
    cities: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UserSlot:
    """A sentence and a question about something that a user tells of a thing of their own."""

    name: str
    say: str
    ask: str
    swap: str


@cache
def table(name: str) -> dict[str, Any]:
    """Return one of the TOML files (places, words, pools, hops, slots, kinds) as it stands."""
    text = files("curation.drafting.mining").joinpath("lexicons", f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


@cache
def countries() -> tuple[Country, ...]:
    """Return the countries that an edit may choose, in order."""
    return tuple(
        Country(name, capital, continent, adjective, tuple(cities))
        for name, capital, continent, adjective, cities in table("places")["countries"]
    )


@cache
def word_list(name: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Return a list of words.toml as (pattern, value it stands for)."""
    return tuple((re.compile(pattern), value) for pattern, value in table("words")[name].items())


@cache
def family_of(category: str) -> str | None:
    """Return the family of slots for a broad category, None for one that holds many kinds of things."""
    families: dict[str, list[str]] = table("slots")["families"]
    return next((family for family, keys in families.items() if category in keys), None)


@cache
def slots_of(family: str) -> tuple[Slot, ...]:
    """Return what can be asked about a family, the most telling first."""
    return tuple(_slot(family, row) for row in table("slots")[family])


def _slot(family: str, row: dict[str, Any]) -> Slot:
    return Slot(
        family=family,
        name=row["id"],
        mine=row["mine"],
        ask=row["ask"],
        ask_image=row.get("ask_image", row["ask"]),
        again=row.get("again", row["ask"]),
        say=row["say"],
        swap=row["swap"],
        words=row.get("words", ""),
        cue=re.compile(row["cue"]) if "cue" in row else None,
        pattern=re.compile(row["pattern"]) if "pattern" in row else None,
        early=row.get("early", 0),
        weak=row.get("weak", False),
        hop=row.get("hop", ""),
        hop_ask=row.get("hop_ask", ""),
    )


@cache
def user_slots(kind: str) -> tuple[UserSlot, ...]:
    """Return what a user can tell of a thing: of an 'item', a 'pet', or by how they relate to it ('work')."""
    rows: dict[str, dict[str, str]] = table("slots")["user"][kind]
    return tuple(UserSlot(name, row["say"], row["ask"], row["swap"]) for name, row in rows.items())


@cache
def pool(name: str) -> tuple[str, ...]:
    """Return the values that a fact may be changed to: of pools.toml, else of the word list itself."""
    if name == "country":
        return tuple(country.name for country in countries())
    if name == "city":
        return tuple(city for country in countries() for city in (country.capital, *country.cities))
    rows = table("pools").get(name)
    if rows is None:
        return tuple(dict.fromkeys(value for _, value in word_list(name)))
    return tuple(row if isinstance(row, str) else row[0] for row in rows)


@cache
def hop_answer(hop: str, value: str) -> str | None:
    """Return the outside fact that a value leads to, as the text about it tells it; None for nowhere."""
    return _hops(hop).get(value)


@cache
def _hops(hop: str) -> dict[str, str]:
    if hop == "capital":
        untold = table("places")["untold"]["countries"]
        return {country.name: country.capital for country in countries() if country.name not in untold}
    if hop == "country_of_city":
        untold = table("places")["untold"]["cities"]
        cities = {city: land.name for land in countries() for city in (land.capital, *land.cities)}
        return {city: country for city, country in cities.items() if city not in untold}
    if hop == "nationality":
        pools = table("pools")
        return dict([*pools["people"], *pools["astronomer"], *pools["acquaintance"]])
    hops: dict[str, str] = table("hops")[hop]
    return hops


def ordinal(number: int) -> str:
    """Return 1st, 2nd, 3rd, 4th and so on."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"
