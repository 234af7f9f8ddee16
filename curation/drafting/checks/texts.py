"""What an item's texts are made of: which there are, and which of them speak of a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from curation.records import KnowledgeItem, Probe, ProbeKind

RELIABILITY = (ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.I_GEN)
LOCALITY = (ProbeKind.T_LOC, ProbeKind.I_LOC)
ABBREVIATED = re.compile(
    r"^\W*(?:[A-Za-z]|(?:[A-Za-z]\.)+[A-Za-z]?|St|Ste|Dr|Mr|Mrs|Ms|Prof|No|vs|Jr|Sr|Mt|Ft|Inc|Ltd|Co|Corp|Gen|Col|Sgt|"
    r"Lt|Capt|Rev|Op|Vol|ca|c|cf|etc|Bros|Sen|Gov|Pres|Rep|Fr|Hon|Pt|Mme|Mlle|Cpl|Maj|Adm|Univ|Dept|Ave|Blvd|Rd|al|Ph)$"
)
"""A word before a full stop that ends no sentence: 'St', 'U.S', 'J'."""


class Place(NamedTuple):
    """A text of an item and where it stands; is_answer: an answer, which is no sentence."""

    probe_id: str | None
    name: str
    text: str
    is_answer: bool = False

    @property
    def what(self) -> str:
        """Return how a message calls the place: 'the edited text', 'the question of T-Rel-1'."""
        return f"the {self.name} of {self.probe_id}" if self.probe_id else f"the {self.name}"


def texts(item: KnowledgeItem) -> Iterator[Place]:
    """Yield every text of an item that somebody outside may have written."""
    yield Place(None, "subject's name", item.subject_name, is_answer=True)
    yield Place(None, "user's name", item.user_name or "", is_answer=True)
    yield Place(None, "original text", item.original_text)
    yield Place(None, "edited text", item.edited_text)
    yield Place(None, "request", item.request)
    yield Place(None, "rephrased request", item.rephrased_request)
    for probe in item.probes:
        yield Place(probe.probe_id, "question", probe.question)
        yield Place(probe.probe_id, "answer", probe.answer, is_answer=True)
        yield Place(probe.probe_id, "original answer", probe.original_answer or "", is_answer=True)


def reliability(item: KnowledgeItem) -> Iterator[Probe]:
    """Yield the questions that ask for the edit itself: T-Rel, I-Rel and I-Gen."""
    return (probe for probe in item.probes if probe.kind in RELIABILITY)
