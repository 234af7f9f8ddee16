"""The later steps by rule: reliability, portability and locality questions out of templates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from curation.drafting.checks.words import says
from curation.drafting.mining.facts import Fact, clean, holds, mine
from curation.drafting.mining.kinds import family
from curation.drafting.mining.lexicon import Slot, hop_answer, table, user_slots
from curation.drafting.mining.phrases import Phrase, named, shown
from curation.drafting.rules.values import (
    TooFewFactsError,
    Values,
    picture_phrase,
    rows,
    slot_of,
    subject_family,
    subject_phrase,
    text,
)
from curation.ids import sha256_json

_EVIDENCE_WORDS = 50
_SENTENCE = re.compile(r"(?<=[a-z0-9)’'\"][.!?])\s+(?=[A-Z\"“])")
_REQUESTS = (
    (
        "Please give me a short introduction of the {kind} in the image.",
        "Could you introduce the {kind} shown in this picture?",
    ),
    (
        "Please introduce the {kind} in the image to me.",
        "What do you know of the {kind} shown in this picture?",
    ),
    (
        "Tell me about the {kind} in the image.",
        "Please describe in short the {kind} that this picture shows.",
    ),
)
_MEANINGS = (
    (
        "Please tell me what the {kind} in the image is.",
        "What can you say about the {kind} shown in this picture?",
    ),
    ("Please explain the {kind} in the image.", "Could you introduce the {kind} that this picture shows?"),
)
_INTRODUCTIONS = (
    (
        "My name is {user}, could you introduce the {kind} in the image?",
        "I am {user}. Can you tell me about the {kind} shown in this picture?",
    ),
    (
        "My name is {user}. Please introduce the {kind} in the image.",
        "This is {user}. What do you know of the {kind} that this picture shows?",
    ),
)


def reliability_entity(values: Values) -> Iterator[dict[str, Any]]:
    """Offer the requests and one pair of questions for each change."""
    original = text(values, "original_text")
    subject, picture = subject_phrase(values, original), picture_phrase(values)
    changes = _changes(values, subject_family(values, original))
    for requests in _REQUESTS:
        yield (
            _requests(requests, values)
            | {
                "reliability": [
                    {
                        "text_question": subject.fill(slot.ask, verb=verb),
                        "image_question": picture.fill(slot.ask_image, verb=verb),
                    }
                    for slot, verb in changes
                ]
            }
        )
    raise TooFewFactsError("there is no other way of asking this")


def reliability_semantic(values: Values) -> Iterator[dict[str, Any]]:
    """Offer the requests and the three questions for the change."""
    original = text(values, "original_text")
    subject, picture = subject_phrase(values, original), picture_phrase(values)
    again = Phrase(f"the {text(values, 'fine_type')} shown in this picture")
    slot, verb = _changes(values, subject_family(values, original))[0]
    for requests in _MEANINGS:
        yield _requests(requests, values) | {
            "text_question": subject.fill(slot.ask, verb=verb),
            "image_question": picture.fill(slot.ask_image, verb=verb),
            "rephrased_image_question": again.fill(slot.again, verb=verb),
        }
    raise TooFewFactsError("there is no other way of asking this")


def reliability_user(values: Values) -> Iterator[dict[str, Any]]:
    """Offer the user's requests and one pair of questions for each fact that they told."""
    subject = subject_phrase(values, str(values.get("original_text", "")))
    picture, user = picture_phrase(values), text(values, "user_name")
    told = {slot.name: slot.ask for kind in table("slots")["user"] for slot in user_slots(kind)}
    asked = [told[row["aspect"]] for row in rows(values, "changes")]
    for requests in _INTRODUCTIONS:
        yield _requests(requests, values) | {
            "reliability": [
                {
                    "text_question": subject.fill(ask, user=user),
                    "image_question": picture.fill(ask, user=user),
                }
                for ask in asked
            ]
        }
    raise TooFewFactsError("there is no other way of asking this")


def _changes(values: Values, of_family: str) -> list[tuple[Slot, str]]:
    return [slot_of(row["aspect"], of_family) for row in rows(values, "changes")]


def _requests(pair: tuple[str, str], values: Values) -> dict[str, Any]:
    kind, user = text(values, "fine_type"), str(values.get("user_name", ""))
    first, second = (line.format(kind=kind, user=user) for line in pair)
    return {"request": first, "rephrased_request": second}


def portability_entity(values: Values) -> Iterator[dict[str, Any]]:
    """Offer one question for each bridge whose text says what our word lists expect of it."""
    picture = picture_phrase(values)
    taught = " ".join(str(values.get(name, "")) for name in ("original_text", "edited_text", "name"))
    for row in rows(values, "bridges"):
        slot, verb = slot_of(row["aspect"], subject_family(values, taught))
        answer = hop_answer(slot.hop, row["bridge"]) if slot.hop else None
        if answer is None or holds(taught, answer) or holds(row["original_value_text"], answer):
            continue
        if answer == hop_answer(slot.hop, row["original"]):
            continue
        evidence = next((part for part in _passages(row["bridge_text"]) if holds(part, answer)), None)
        if evidence is not None:
            yield {
                "question": picture.fill(slot.hop_ask, verb=verb),
                "bridge": row["bridge"],
                "answer": answer,
                "evidence": _around(evidence, answer),
            }
    raise TooFewFactsError("no text about an edited value tells an outside fact that a rule can ask for")


