"""Checks on writing as such: hostile content, echoes of instructions, language, and length."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache, lru_cache
from importlib.resources import files

from curation.drafting.checks.finding import UNWANTED, Finding, plain
from curation.drafting.checks.lists import listed
from curation.drafting.checks.patterns import ADDRESS, ECHO, FORMULA, MARKUP, MIXED
from curation.drafting.checks.texts import Place, texts
from curation.drafting.checks.words import folded
from curation.errors import Reason
from curation.records import KnowledgeItem

MAX_WORD_PIECES = 510
"""Request and edited text together: SERAC's classifier cuts nothing and fails beyond (its reference code)."""
MAX_QUESTION_PIECES = 400
"""Question and answer: with a picture's 256 or more places far below 2,048, also beside other prompts."""
SHINGLE = 9
"""So many words in a row as in a prompt's instructions are no accident."""

_LIKE_ENGLISH = re.compile(r"(?=[a-z]*[aeiouy])(?![a-z]*[^aeiouy]{4})[a-z]{1,15}")
_HEAP = re.compile(r"[\u0300-\u036f]{4}")
_ENGLISH = frozenset(listed("english"))
_NON_LATIN_SHARE = 0.4
_AN_OR_THE = re.compile(r"\b(?:is|was|are|were) (?:an?|the)\b")
_MIN_WORDS, _MANY_WORDS = 4, 12


def hostile(item: KnowledgeItem) -> Iterator[Finding]:
    """No text holds an address, markup, a formula, look-alike letters, or a character that nobody sees."""
    own = {word.lower() for word in re.findall(r"\S+", item.subject_name)}
    for place in texts(item):
        found = hostile_words(place.text, own)
        if found is not None:
            what, span = found
            yield Finding(
                check="hostile",
                reason=Reason.HOSTILE_CONTENT,
                probe_id=place.probe_id,
                detail=f"{place.what} holds {what}",
                span=plain(span),
            )


def hostile_words(text: str, own: Collection[str] = ()) -> tuple[str, str] | None:
    """Return what is hostile in a text and the words that it is about, None for a harmless one.

    own: words in lower case that may look like an address, as a name of the subject's does.
    """
    odd = "" if text.isascii() and text.isprintable() else text
    bad = next((char for char in odd if unicodedata.category(char) in UNWANTED), None)
    if bad is not None:
        return f"the character U+{ord(bad):04X}, which nobody sees", ""
    if unicodedata.normalize("NFC", text) != text:
        return "letters and accents that are not joined (no NFC)", ""
    if _HEAP.search(text):
        return "a heap of accents on one letter", ""
    address = next((hit for hit in ADDRESS.finditer(text) if hit[0].lower() not in own), None)
    if address is not None:
        return "an address", address[0]
    for what, pattern in (("markup", MARKUP), ("letters of two alphabets in one word", MIXED)):
        if hit := pattern.search(text):
            return what, hit[0]
    if hit := FORMULA.match(text):
        return "what a spreadsheet would take for a formula", hit[0]
    return None


def echoed(item: KnowledgeItem) -> Iterator[Finding]:
    """No text repeats instructions: those of our prompts, of a page that speaks to a model, or a refusal."""
    for place in texts(item):
        # letters that only look different ('𝐢𝐠𝐧𝐨𝐫𝐞') read the same to a model
        hit = ECHO.search(unicodedata.normalize("NFKC", place.text))
        span = hit[0] if hit else _of_a_prompt(place.text)
        if span:
            yield Finding(
                check="echoed",
                reason=Reason.ECHOES_INSTRUCTION,
                probe_id=place.probe_id,
                detail=f"{place.what} reads like an instruction or like a model speaking of itself",
                span=plain(span),
            )


def _of_a_prompt(text: str) -> str:
    words = re.findall(r"\w+", text.casefold())
    known = _instructions()
    runs = (tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1))
    return next((" ".join(run) for run in runs if run in known), "")


