"""What is remembered of a request, and where answers and memories are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import Field

from curation.errors import ForgeError, Reason
from curation.records import Record, Sha256


class FetchRefused(ForgeError):  # noqa: N818 - named like Rejected
    """An API said no for good (404, 410 and other 4xx): asking again changes nothing."""

    def __init__(self, message: str, status: int) -> None:
        """Remember the HTTP status beside the message."""
        super().__init__(message)
        self.status = status


class FetchRecord(Record):
    """One finished request, kept or refused for good; passing failures leave no record.

    url: as asked for; form: what was posted to it. final_url: after redirects. status: HTTP status, 0 where
    no request was made (robots). sha256: the body's, None where none was kept. reason, detail: why nothing
    was kept. limit: the largest body that was allowed, in bytes, where the reason is image_too_large. size:
    of the body, in bytes. media_type: as the Content-Type says; found_type: as the first bytes say, '' for
    JSON. headers: those of interest, by lower-case name. retrieved_at: ISO 8601, UTC. replaced: the sha256
    of the body that an earlier record of the same URL has, where it differs.
    """

    url: str
    final_url: str
    status: int
    sha256: Sha256 | None = None
    size: int = 0
    reason: Reason | None = None
    detail: str = ""
    limit: int | None = None
    media_type: str = ""
    found_type: str = ""
    headers: dict[str, str] = Field(default_factory=dict)
    form: dict[str, str] | None = None
    retrieved_at: str
    replaced: Sha256 | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """What a door did so far, for a live progress bar.

    requests: sent over the network. received: bytes of bodies. hits: answered from the store. waits: how
    often a host asked us to pause. paused: hosts that are paused now, with the seconds that are left.
    """

    requests: int = 0
    received: int = 0
    hits: int = 0
    waits: int = 0
    paused: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """A record (as JSON value) on its way into the store under a request's key, with its body if any."""

    key: str
    record: dict[str, Any]
    body: bytes | None = None


class FetchStore(Protocol):
    """Keeps bodies by content and records by request; several threads may call at once."""

    def find(self, key: str) -> dict[str, Any] | None:
        """Return the newest record of a request, None when there is none."""
        ...

    def body(self, sha256: str) -> bytes:
        """Return a kept body. Raises IntegrityError when it is missing or damaged."""
        ...

    def keep(self, entries: Sequence[Entry]) -> None:
        """Keep bodies, then records; all are on disk when it returns. Raises OSError when the disk is full.

        A record is kept with the sha256 and the size of its body.
        """
        ...

    def used_bytes(self) -> int:
        """Return how many bytes the bodies named by records take, each counted once."""
        ...

    def free_bytes(self) -> int:
        """Return how many bytes are free on the disk."""
        ...
