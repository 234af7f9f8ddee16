"""What is noted of a batch, and how its requests ended: the words that its modules share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from curation.errors import TransientError
from curation.records import Record, Sha256


class WaitingError(TransientError):
    """The question is in a batch, or will be in the next one: its item stays pending."""


class UnansweredError(TransientError):
    """No batch will bring an answer to this question; its item stays pending."""


class Fate(StrEnum):
    """How a request of a batch ended. LOST: unanswered, but perhaps charged; it may be asked again."""

    ANSWERED = "answered"
    REQUEUED = "requeued"
    LOST = "lost"
    FAILED = "failed"


class Asked(Record):
    """One request of a batch.

    worst, tokens: the most that it may cost in US dollars and tokens; None and 0 without a budget. tries: how
    many tries of it may have been charged before this one.
    """

    request_sha256: Sha256
    prompt_id: str
    worst: Decimal | None = None
    tokens: int = 0
    tries: int = 0


class Intent(Record):
    """A batch that is going to be submitted: on disk before anything is uploaded.

    number: batches of a project count from 1. token: drawn for this batch alone; it goes to the endpoint as
    metadata and in the file's name, so that the batch is found again after a kill. url: as in the lines.
    at: UTC, ISO 8601.
    """

    number: int
    token: str = Field(pattern=r"^[0-9a-f]{32}$")
    url: str
    model: str
    at: str
    asked: tuple[Asked, ...]


class Ended(Record):
    """How every request of a batch ended, and what in its files belonged to none of them.

    status: the endpoint's last word on the batch. fates: by request hash, each request exactly once. why: a
    short reason for each that was not answered. unknown, repeated, unreadable: lines refused.
    """

    status: str
    at: str
    fates: dict[Sha256, Fate]
    why: dict[Sha256, str] = Field(default_factory=dict)
    unknown: int = 0
    repeated: int = 0
    unreadable: int = 0

    def count(self, fate: Fate) -> int:
        """Return how many requests ended so."""
        return sum(1 for value in self.fates.values() if value is fate)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a batch may hold (OpenAI's limits), and for how long to be patient, in seconds.

    settle_seconds: after a batch may have been made, before a list of batches without it is believed.
    patience_seconds: for files that a batch which is over does not have yet.
    """

    requests: int = 50_000
    bytes: int = 200_000_000
    settle_seconds: float = 30.0
    patience_seconds: float = 3_600.0


@dataclass(frozen=True, slots=True)
class BatchTally:
    """Where the questions of a run stand: wanted = answered + requeued + failed + waiting.

    requeued: to be asked in a later batch, because none took them yet or the one that did brought no answer.
    failed: the endpoint will not answer them. waiting: in a batch under way. held: of the requeued ones, kept
    back by the budget. reasons: why requests of batches came back without an answer, and how many did.
    lost: how many of those may have been charged all the same. refused_lines: lines of result files that
    answer no request of theirs, answer one again, or cannot be read.
    """

    answered: int = 0
    requeued: int = 0
    failed: int = 0
    waiting: int = 0
    held: int = 0
    lost: int = 0
    refused_lines: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def wanted(self) -> int:
        """Return how many questions there are in all."""
        return self.answered + self.requeued + self.failed + self.waiting

    def sentence(self) -> str:
        """Return the counts as one line for a person."""
        line = (
            f"{self.wanted} questions for batches: {self.answered} answered, {self.waiting} waiting, "
            f"{self.requeued} to be asked again, {self.failed} failed"
        )
        if self.reasons:
            line += f"; without an answer: {listed(self.reasons.items())}"
        if self.lost:
            line += f"; {self.lost} perhaps charged for nothing"
        return line + (f"; {self.refused_lines} lines of result files refused" if self.refused_lines else "")


def listed(counts: Iterable[tuple[str, int]]) -> str:
    """Return 'name 3, other 1', most first."""
    ordered = sorted(counts, key=lambda pair: (-pair[1], pair[0]))
    return ", ".join(f"{name} {count}" for name, count in ordered)
