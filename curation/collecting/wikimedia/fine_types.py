"""Chooses the noun that stands for a subject in questions, from what is written about it."""

from __future__ import annotations

import re
from collections.abc import Sequence


def fine_type(nouns: Sequence[str], texts: Sequence[str], otherwise: str) -> str:
    """Return the noun of nouns that the first text to name any names; the longest, then the first listed.

    Only whole words count, in the singular or with a plural s. otherwise: returned where no text names one.
    """
    ranked = sorted(nouns, key=len, reverse=True)
    for text in texts:
        for noun in ranked:
            if re.search(rf"\b{re.escape(noun)}s?\b", text, re.IGNORECASE):
                return noun
    return otherwise


def singular(name: str) -> str:
    """Return the name of a category as one of its members is called: 'aerial animals' is 'aerial animal'."""
    return name[:-1] if re.search(r"(?<!specie)(?<![aious])s$", name) else name
