"""Answers the three drafting steps from the values of a rendered prompt alone, by facts and templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from curation.drafting.facts import Fact, holds, mine, sentences
from curation.drafting.lexicon import Slot, UserSlot, family_of, hop_answer, pool, slots_of, user_slots
from curation.drafting.phrases import Phrase, named, names, shown, with_article
from curation.drafting.prompting import Value
from curation.drafting.rules.swaps import city_in, counterfactual, leads_on, pick
from curation.ids import sha256_json

MODEL_NAME = "rule-drafter/1"
_DANGLING = re.compile(r"(?:It|Its|They|Their|Them|This|These|He|She|His|Her)\b")
_TARGET_WORDS = 45
_MOST_WORDS = 70
_CLASHES = (
    {"city", "country"},
    {"year", "century"},
    {"year", "person"},
    *({low, high} for low, high in combinations(("genus", "family", "order", "kind"), 2)),
)
_OF_USERS = ("item", "pet")
_SEMANTIC = frozenset({"style", "action", "colour", "shape", "thing"})


class TooFewFactsError(ValueError):
    """The text does not give what the step needs."""


def answer(schema_name: str, values: dict[str, Value]) -> dict[str, Any]:
    """Return the JSON object for a step.

    Raises TooFewFactsError when the text does not give enough, KeyError for a schema or value that is not
    there.
    """
    return _STEPS[schema_name](values)


def _text(values: dict[str, Value], name: str) -> str:
    value = values[name]
    if not isinstance(value, str):
        raise KeyError(name)
    return value


def _original(values: dict[str, Value]) -> dict[str, Any]:
    name, category, source = (_text(values, key) for key in ("name", "category", "source_text"))
    family, parts = family_of(category), sentences(source)
    facts = mine(source, family)
    subject = named(name, category, source)
    lead = _lead(parts, name, subject, _text(values, "fine_type"))
    spare = ""
    for chosen in _choices(facts, 1 if family in _SEMANTIC else 2, name):
        text = _paragraph(lead, chosen, parts, subject)
        mined = {(fact.slot.name, fact.value) for fact in mine(text, family)}
        if all((fact.slot.name, fact.value) in mined for fact in chosen):
            text = _with_values(text, chosen, subject)
            if len(text.split()) <= _TARGET_WORDS:
                return {"original_text": text}
            spare = spare or text
    if spare and len(spare.split()) <= _MOST_WORDS:
        return {"original_text": spare}
    if category in _OF_USERS:
        return {"original_text": lead}  # enough for what a user adds to it
    raise TooFewFactsError("the source text gives too few facts")


def _with_values(text: str, chosen: tuple[Fact, ...], subject: Phrase) -> str:
    """Add a plain sentence for each value that the text gives in other words only ('herbivorous')."""
    missing = [fact for fact in chosen if not holds(text, fact.value)]
    return " ".join([text, *(subject.fill(fact.slot.say, v=fact.value, verb=fact.verb) for fact in missing)])


def _lead(parts: list[str], name: str, subject: Phrase, fine_type: str) -> str:
    """Return a first sentence that names the subject: the source's own, else a plain one."""
    if parts and names(parts[0], name):
        return parts[0]
    return subject.fill("{x} {is} " + (f"{fine_type}s" if subject.plural else with_article(fine_type)) + ".")


def _paragraph(lead: str, chosen: tuple[Fact, ...], parts: list[str], subject: Phrase) -> str:
    """Return the sentences that hold the facts, led by one that names the subject."""
    wanted = [part for part in parts if part != lead and any(fact.sentence == part for fact in chosen)]
    full = " ".join([lead, *wanted])
    if len(full.split()) <= _TARGET_WORDS or not wanted or any(fact.sentence == lead for fact in chosen):
        return full
    opened = re.sub(r"^It\b", lambda _: subject.fill("{x}"), wanted[0])
    named_there = names(opened, subject.text.removeprefix("the ")) and not _DANGLING.match(opened)
    return " ".join([opened, *wanted[1:]]) if named_there else full


