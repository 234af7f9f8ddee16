"""Reads the values of a rendered prompt, and chooses among its facts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from curation.drafting.mining.facts import Fact, holds, mine
from curation.drafting.mining.kinds import family
from curation.drafting.mining.lexicon import Slot, slots_of, table
from curation.drafting.mining.phrases import Phrase, named, shown
from curation.drafting.rules.swaps import counterfactual, leads_on
from curation.drafting.steps.prompting import Value
from curation.ids import sha256_json

Values = dict[str, Value]

_CLASHES = (
    {"city", "country"},
    {"birthplace", "country"},
    {"office", "country"},
    {"year", "century"},
    {"year", "person"},
    {"prize", "prize_year"},
    {"region", "country"},
    *({low, high} for low, high in combinations(("genus", "family", "order", "kind"), 2)),
)


class TooFewFactsError(ValueError):
    """The text does not give what the step needs."""


def text(values: Values, name: str) -> str:
    """Return a value that is a text; KeyError when there is none of that name."""
    value = values[name]
    if not isinstance(value, str):
        raise KeyError(name)
    return value


def rows(values: Values, name: str) -> list[dict[str, str]]:
    """Return a value that is a list of rows; KeyError when there is none of that name."""
    value = values[name]
    if isinstance(value, str):
        raise KeyError(name)
    return value


def subject_family(values: Values, source: str) -> str:
    """Return the family of slots for the subject, as a text about it tells."""
    return family(text(values, "category"), text(values, "fine_type"), source)


def subject_phrase(values: Values, source: str) -> Phrase:
    """Return how a text question names the subject."""
    return named(text(values, "name"), text(values, "category"), source, text(values, "fine_type"))


def picture_phrase(values: Values) -> Phrase:
    """Return how an image question speaks of the subject."""
    return shown(text(values, "fine_type"))


def askable(values: Values, source: str) -> tuple[Fact, ...]:
    """Return the facts of a text about the subject, save those that its name or type tells already."""
    given = f"{text(values, 'name')} {text(values, 'fine_type')}"
    facts = mine(source, subject_family(values, source))
    return tuple(fact for fact in facts if not holds(given, fact.value))


def stated(values: Values) -> tuple[Fact, ...]:
    """Return the facts whose value the original knowledge states word for word."""
    original = text(values, "original_text")
    return tuple(fact for fact in askable(values, original) if holds(original, fact.value))


def avoided(values: Values) -> str:
    """Return what no new value may stand in: all that is told of the subject and of its stand-in."""
    known = ("name", "fine_type", "original_text", "source_text", "stand_in_text")
    return " ".join(str(values.get(name, "")) for name in known)


def told(values: Values) -> str:
    """Return what an outside fact must not stand in: what an item says of its subject."""
    known = values.get("original_text") or values.get("source_text", "")
    return f"{text(values, 'name')} {text(values, 'fine_type')} {known}"


def choices(values: Values, facts: tuple[Fact, ...], count: int) -> Iterator[tuple[Fact, ...]]:
    """Return sets of facts that can be changed together, the most telling first, by hash where equal.

    Where two are wanted, one should lead on to an outside fact.
    """
    name, avoid, known = text(values, "name"), avoided(values), told(values)
    new = ((fact, counterfactual(fact, avoid, name, known)) for fact in facts)
    leading = {fact for fact, value in new if value is not None and leads_on(fact, value, known)}

    def cost(chosen: tuple[Fact, ...]) -> tuple[int, str]:
        slots = {fact.slot.name for fact in chosen}
        clash = any(pair <= slots for pair in _CLASHES)
        weak = sum(fact.slot.weak for fact in chosen)
        lacks_hop = count > 1 and not leading.intersection(chosen)
        return 4 * lacks_hop + 2 * weak + 3 * clash, sha256_json([name, sorted(slots)])

    yield from sorted(combinations(facts, count), key=cost)


def aspect(fact: Fact) -> str:
    """Return what a change is about: the slot's name, and the verb that it hangs on."""
    return f"{fact.slot.name} ({fact.verb})" if fact.verb else fact.slot.name


def slot_of(name_and_verb: str, of_family: str) -> tuple[Slot, str]:
    """Return the slot and the verb that an aspect stands for, of the family or else of any.

    Raises KeyError for what is no aspect of ours.
    """
    name, _, verb = name_and_verb.removesuffix(")").partition(" (")
    families = [of_family, *(key for key in table("slots") if key not in ("families", "user", of_family))]
    for each in families:
        for slot in slots_of(each):
            if slot.name == name:
                return slot, verb
    raise KeyError(name_and_verb)
