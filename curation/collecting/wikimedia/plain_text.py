"""Text and HTML from outside as one line of harmless plain text."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

import nh3

from curation.ids import canonical_json, nfc

# Nothing that we keep of a field is longer, so nothing longer is worth parsing.
_MAX_MARKUP = 20_000
_MAX_ROUNDS = 5
_HIDDEN = re.compile(
    r"<(\w{1,10})\b[^<>]{0,500}display:\s{0,9}none[^<>]{0,500}>[^<]{0,2000}</\1\s{0,9}>", re.I
)
_BLOCK = re.compile(r"(?=</?(?:p|div|br|li|ul|ol|td|th|tr|table|dd|dt|dl|h[1-6])\b)", re.I)
_TAG = re.compile(r"<[a-z/!?]", re.I)
# Marks of direction hide what a line says; the joiners of Persian and of emoji do not.
_DIRECTION = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def clean_line(text: str, limit: int) -> str:
    """Return text on one line, at most limit characters, without control characters or lone surrogates."""
    kept = "".join(_harmless(char) for char in text[: 4 * limit + 1000])
    line = nfc(kept)
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def from_html(markup: str, limit: int) -> str:
    """Return what a reader would see of HTML, as clean_line does: no tags, no scripts, nothing hidden.

    Markup that was escaped twice is taken off as well, so the result never holds a tag.
    """
    text = _HIDDEN.sub(" ", markup[:_MAX_MARKUP])
    for _ in range(_MAX_ROUNDS):
        before, text = text, html.unescape(nh3.clean(_BLOCK.sub(" ", text), tags=set()))
        if text == before:
            break
    return clean_line(text.replace("<", " ") if _TAG.search(text) else text, limit)


def bounded_json(value: Any, limit: int) -> str:  # noqa: ANN401 - any JSON value
    """Return the canonical JSON of value, strings cut at 4,000 and then 400 characters where it is longer.

    Returns '{}' for what is still longer than limit characters.
    """
    for longest in (limit, 4_000, 400):
        spelled = canonical_json(_cut(value, longest))
        if len(spelled) <= limit:
            return spelled
    return "{}"


def _harmless(char: str) -> str:
    if char in _DIRECTION:
        return ""
    return " " if unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"} else char


def _cut(value: Any, longest: int, depth: int = 0) -> Any:  # noqa: ANN401 - any JSON value
    """Return value without lone surrogates and infinities, strings cut; deeper than 20 levels nothing is."""
    if isinstance(value, str):
        return value[:longest].encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not abs(value) < float("inf"):
        return str(value)
    if depth == 20:
        return None
    if isinstance(value, dict):
        return {_cut(str(key), longest): _cut(item, longest, depth + 1) for key, item in value.items()}
    return [_cut(item, longest, depth + 1) for item in value] if isinstance(value, list) else value