def _passages(outside: str) -> list[str]:
    return _SENTENCE.split(outside)


def _around(passage: str, answer: str) -> str:
    """Return a passage as it stands, or as much of it as fits on both sides of the answer."""
    if len(passage.split()) <= _EVIDENCE_WORDS:
        return passage.strip()
    found = re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", passage, re.IGNORECASE)
    if found is None:
        raise TooFewFactsError("the passage does not hold the answer")
    words = list(re.finditer(r"\S+", passage))
    at = next(place for place, word in enumerate(words) if word.end() > found.start())
    first = max(0, at - _EVIDENCE_WORDS // 2)
    last = min(len(words) - 1, first + _EVIDENCE_WORDS - 1)
    return passage[words[first].start() : words[last].end()]


def portability_composite(values: Values) -> Iterator[dict[str, Any]]:
    """Offer the clear main colour of the half that shows the subject, and the side it is on."""
    whose, colour = text(values, "whose"), text(values, "main_colour")
    if colour and not holds(whose, colour):
        yield {
            "attribute": "main_colour",
            "question": f"What is the main colour of the half of the image that shows {whose}?",
            "answer": colour,
        }
    yield {
        "attribute": "side",
        "question": f"On which side of the image is {whose}?",
        "answer": text(values, "side"),
    }
    raise TooFewFactsError("nothing else is known of the picture")


def locality(values: Values) -> Iterator[dict[str, Any]]:
    """Offer a true fact of each of two unrelated subjects, strong ones first."""
    taken = [row["value"] for row in rows(values, "taken")]
    by_name, by_picture = _sound(_of_text(values, taken), taken), _sound(_of_image(values, taken), taken)
    if not by_name or not by_picture:
        raise TooFewFactsError("the unrelated texts tell nothing that a rule can ask for")
    for place in range(max(len(by_name), len(by_picture))):
        yield {
            "text": by_name[min(place, len(by_name) - 1)],
            "image": by_picture[min(place, len(by_picture) - 1)],
        }
    raise TooFewFactsError("the unrelated texts tell nothing else that a rule can ask for")


def _sound(offered: Iterator[dict[str, str]], taken: list[str]) -> list[dict[str, str]]:
    """Return the questions that neither give their answer away nor hold a value of the edit."""
    return [
        row for row in offered if not any(says(row["question"], value) for value in (row["answer"], *taken))
    ]


def _of_text(values: Values, taken: list[str]) -> Iterator[dict[str, str]]:
    name, category, fine_type, source = _about(values, "text")
    phrase = named(name, category, source, fine_type)
    for fact in _unrelated(values, "text", taken):
        yield {"question": phrase.fill(fact.slot.ask, verb=fact.verb), "answer": fact.value}
    yield {"question": phrase.fill("What kind of thing {is} {x}?"), "answer": fine_type}
    # 'What kind of thing is the colour red' would give it away.
    yield {"question": f"What kind of thing is {clean(name).lower()}?", "answer": fine_type}


def _of_image(values: Values, taken: list[str]) -> Iterator[dict[str, str]]:
    name, category, source = (_about(values, "image")[place] for place in (0, 1, 3))
    phrase = shown(text(values, "image_fine_type"))
    for fact in _unrelated(values, "image", taken):
        yield {"question": phrase.fill(fact.slot.ask_image, verb=fact.verb), "answer": fact.value}
    plain = re.sub(r"^(?:the|an?) ", "", named(name, category, source).text)
    who = "Who" if family(category, phrase.text, source) == "person" else "What"
    yield {"question": phrase.fill(who + " is {x}?"), "answer": plain if holds(name, plain) else clean(name)}


def _about(values: Values, whose: str) -> tuple[str, str, str, str]:
    name, category, fine_type, source = (
        text(values, f"{whose}_{part}") for part in ("name", "category", "fine_type", "text")
    )
    return name, category, fine_type, source


def _unrelated(values: Values, whose: str, taken: list[str]) -> list[Fact]:
    """Return the facts that an unrelated subject's text states word for word and that are not the edit's.

    Strong ones first.
    """
    name, category, fine_type, source = _about(values, whose)
    given, edit = f"{name} {fine_type}", text(values, "name")
    facts = [
        fact
        for fact in mine(source, family(category, fine_type, source))
        if says(source, fact.value)
        and not holds(given, fact.value)
        and not any(holds(fact.value, value) or holds(value, fact.value) for value in (*taken, edit))
    ]
    return sorted(facts, key=lambda fact: (fact.slot.weak, sha256_json([whose, name, fact.slot.name])))