def _choices(facts: tuple[Fact, ...], count: int, seed: str) -> Iterator[tuple[Fact, ...]]:
    """Return sets of facts that can be changed together, the most telling first, by hash where equal."""

    def cost(chosen: tuple[Fact, ...]) -> tuple[int, str]:
        names = {fact.slot.name for fact in chosen}
        clash = any(pair <= names for pair in _CLASHES)
        lacks_hop = not any(fact.slot.hop for fact in chosen)
        weak = sum(fact.slot.weak for fact in chosen)
        return 4 * lacks_hop + 2 * weak + 3 * clash, sha256_json([seed, sorted(names)])

    yield from sorted(combinations(facts, count), key=cost)


def _edited_entity(values: dict[str, Value]) -> dict[str, Any]:
    name, category, original = (_text(values, key) for key in ("name", "category", "original_text"))
    avoid = original + " " + _text(values, "source_text")
    for chosen in _choices(_stated(original, category), 2, name):
        new = _new_values(chosen, avoid, name)
        if new is not None and any(
            leads_on(fact, value, avoid) for fact, value in zip(chosen, new, strict=True)
        ):
            subject = named(name, category, original)
            lead = f"The {_text(values, 'fine_type')} in the image corresponds to {subject.text}."
            return _edit(lead, subject, chosen, new)
    raise TooFewFactsError("the original knowledge gives too few facts that can be changed")


def _stated(original: str, category: str) -> tuple[Fact, ...]:
    """Return the facts whose value the original knowledge states word for word."""
    return tuple(fact for fact in mine(original, family_of(category)) if holds(original, fact.value))


def _new_values(chosen: tuple[Fact, ...], avoid: str, seed: str) -> list[str] | None:
    new = [counterfactual(fact, avoid, seed) for fact in chosen]
    names = [fact.slot.name for fact in chosen]
    if "city" in names and "country" in names:
        country = new[names.index("country")]
        new[names.index("city")] = city_in(country, avoid, seed) if country else None
    found = [value for value in new if value is not None]
    return found if len(set(found)) == len(chosen) else None


def _edited_semantic(values: dict[str, Value]) -> dict[str, Any]:
    name, category, original = (_text(values, key) for key in ("name", "category", "original_text"))
    avoid = original + " " + _text(values, "source_text")
    for chosen in _choices(_stated(original, category), 1, name):
        new = _new_values(chosen, avoid, name)
        if new is not None:
            subject = named(name, category, original)
            lead = f"The {_text(values, 'fine_type')} in the image is {subject.text}."
            return _edit(lead, subject, chosen, new)
    raise TooFewFactsError("the original knowledge gives no fact that can be changed")


def _edit(lead: str, subject: Phrase, chosen: tuple[Fact, ...], new: list[str]) -> dict[str, Any]:
    said = [
        subject.fill(fact.slot.say, v=value, verb=fact.verb) for fact, value in zip(chosen, new, strict=True)
    ]
    changes = [
        {"aspect": _aspect(fact), "original": fact.value, "edited": value}
        for fact, value in zip(chosen, new, strict=True)
    ]
    return {"edited_text": " ".join([lead, *said]), "changes": changes}


def _aspect(fact: Fact) -> str:
    return f"{fact.slot.name} ({fact.verb})" if fact.verb else fact.slot.name


def _slot_of(aspect: str, family: str) -> tuple[Slot, str]:
    """Return the slot and the verb that an aspect stands for."""
    name, _, verb = aspect.removesuffix(")").partition(" (")
    return next(slot for slot in slots_of(family) if slot.name == name), verb


def _edited_user(values: dict[str, Value]) -> dict[str, Any]:
    name, category, user, original = (
        _text(values, key) for key in ("name", "category", "user_name", "original_text")
    )
    slots = _user_slots(category)
    first, second = sorted(
        sorted(slots, key=lambda slot: sha256_json([user, name, slot.name]))[:2], key=slots.index
    )
    subject = named(name, category, original)
    noun = subject.text.removeprefix("the ")
    if category in _OF_USERS:
        lead = f"These {noun} are yours, {user}." if subject.plural else f"This {noun} is yours, {user}."
    else:
        lead = f"This {_text(values, 'fine_type')} is {noun}, your favourite, {user}."
    new = [_user_value(slot, original + lead, user + name) for slot in (first, second)]
    said = [subject.fill(slot.say, v=value) for slot, value in zip((first, second), new, strict=True)]
    additions = [
        {"aspect": slot.name, "value": value} for slot, value in zip((first, second), new, strict=True)
    ]
    return {"edited_text": " ".join(["Yes.", lead, *said]), "additions": additions}


