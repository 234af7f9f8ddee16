"""What a check says of an item: which check, why, where, and the words that it is about."""

from __future__ import annotations

import unicodedata

from curation.errors import Reason
from curation.records import Record

_SHOWN = 80
UNWANTED = ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")
"""Unicode categories that no text of an item holds: control, format, private, surrogate, line separators."""


class Finding(Record):
    """One thing that is wrong with an item.

    check: the name of the check, as in NAMES. probe_id: the question that it is about, None for a text of the
    item. detail: one plain sentence for a person and for the next draft's prompt. span: the words that it is
    about, short, without what could act in a page or a terminal; '' when it is about the whole.
    """

    check: str
    reason: Reason
    probe_id: str | None
    detail: str
    span: str = ""


def plain(text: str) -> str:
    """Return a span for a message: short, and without what could act in a terminal, a page or a prompt."""
    kept = "".join(
        char for char in text if unicodedata.category(char) not in UNWANTED and char not in "<>`[]{}|"
    )
    return " ".join(kept.split())[:_SHOWN]
