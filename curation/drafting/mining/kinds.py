"""Tells from an encyclopaedic text's first sentence what kind of thing it is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from curation.drafting.mining.facts import sentences
from curation.drafting.mining.lexicon import family_of, table

_IS = re.compile(r"\b(?:is|are|was|were|refers to|reigned as|served as)\b(.*)", re.DOTALL)
# What follows tells what the thing does or has, no longer what it is.
_UP_TO = re.compile(
    r"\b(?:that|which|who|whom|whose|where|when|used|for|by|released|consisting|based|developed|with|named)\b|"
    r";|(?<!\w), (?=[a-z])"
)
_HEAD_WORDS = 14


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of kinds.toml: the family of slots, the broad category and the fine type of a thing."""

    family: str
    category: str
    fine_type: str


def kind_of(text: str) -> Kind | None:
    """Return the kind of thing that a text is about, None when its first sentence fits none."""
    parts = sentences(text)
    found = _IS.search(parts[0]) if parts else None
    if found is None:
        return None
    head = " ".join(_UP_TO.split(found[1])[0].split()[:_HEAD_WORDS])
    hits = [(hit.end(), kind) for pattern, kind in _kinds() if (hit := pattern.search(head))]
    # 'an Italian painter and architect' is a painter, 'a chapel of the pope' a chapel.
    return min(hits, key=lambda hit: hit[0])[1] if hits else None


def family(category: str, fine_type: str, text: str) -> str:
    """Return the family of slots for a subject: its category's, else what its text or fine type tells."""
    of_category = family_of(category)
    if of_category is not None:
        return of_category
    kind = kind_of(text) or kind_of(f"This is a {fine_type}.")
    return kind.family if kind else "thing"


@cache
def _kinds() -> tuple[tuple[re.Pattern[str], Kind], ...]:
    rows = table("kinds")["kinds"]
    return tuple((re.compile(pattern), Kind(*names)) for pattern, *names in rows)