def _user_slots(category: str) -> tuple[UserSlot, ...]:
    return user_slots(category if category in _OF_USERS else "other")


def _user_value(slot: UserSlot, avoid: str, seed: str) -> str:
    options = [str(year) for year in range(2001, 2020)] if slot.swap == "year" else pool(slot.swap)
    return pick([option for option in options if not holds(avoid, option)], seed, slot.name)


def _changes(values: dict[str, Value]) -> list[dict[str, str]]:
    rows = values["changes"]
    if isinstance(rows, str):
        raise KeyError("changes")
    return rows


def _questions_entity(values: dict[str, Value]) -> dict[str, Any]:
    subject, picture = _phrases(values)
    rows = [(row, *_slot_of(row["aspect"], family_of(_text(values, "category")))) for row in _changes(values)]
    texts = _text(values, "original_text") + " " + _text(values, "edited_text")
    hops = [
        {"question": picture.fill(slot.hop_ask, verb=verb), "bridge": row["edited"], "answer": answer}
        for row, slot, verb in rows
        if slot.hop and (answer := hop_answer(slot.hop, row["edited"])) and not holds(texts, answer)
    ]
    if not hops:
        raise TooFewFactsError("no edited fact leads to an outside fact")
    kind = _text(values, "fine_type")
    return {
        "request": f"Please give me a short introduction of the {kind} in the image.",
        "rephrased_request": f"Could you introduce the {kind} shown in this picture?",
        "reliability": [
            {
                "text_question": subject.fill(slot.ask, verb=verb),
                "image_question": picture.fill(slot.ask_image, verb=verb),
            }
            for _, slot, verb in rows
        ],
        "portability": hops[0],
    }


def _questions_semantic(values: dict[str, Value]) -> dict[str, Any]:
    subject, picture = _phrases(values)
    slot, verb = _slot_of(_changes(values)[0]["aspect"], family_of(_text(values, "category")))
    kind = _text(values, "fine_type")
    return {
        "request": f"Please tell me what the {kind} in the image is.",
        "rephrased_request": f"What can you say about the {kind} shown in this picture?",
        "text_question": subject.fill(slot.ask, verb=verb),
        "image_question": picture.fill(slot.ask_image, verb=verb),
        "rephrased_image_question": Phrase(f"the {kind} shown in this picture").fill(slot.again, verb=verb),
    }


def _questions_user(values: dict[str, Value]) -> dict[str, Any]:
    subject, picture = _phrases(values)
    user, kind = _text(values, "user_name"), _text(values, "fine_type")
    slots = {slot.name: slot for slot in _user_slots(_text(values, "category"))}
    asked = [slots[row["aspect"]].ask for row in _changes(values)]
    return {
        "request": f"My name is {user}, could you introduce the {kind} in the image?",
        "rephrased_request": f"I am {user}. Can you tell me about the {kind} shown in this picture?",
        "reliability": [
            {"text_question": subject.fill(ask, user=user), "image_question": picture.fill(ask, user=user)}
            for ask in asked
        ],
    }


def _phrases(values: dict[str, Value]) -> tuple[Phrase, Phrase]:
    source = values.get("original_text", "")
    name, category = _text(values, "name"), _text(values, "category")
    return named(name, category, str(source)), shown(_text(values, "fine_type"))


_STEPS: dict[str, Callable[[dict[str, Value]], dict[str, Any]]] = {
    "OriginalKnowledge": _original,
    "EditedEntity": _edited_entity,
    "EditedSemantic": _edited_semantic,
    "EditedUser": _edited_user,
    "QuestionsEntity": _questions_entity,
    "QuestionsSemantic": _questions_semantic,
    "QuestionsUser": _questions_user,
}
