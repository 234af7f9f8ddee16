"""Finds countries, regions and cities in a sentence: by name, by adjective, and by how they stand there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from curation.drafting.mining.lexicon import countries, table

_OFFICES = (
    r"(?i:king|queen|emperor|empress|sultan|shah|tsar|president|prime minister|chancellor|ruler|monarch|"
    r"dictator|leader|head of state|premier)"
)
_BEFORE_CITY = (
    r"(?:\bin|\bat|\b(?:city|part|heart|gate|walls?|centre|center|outskirts) of|,) "
    r"(?:the |central |ancient )*(?:city of )?"
)
_BORN = r"(?:[A-Z][a-z]+-born )?(?:[A-Z][a-z]+-)?"


def _country(sentence: str) -> Iterator[str]:
    found = _first(sentence, _nouns())
    if found:
        yield found[0]
        return
    # An adjective places a thing only before a place: 'the Jordanian governorate', not 'the Spanish king'.
    place = r" (?:city|town|capital|governorate|province|state|island|coast|village|region)"
    yield from (land.name for land in countries() if re.search(land.adjective + place, sentence))


def _one_country(sentence: str) -> Iterator[str]:
    """A lake on a border is in no one country: only a sentence that names a single one counts."""
    named = set(_first(sentence, _country_words()))
    if len(named) == 1:
        yield named.pop()


def _place(sentence: str) -> Iterator[str]:
    """Countries, by name or adjective, before regions."""
    yield from _first(sentence, _country_words()) or _region(sentence)


def _office(sentence: str) -> Iterator[str]:
    """The country that somebody was king or president of."""
    for match in re.finditer(rf"\b{_OFFICES} of (?:the )?({_any(_nouns())})\b(?! and)", sentence):
        yield match[1]


def _nationality(sentence: str) -> Iterator[str]:
    words = _any(_adjectives())
    pattern = rf"\b(?:was|is) (?:an?|the) (?:[a-z-]+ ){{0,3}}{_BORN}({words})\b(?!-)"
    yield from (_adjectives()[match[1]] for match in re.finditer(pattern, sentence))


def _adjective(sentence: str) -> Iterator[str]:
    yield from _first(sentence, _adjectives())


def _region(sentence: str) -> Iterator[str]:
    regions = {region.removeprefix("the "): region for region in table("places")["known"]["regions"]}
    regions |= table("places")["known"]["continents"]
    yield from _first(sentence, regions | _nouns())


def _city(sentence: str) -> Iterator[str]:
    known = {city: city for land in countries() for city in (land.capital, *land.cities)}
    hits = [city for city in _first(sentence, known) if _stands_in(sentence, city)]
    if hits:
        yield hits[0]
        return
    pattern = rf"\bin ([A-Z][\w’'-]+(?: [A-Z][\w’'-]+)?), (?:[A-Z][\w ]+, )?(?:{_any(_country_words())})\b"
    for match in re.finditer(pattern, sentence):
        is_region = match[1].split()[-1] in table("places")["known"]["not_a_city"]
        if not is_region and match[1] not in _country_words():
            yield match[1]


def _stands_in(sentence: str, city: str) -> bool:
    """Tell whether a sentence puts something in a city, and not only near it or named after it."""
    pattern = _BEFORE_CITY + re.escape(city) + r"\b(?! Bay| Peninsula| River| style)"
    return re.search(pattern, sentence) is not None


@cache
def _nouns() -> dict[str, str]:
    """Return the names of countries."""
    return {
        name: name for name in [land.name for land in countries()] + table("places")["known"]["countries"]
    }


@cache
def _adjectives() -> dict[str, str]:
    """Return the adjectives of countries, and other words for them, each with the country."""
    places = table("places")
    words = {land.adjective: land.name for land in countries()}
    words |= places["known"]["adjectives"]
    words |= places["aliases"]
    return words


@cache
def _country_words() -> dict[str, str]:
    """Return the words by which a text names a country, each with the country."""
    return _nouns() | _adjectives()


def _first(sentence: str, words: Mapping[str, str]) -> list[str]:
    """Return the values of the words that a sentence holds, in the sentence's order."""
    return [words[match[1]] for match in re.finditer(rf"\b({_any(words)})\b(?!-)", sentence)]


def _any(words: Mapping[str, str]) -> str:
    """Return the pattern of any of some words, longer ones first."""
    return "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))


PLACES: Mapping[str, Callable[[str], Iterator[str]]] = {
    "country": _country,
    "one_country": _one_country,
    "place": _place,
    "office": _office,
    "nationality": _nationality,
    "adjective": _adjective,
    "region": _region,
    "city": _city,
}
"""The ways of finding a place in a sentence, by their names in slots.toml; the first one found counts."""
