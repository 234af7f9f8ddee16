"""Texts about the things that an edited fact leads to, so that an outside fact can be looked up and named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from curation.records import TextSource


@dataclass(frozen=True, slots=True)
class OutsideText:
    """An encyclopaedic text about a thing, and where it comes from."""

    text: str
    source: TextSource


class OutsideTexts(Protocol):
    """Texts by the name of what they are about."""

    def about(self, name: str) -> OutsideText | None:
        """Return the text about a thing, None when there is none of that name."""


class NoOutsideTexts:
    """Texts about nothing."""

    def about(self, name: str) -> OutsideText | None:
        """Return None."""
        return None
