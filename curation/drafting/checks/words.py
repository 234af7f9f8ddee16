"""Compares words as a grader would: case, accents, articles, number words and punctuation do not count."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from curation.drafting.checks.lists import listed

_UNITS = listed("units")
_TENS = listed("tens")
_ORDINALS = listed("ordinals")
_TENTHS = listed("tenths")
_CARDINAL = {word: number for number, word in enumerate(_UNITS)}
_CARDINAL |= {word: 10 * number for number, word in enumerate(_TENS, start=2)}
_ORDINAL = {word: number for number, word in enumerate(_ORDINALS)}
_ORDINAL |= {word: 10 * number for number, word in enumerate(_TENTHS, start=2)}
_SCALES = {"hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "’": "'", "ʼ": "'"}
)
_WORD = re.compile(r"\d+(?:[.,]\d+)*(?:st|nd|rd|th)?(?![a-z])|[^\W_]+(?:'[^\W_]+)*(?:\+\+|#)?|[&%]")
_DOTTED = re.compile(r"(?<!\w)(?:[^\W\d_]\.){2,}")
_ARTICLE = re.compile(
    r"(?<![\w'’-])(?:the|an|a|THE|AN)(?=\s+\S)|(?:^|(?<=[.!?:\"“(]\s)|(?<=^[\"“(]))(?:The|An|A)(?=\s+\S)"
)


def folded(text: str) -> str:
    """Return text without case and accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text).casefold().translate(_LETTERS)
    return "".join(char for char in decomposed if not unicodedata.combining(char))


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[str, ...]:
    """Return the words of a text as they are compared.

    'The Queen's twenty-one Cafés' gives queen, 21, cafes; '1,743' 1743, 'U.S.' us, '&' and, '%' percent.
    An article counts only where it may be a name: 'vitamin A', 'A' alone.
    """
    found = []
    text = _DOTTED.sub(lambda match: match[0].replace(".", ""), text)
    for word in _WORD.findall(folded(_ARTICLE.sub(" ", text))):
        if word in "&%":
            found.append({"&": "and", "%": "percent"}[word])
        elif word[0].isdigit():
            found.append(re.sub(r",(?=\d{3}(?!\d))", "", word))
        else:
            found.append(re.sub(r"'s$", "", word).replace("'", ""))
    return tuple(_counted(found))


def _counted(words: list[str]) -> list[str]:
    """Return words with runs of number words as digits; 'one of' stays."""
    out: list[str] = []
    place = 0
    while place < len(words):
        number, ordinal, used = _number(words[place:])
        if used == 0 or (words[place] == "one" and words[place + 1 : place + 2] == ["of"]):
            out.append(words[place])
            place += 1
        else:
            out.append(_ordinal(number) if ordinal else str(number))
            place += used
    return out


def _number(words: list[str]) -> tuple[int, bool, int]:
    """Return the number that words begin with, whether it is an ordinal, and how many words it takes."""
    total, part, used = 0, 0, 0
    for word in words:
        if word in _ORDINAL and (used == 0 or part % 10 == 0):
            return total + part + _ORDINAL[word], True, used + 1
        if word in _CARDINAL and (used == 0 or _continues(part, _CARDINAL[word])):
            part += _CARDINAL[word]
        elif word in _SCALES and used:
            scale = _SCALES[word]
            total, part = (total, part * 100) if scale == 100 else (total + part * scale, 0)
        else:
            break
        used += 1
    return total + part, False, used


def _continues(part: int, value: int) -> bool:
    """Tell whether a number word goes on with the one before: 'forty two', not 'two three'."""
    if part == 0:
        return True
    return (part % 100 == 0) if value >= 10 else (part % 10 == 0 and part % 100 != 10)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def same(first: str, second: str) -> bool:
    """Tell whether two answers count as the same."""
    return tokens(first) == tokens(second)


def says(text: str, span: str) -> bool:
    """Tell whether a text says a span, word for word but for what does not count; never for no words."""
    return holds_run(tokens(text), tokens(span))


def holds_run(words: tuple[str, ...], run: tuple[str, ...]) -> bool:
    """Tell whether words hold a run of words in one piece."""
    length = len(run)
    return length > 0 and any(words[at : at + length] == run for at in range(len(words) - length + 1))