@cache
def _instructions() -> frozenset[tuple[str, ...]]:
    """Return every run of words of the prompts' instructions; quoted examples are none."""
    runs = set()
    for entry in files("prompts").iterdir():
        if not entry.name.endswith(".md"):
            continue
        text = entry.read_text(encoding="utf-8").split("---\n", 2)[-1]
        # What a prompt gives as a model to follow may well be followed: sentences to copy, quoted examples.
        for piece in re.split(
            r"\"[^\"]*\"|`[^`]*`|<[^>]*>|(?<=exactly): .*$|\n\s*\n", text, flags=re.MULTILINE
        ):
            words = re.findall(r"\w+", piece.casefold())
            runs |= {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}
    return frozenset(runs)


def language(item: KnowledgeItem) -> Iterator[Finding]:
    """Texts and questions are English; names and short answers may be anything in Latin letters."""
    for place in texts(item):
        if _foreign(place, item.subject_name):
            yield Finding(
                check="language",
                reason=Reason.NOT_ENGLISH,
                probe_id=place.probe_id,
                detail=f"{place.what} is not English",
                span=plain(place.text),
            )


def _foreign(place: Place, name: str) -> bool:
    """Tell whether a text is not English: by its letters, then by its small words and a classifier together.

    Measured on first sentences of Wikipedia: 2 of 8,950 English ones are found foreign, of 11,644 Spanish and
    French ones all but 28. The classifier: langid.py (Lui and Baldwin, 2012).
    """
    if place.name == "subject's name":
        return False
    if not place.text.isascii() and _strange(place.text.replace(name, "")):
        return True
    words = folded(place.text).split()
    if place.is_answer or len(words) < _MIN_WORDS or _AN_OR_THE.search(place.text):
        return False
    small = sum(word.strip(".,;:?!'\"()") in _ENGLISH for word in words)
    if small > (0.06 * len(words) if len(words) >= _MANY_WORDS else 0):
        return False
    # Names are of all languages: only small letters tell which one the sentence is in.
    rest = " ".join(word for word in place.text.replace(name, "").split() if word.islower())
    return _classified(rest) != "en"


def _strange(text: str) -> bool:
    """Tell whether a good part of a text's letters are of another alphabet; Greek ones stand in formulas."""
    letters = [char for char in text if char.isalpha()]
    strange = sum(not unicodedata.name(char, "").startswith(("LATIN", "MICRO", "GREEK")) for char in letters)
    return strange > 1 and strange > _NON_LATIN_SHARE * len(letters)


@lru_cache(maxsize=1024)
def _classified(text: str) -> str:
    import py3langid  # type: ignore[import-untyped]  # it reads its model, half a second

    return str(py3langid.classify(text)[0])


def too_long(item: KnowledgeItem) -> Iterator[Finding]:
    """Request and edited text, and each question with its answer, stay below what models and editors take."""
    for name, request in (("request", item.request), ("rephrased request", item.rephrased_request)):
        pieces = word_pieces_at_most(request) + word_pieces_at_most(item.edited_text)
        if pieces > MAX_WORD_PIECES:
            detail = f"the {name} and the edited text may come to {pieces} word pieces, {MAX_WORD_PIECES} fit"
            yield Finding(check="too_long", reason=Reason.TOO_LONG, probe_id=None, detail=detail)
            break
    for probe in item.probes:
        pieces = word_pieces_at_most(probe.question) + word_pieces_at_most(probe.answer)
        if pieces > MAX_QUESTION_PIECES:
            yield Finding(
                check="too_long",
                reason=Reason.TOO_LONG,
                probe_id=probe.probe_id,
                detail=f"question and answer may come to {pieces} word pieces, {MAX_QUESTION_PIECES} fit",
            )


def word_pieces_at_most(text: str) -> int:
    """Return how many word pieces a text may come to with BERT's English vocabulary, rather too many.

    Signs, digits and letters beyond Latin are one each. Of a word in Latin letters a piece takes two and a
    half letters on average; where English has no word like it, each letter may stand alone.
    """
    count = 0
    for word in re.findall(r"[^\W\d_]+|\d+|[^\w\s]|_", folded(text)):
        count += math.ceil(len(word) / 2.5) if _LIKE_ENGLISH.fullmatch(word) else len(word)
    return count
