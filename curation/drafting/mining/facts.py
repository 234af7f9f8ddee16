"""Finds typed facts in an encyclopaedic text by word lists and patterns."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from curation.drafting.mining.lexicon import Slot, countries, ordinal, slots_of, word_list
from curation.drafting.mining.place_names import PLACES
from curation.ids import nfc

MAX_SENTENCE_WORDS = 40
_VERBS = (
    "built|constructed|completed|commissioned|erected|established|opened|dedicated|founded|formed|"
    "designed|created|launched|introduced|inaugurated|consecrated|unveiled|invented|patented|published|"
    "discovered|codified|produced"
)
_ORDINALS = (
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
)
_CENTURY = re.compile(
    rf"\b(\d{{1,2}}(?:st|nd|rd|th)|{'|'.join(_ORDINALS)})(?: (?:through|to|and)(?: early| late| mid)? \w+)?"
    r"[ -]centur(?:y|ies)( BCE?)?"
)
_MARKUP = re.compile(r"https?://|www\.|[<>{}\\|`]|\[\[|\]\]")
_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\bc\.)(?<!\bSt\.)(?<!\bDr\.)\s+(?=[A-Z\"“])")
_NAME = re.compile(r"\b[A-Z][\w’'-]+(?: (?:[A-Z]\.|de|da|van|von|[A-Z][\w’'-]+)){1,3}")
_DENIED = re.compile(
    r"\b(no|not|never|neither|absent|unlike|extinct genus|extinct relatives|fossils?|except|single species|"
    r"thought|believed)\b"
)
_NO_PERSON = frozenset(
    {"Emperor", "King", "Classic", "Empire", "Dynasty", "Kingdom", "Republic", "Church", "People"}
)
_UNITS = {
    "m": "metres",
    "meters": "metres",
    "ft": "feet",
    "kg": "kilograms",
    "g": "grams",
    "t": "tonnes",
    "cm": "centimetres",
    "lb": "pounds",
    "km": "kilometres",
    "kilometers": "kilometres",
    "nm": "nanometres",
    "nanometers": "nanometres",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """A value that a sentence gives for a slot; verb: the participle it hangs on ('built'), else empty."""

    slot: Slot
    value: str
    sentence: str
    verb: str = ""


def clean(text: str) -> str:
    """Return outside text without control, format and bidirectional characters, blanks normalised."""
    if text.isascii() and text.isprintable():
        return nfc(text)
    kept = "".join(
        " " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char
        for char in text
        if unicodedata.category(char) not in ("Cf", "Co", "Cs", "Cn")
    )
    return nfc(kept)


def holds(text: str, span: str) -> bool:
    """Tell whether a text holds a span as whole words, whatever the case."""
    return re.search(rf"(?<!\w){re.escape(span)}(?!\w)", text, re.IGNORECASE) is not None


def sentences(text: str) -> list[str]:
    """Return the sentences of a text without brackets; those with markup or addresses are left out.

    A sentence of more than 40 words ends at its last comma or semicolon before that.
    """
    plain = re.sub(r"\s*\([^()]*\)", "", clean(text))
    plain = re.sub(r"\s+([,.;])", r"\1", plain)
    parts = [_shortened(part.strip()) for part in _END.split(plain)]
    return [part for part in parts if len(part.split()) >= 4 and not _MARKUP.search(part)]


def _shortened(sentence: str) -> str:
    words = sentence.split()
    if len(words) <= MAX_SENTENCE_WORDS:
        return sentence
    head = " ".join(words[:MAX_SENTENCE_WORDS])
    cut = max(head.rfind(","), head.rfind(";"))
    return head[:cut] + "." if cut > 0 else ""


def mine(text: str, family: str) -> tuple[Fact, ...]:
    """Return the facts of a text, at most one a slot, the family's most telling slots first."""
    parts = sentences(text)
    found: list[Fact] = []
    for slot in slots_of(family):
        searched = parts[: slot.early or len(parts)]
        fact = next((fact for part in searched for fact in _facts_in(part, slot)), None)
        if fact is not None:
            found.append(fact)
    return tuple(found)


def _facts_in(sentence: str, slot: Slot) -> Iterator[Fact]:
    if _DENIED.search(sentence):
        return
    if slot.cue is not None and not slot.cue.search(sentence):
        return
    for value, verb in _MINERS[slot.mine](sentence, slot):
        if value:
            yield Fact(slot, value, sentence, verb)


_Found = Iterator[tuple[str, str]]


_WHAT_IT_IS = re.compile(
    r"\b(?:is|are|was|were)\b(.*?)(?:\b(?:that|which|who|in|from|with|used|native)\b|;|$)"
)


def _words(sentence: str, slot: Slot) -> _Found:
    if slot.name == "kind":
        sentence = found[1] if (found := _WHAT_IT_IS.search(sentence)) else ""
    # 'lizard-like' is no lizard.
    hits = [
        (match.start(), value)
        for pattern, value in word_list(slot.words)
        if (match := pattern.search(sentence)) and not sentence.startswith("-", match.end())
    ]
    # The list's own order decides for kinds (the narrower stands first), the place in the text for the rest.
    ordered = hits if slot.name == "kind" else sorted(hits, key=lambda hit: hit[0])
    yield from ((value, "") for _, value in ordered[:1])


def _pattern(sentence: str, slot: Slot) -> _Found:
    match = slot.pattern.search(sentence) if slot.pattern else None
    if match is not None:
        groups = match.groupdict()
        yield _spelled_out(groups.get("v") or groups.get("w") or ""), groups.get("verb") or ""


def _spelled_out(value: str) -> str:
    value = re.sub(r"(?<=\d)(?=[a-z])(?!(?:st|nd|rd|th)\b)", " ", value.replace("–", " to "))
    if re.match(r"\d{3} (and|-) \d{3}", value):
        value = re.sub(r" (and|-) ", " to ", value, count=1)
    return " ".join(_UNITS.get(word, word) for word in value.split())


def _year(sentence: str, _slot: Slot) -> _Found:
    pattern = (
        rf"\b({_VERBS})\b[^.;]{{0,40}}?\b(?:in|since|between|from|around|c\.) (?:AD )?(\d{{3,4}}(?: BCE?)?)\b"
    )
    for match in re.finditer(pattern, sentence):
        yield match[2], re.findall(rf"\b(?:{_VERBS})\b", match[0])[-1]


def _century(sentence: str, _slot: Slot) -> _Found:
    for match in _CENTURY.finditer(sentence):
        number = ordinal(_ORDINALS.index(match[1]) + 1) if match[1] in _ORDINALS else match[1]
        yield f"{number} century{match[2] or ''}", ""


def _person(sentence: str, _slot: Slot) -> _Found:
    adjectives = {country.adjective for country in countries()}
    for match in re.finditer(rf"\b({_VERBS})\b[^.;,]{{0,20}}? by ([^.;()]{{3,90}})", sentence):
        for name in _NAME.findall(match[2]):
            words = [
                word for word in name.split() if word.split("-")[-1] not in adjectives | {"Emperor", "King"}
            ]
            if len(words) >= 2 and not _NO_PERSON & set(words):
                yield " ".join(words), match[1]


def _in_place(find: Callable[[str], Iterator[str]]) -> Callable[[str, Slot], _Found]:
    return lambda sentence, _slot: ((value, "") for value in find(sentence))


_MINERS: dict[str, Callable[[str, Slot], _Found]] = {
    "words": _words,
    "pattern": _pattern,
    "year": _year,
    "century": _century,
    "person": _person,
    **{name: _in_place(find) for name, find in PLACES.items()},
}
