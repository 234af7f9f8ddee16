"""Locality and one-hop questions, which our own code asks of unrelated subjects and of the composite picture.

MMKE-Bench takes its locality questions from an older benchmark; here they ask for a true fact of a subject
of another category, found in that subject's own source text.
"""

from __future__ import annotations

from collections.abc import Collection

from curation.drafting.casting import OneHop
from curation.drafting.facts import Fact, holds, mine
from curation.drafting.lexicon import family_of
from curation.drafting.phrases import Phrase, bare_name, named, shown
from curation.ids import sha256_json
from curation.records import ImageRole, Probe, ProbeKind, Subject


def text_locality(subject: Subject, taken: Collection[str]) -> Probe:
    """Return T-Loc: a true fact of an unrelated subject, asked by its name; no answer of `taken`."""
    phrase = named(subject.name, subject.category, subject.source_text)
    fact = _fact(subject, taken, "text")
    if fact is None:
        question, answer = phrase.fill("What kind of thing {is} {x}?"), subject.fine_type
    else:
        question, answer = phrase.fill(fact.slot.ask, verb=fact.verb), fact.value
    return Probe(
        probe_id="T-Loc", kind=ProbeKind.T_LOC, question=question, answer=answer, original_answer=answer
    )


def image_locality(subject: Subject, taken: Collection[str]) -> Probe:
    """Return I-Loc: a true fact of what the locality picture shows, or its name; no answer of `taken`."""
    phrase = shown(subject.fine_type)
    fact = _fact(subject, taken, "image")
    if fact is None:
        question, answer = phrase.fill("What is {x}?"), _plain_name(subject)
    else:
        question, answer = phrase.fill(fact.slot.ask_image, verb=fact.verb), fact.value
    return Probe(
        probe_id="I-Loc",
        kind=ProbeKind.I_LOC,
        question=question,
        answer=answer,
        original_answer=answer,
        image_role=ImageRole.LOCALITY,
    )


def one_hop(hop: OneHop, whose: str) -> Probe:
    """Return Port on the composite picture: a plain attribute of the half that shows `whose`."""
    if hop.colour is None:
        question, answer = f"On which side of the image is {whose}?", hop.side
    else:
        question, answer = f"What is the main colour of the half of the image that shows {whose}?", hop.colour
    return Probe(
        probe_id="Port",
        kind=ProbeKind.PORT,
        question=question,
        answer=answer,
        image_role=ImageRole.ONE_HOP,
        hop=1,
    )


def _fact(subject: Subject, taken: Collection[str], seed: str) -> Fact | None:
    """Return a fact to ask for; strong ones first, by hash among them, so that T-Loc and I-Loc differ."""
    lower = {answer.lower() for answer in taken}
    given = f"{subject.name} {subject.fine_type}"
    facts = [
        fact
        for fact in mine(subject.source_text, family_of(subject.category))
        if fact.value.lower() not in lower and not holds(given, fact.value)
    ]
    choice = [fact for fact in facts if not fact.slot.weak] or facts
    return min(choice, key=lambda fact: sha256_json([seed, subject.subject_id, fact.slot.name]), default=None)


def _plain_name(subject: Subject) -> str:
    phrase: Phrase = named(subject.name, subject.category, subject.source_text)
    return phrase.text.removeprefix("the ").removeprefix("a ").removeprefix("an ") or bare_name(subject.name)
