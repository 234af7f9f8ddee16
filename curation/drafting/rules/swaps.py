"""Chooses what a fact is changed to: another value of its type, by hash, never the true one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from curation.drafting.mining.facts import Fact, holds
from curation.drafting.mining.lexicon import Country, countries, hop_answer, ordinal, pool, table
from curation.ids import sha256_json

_NUMBER_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_LAST_YEAR = 2015
_BRITAIN = frozenset({"England", "Scotland"})


def pick(options: Sequence[str], *seed: str) -> str:
    """Return one of the options, the same for the same seed."""
    return options[int(sha256_json(list(seed))[:12], 16) % len(options)]


def counterfactual(fact: Fact, text: str, seed: str, told: str = "") -> str | None:
    """Return a false value of the fact's type that the text does not hold, None when there is none.

    Where the slot has an outside fact, a value that leads to one outside of `told` is preferred, so that a
    portability question can be asked.
    """
    options = [
        value
        for value in _options(fact, text, seed)
        if not (holds(text, value) or holds(fact.value, value) or holds(value, fact.value))
        and set(value.split()) != set(fact.value.split())
    ]
    telling = [value for value in options if leads_on(fact, value, told)]
    options = telling or options
    return pick(options, seed, fact.slot.name) if options else None


def leads_on(fact: Fact, value: str, told: str) -> bool:
    """Tell whether a new value leads to an outside fact of its own that what is told does not hold."""
    slot = fact.slot
    answer = hop_answer(slot.hop, value) if slot.hop else None
    if answer is None or answer == hop_answer(slot.hop, fact.value):
        return False
    return not holds(told, answer) and not holds(answer, value)


def city_in(country_name: str, text: str, seed: str) -> str | None:
    """Return a city of a country other than its capital, None when the text holds all that are known."""
    cities = [city for country in countries() if country.name == country_name for city in country.cities]
    options = [city for city in cities if not holds(text, city)]
    return pick(options, seed, "city") if options else None


def _options(fact: Fact, text: str, seed: str) -> list[str]:
    swap = fact.slot.swap
    if swap == "country":
        return [country.name for country in countries() if not _overlaps(country, fact.value)]
    if swap == "city":
        return [city for country in countries() if not _spoken_of(country, text) for city in _cities(country)]
    if swap == "year":
        return _years(fact.value, seed)
    if swap == "century":
        return [f"{ordinal(number)} century" for number in range(9, 20) if not holds(text, ordinal(number))]
    if swap == "number":
        return _numbers(fact.value, seed)
    if swap == "colour_pair":
        return [pair for pair in pool(swap) if seed.lower() not in pair.split()]
    return list(pool(swap))


def _cities(country: Country) -> tuple[str, ...]:
    return (country.capital, *country.cities)


def _spoken_of(country: Country, text: str) -> bool:
    return holds(text, country.name) or holds(text, country.adjective)


def _overlaps(country: Country, region: str) -> bool:
    """Tell whether a country lies in a region, so that naming it would be no change."""
    continents = table("places")["overlaps"].get(region, [])
    if region == "United Kingdom" and country.name in _BRITAIN:
        return True
    return country.name == region or country.continent in region or country.continent in continents


def _years(value: str, seed: str) -> list[str]:
    digits = re.sub(r"\D", "", value)
    shift = 31 + int(sha256_json([seed, value])[:6], 16) % 120
    year, era = int(digits), value[len(digits) :]
    shift *= 4 if era else 1
    shifted = (year - shift, year + shift, year - 2 * shift)
    return [f"{new}{era}" for new in shifted if 100 <= new <= _LAST_YEAR or (era and new > 99)]


def _numbers(value: str, seed: str) -> list[str]:
    if value in _NUMBER_WORDS:
        return list(_NUMBER_WORDS)
    factor = (2, 3, 4)[int(sha256_json([seed, value])[:6], 16) % 3]
    return [re.sub(r"(?<![A-Za-z\d.,])\d[\d,]*(?:\.\d+)?", lambda match: _scaled(match[0], factor), value)]


def _scaled(number: str, factor: int) -> str:
    if "." in number:
        return f"{float(number.replace(',', '')) * factor:.1f}"
    return f"{int(number.replace(',', '')) * factor:{',' if ',' in number else ''}}"
