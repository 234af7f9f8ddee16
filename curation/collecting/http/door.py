"""The door: asks for pictures and API answers politely, safely, and only once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from curation.collecting.http.records import Entry, FetchRecord, FetchRefused, FetchStore
from curation.collecting.http.settings import DoorSettings, HostLimits
from curation.collecting.port import Fetched
from curation.errors import Rejected

__all__ = [
    "Door",
    "DoorSettings",
    "Entry",
    "FetchRecord",
    "FetchRefused",
    "FetchStore",
    "HostLimits",
    "Rates",
]


@dataclass(frozen=True, slots=True)
class Rates:
    """What the door did so far, for a live progress bar.

    requests: sent over the network. received: bytes of bodies. hits: answered from the store. waits: how
    often a host asked us to pause. paused: hosts that are paused now, with the seconds that are left.
    """

    requests: int = 0
    received: int = 0
    hits: int = 0
    waits: int = 0
    paused: Mapping[str, float] = field(default_factory=dict)


class Door:
    """The one way to the network. Use as `async with Door(settings, store) as door`.

    store: where bodies and records lie; what it has is not asked for again. refresh: ask again, once a run,
    with If-None-Match and If-Modified-Since for pictures.
    """

    def __init__(self, settings: DoorSettings, store: FetchStore, *, refresh: bool = False) -> None:
        """Remember what is needed; nothing is opened yet."""
        self._settings, self._store, self._refresh = settings, store, refresh

    async def __aenter__(self) -> Self:
        """Open the connections' pool and the writer."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both; what was returned before is on disk."""

    async def json(
        self,
        url: str,
        params: Mapping[str, str] = {},
        *,
        form: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Return what an API answers, parsed; with form it is a POST. Kept raw, and reused by later runs.

        Raises TransientError when a later try may work, PrerequisiteError naming the fix (no contact, a
        refused User-Agent, wrong credentials), FetchRefused for a permanent 4xx.
        """
        raise NotImplementedError

    async def picture(self, url: str, key: str) -> Fetched | Rejected:
        """Return a picture's bytes, kept and recorded; Rejected (with key) when it never will come.

        A URL that has a record is answered from the store, refused ones too. Raises TransientError when a
        later try may work (no record is left) and PrerequisiteError when no contact is set, a host refuses
        our User-Agent, or the disk is full.
        """
        raise NotImplementedError

    def rates(self) -> Rates:
        """Return what was done so far."""
        raise NotImplementedError
