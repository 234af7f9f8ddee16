"""The first two steps by rule: sentences that state facts, and the same facts with other values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from curation.drafting.mining.facts import Fact, holds, mine, sentences
from curation.drafting.mining.lexicon import UserSlot, family_of, pool, table, user_slots
from curation.drafting.mining.phrases import Phrase, names, with_article
from curation.drafting.rules.swaps import city_in, counterfactual, leads_on, pick
from curation.drafting.rules.values import (
    TooFewFactsError,
    Values,
    askable,
    aspect,
    avoided,
    choices,
    stated,
    subject_family,
    subject_phrase,
    text,
    told,
)
from curation.ids import sha256_json

_DANGLING = re.compile(r"(?:It|Its|They|Their|Them|This|These|He|She|His|Her)\b")
_TARGET_WORDS = 60
_MOST_WORDS = 75
_DRAWS = 4
"""So many values are offered for the same facts before a redraft finds no other."""

_OWNED = ("item", "pet")
_SEMANTIC = frozenset({"style", "action", "colour", "shape", "emotion", "thing"})


def original(values: Values) -> Iterator[dict[str, Any]]:
    """Offer short paragraphs of the source's own sentences that hold facts, the most telling first."""
    name, source = text(values, "name"), text(values, "source_text")
    family, parts = subject_family(values, source), sentences(source)
    facts = askable(values, source)
    subject = subject_phrase(values, source)
    lead = _lead(parts, name, subject, text(values, "fine_type"))
    spare = []
    for chosen in choices(values, facts, 1 if family in _SEMANTIC else 2):
        drafted = _paragraph(lead, chosen, parts, subject)
        mined = {(fact.slot.name, fact.value) for fact in mine(drafted, family)}
        if all((fact.slot.name, fact.value) in mined for fact in chosen):
            drafted = _with_values(drafted, chosen, subject)
            short = len(drafted.split()) <= _TARGET_WORDS
            if short and subject_family(values, drafted) == family:
                yield {"original_text": drafted}
            spare.append(drafted)
    yield from ({"original_text": each} for each in spare if len(each.split()) <= _MOST_WORDS)
    if family_of(text(values, "category")) is None or text(values, "category") in _OWNED:
        yield {"original_text": lead}  # enough for what a user adds to it
    raise TooFewFactsError("the source text gives too few facts")


def _with_values(drafted: str, chosen: tuple[Fact, ...], subject: Phrase) -> str:
    """Add a plain sentence for each value that the text gives in other words only ('herbivorous')."""
    missing = [fact for fact in chosen if not holds(drafted, fact.value)]
    return " ".join(
        [drafted, *(subject.fill(fact.slot.say, v=fact.value, verb=fact.verb) for fact in missing)]
    )


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


def edited_entity(values: Values) -> Iterator[dict[str, Any]]:
    """Offer edits of two facts, of which one leads on to an outside fact."""
    facts, known = stated(values), told(values)
    subject = subject_phrase(values, f"{text(values, 'original_text')} {text(values, 'source_text')}")
    lead = f"The {text(values, 'fine_type')} in the image corresponds to {subject.text}."
    for draw in range(_DRAWS):
        seed = f"{text(values, 'name')}{draw or ''}"
        for chosen in choices(values, facts, 2):
            new = _new_values(chosen, values, seed)
            if new and any(leads_on(fact, value, known) for fact, value in zip(chosen, new, strict=True)):
                yield _edit(lead, subject, chosen, new)
    raise TooFewFactsError("the original knowledge gives too few facts that can be changed")


def edited_semantic(values: Values) -> Iterator[dict[str, Any]]:
    """Offer edits of one fact of what is shown."""
    facts = stated(values)
    subject = subject_phrase(values, text(values, "original_text"))
    lead = f"The {text(values, 'fine_type')} in the image is {subject.text}."
    for draw in range(_DRAWS):
        for chosen in choices(values, facts, 1):
            new = _new_values(chosen, values, f"{text(values, 'name')}{draw or ''}")
            if new:
                # What the stand-in's picture shows is in no text that a rule could take it from.
                yield _edit(lead, subject, chosen, new) | {"visible": ""}
    raise TooFewFactsError("the original knowledge gives no fact that can be changed")


def _new_values(chosen: tuple[Fact, ...], values: Values, seed: str) -> list[str] | None:
    avoid = avoided(values)
    new = [counterfactual(fact, avoid, seed, told(values)) for fact in chosen]
    slots = [fact.slot.name for fact in chosen]
    if "city" in slots and "country" in slots:
        country = new[slots.index("country")]
        new[slots.index("city")] = city_in(country, avoid, seed) if country else None
    found = [value for value in new if value is not None]
    return found if len(set(found)) == len(chosen) else None


def _edit(lead: str, subject: Phrase, chosen: tuple[Fact, ...], new: list[str]) -> dict[str, Any]:
    said = [
        subject.fill(fact.slot.say, v=value, verb=fact.verb) for fact, value in zip(chosen, new, strict=True)
    ]
    changes = [
        {"aspect": aspect(fact), "original": fact.value, "edited": value}
        for fact, value in zip(chosen, new, strict=True)
    ]
    return {"edited_text": " ".join([lead, *said]), "changes": changes}


def edited_user(values: Values) -> Iterator[dict[str, Any]]:
    """Offer what a user tells of a thing of theirs: how they relate to it, and two facts."""
    name, user = text(values, "name"), text(values, "user_name")
    slots = user_told(values)
    subject = subject_phrase(values, text(values, "original_text"))
    lead = _told_lead(values, subject, user)
    avoid = f"{text(values, 'original_text')} {lead}"
    for draw in range(_DRAWS):
        seed = f"{user}{name}{draw or ''}"
        order = sorted(slots, key=lambda slot: sha256_json([user, name, draw, slot.name]))[:2]
        pair = sorted(order, key=slots.index)
        new = [_user_value(slot, avoid, seed) for slot in pair]
        said = [subject.fill(slot.say, v=value) for slot, value in zip(pair, new, strict=True)]
        additions = [{"aspect": slot.name, "value": value} for slot, value in zip(pair, new, strict=True)]
        yield {"edited_text": " ".join(["Yes.", lead, *said]), "additions": additions}
    raise TooFewFactsError("a user has nothing else to tell of this thing")


def _told_lead(values: Values, subject: Phrase, user: str) -> str:
    noun = subject.text.removeprefix("the ")
    if text(values, "category") in _OWNED:
        return f"These {noun} are yours, {user}." if subject.plural else f"This {noun} is yours, {user}."
    whose = values.get("relation_noun", "favourite")
    return f"This {text(values, 'fine_type')} is {noun}, your {whose}, {user}."


def user_told(values: Values) -> Sequence[UserSlot]:
    """Return what a user can tell of the subject, by its category and how they relate to it."""
    category, relation = text(values, "category"), values.get("relation")
    if category in _OWNED:
        return user_slots(category)
    kinds: dict[str, list[str]] = table("slots")["relations"]
    return user_slots(next((kind for kind, known in kinds.items() if relation in known), "other"))


def _user_value(slot: UserSlot, avoid: str, seed: str) -> str:
    options = [str(year) for year in range(2001, 2020)] if slot.swap == "year" else pool(slot.swap)
    return pick([option for option in options if not holds(avoid, option)], seed, slot.name)
