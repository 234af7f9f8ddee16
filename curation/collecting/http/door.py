"""The door: asks for pictures and API answers politely, safely, and only once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from curation.collecting.http.records import FetchRecord, FetchRefused, FetchStore, Rates
from curation.collecting.http.settings import DoorSettings, HostLimits
from curation.collecting.http.turns import Turns
from curation.collecting.port import Fetched
from curation.errors import Rejected
from curation.ids import sha256_json

if TYPE_CHECKING:
    from curation.collecting.http.asking import Asking

__all__ = ["Door", "DoorSettings", "FetchRecord", "FetchRefused", "FetchStore", "HostLimits", "Rates"]
_log = logging.getLogger("mmke.http")


class Door:
    """The one way to the network. Use as `async with Door(settings, store) as door`.

    store: where bodies and records lie; what it has is not asked for again. refresh: ask again, once a run,
    with If-None-Match and If-Modified-Since for pictures. Calls may run at once, as many as wanted: the door
    itself holds them back. Of a body at most max_mib are read, and of all that are read at once, eight times
    as much is in memory.
    """

    def __init__(self, settings: DoorSettings, store: FetchStore, *, refresh: bool = False) -> None:
        """Remember what is needed; nothing is opened yet."""
        self._settings, self._store, self._refresh = settings, store, refresh
        self._opened: Asking | None = None
        self._hits = 0
        self._asked: set[str] = set()
        self._turns = Turns()

    async def __aenter__(self) -> Self:
        """Open the connections' pool and the writer. Raises PrerequisiteError when the disk is full."""
        from curation.collecting.http.asking import Asking

        self._opened = await Asking.open(self._settings, self._store)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both; what was returned before is on disk."""
        if self._opened:
            await self._opened.close()
            self._opened = None

    @property
    def _asking(self) -> Asking:
        if self._opened is None:
            message = "the door is used outside of `async with`"
            raise RuntimeError(message)
        return self._opened

    async def json(
        self,
        url: str,
        params: Mapping[str, str] = {},
        *,
        form: Mapping[str, str] | None = None,
        accept: str = "application/json",
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Return what an API answers, parsed; with form it is a POST. Kept raw, and reused by later runs.

        robots.txt is for pictures: an API is offered to programs and has terms of its own (Wikipedia's
        robots.txt keeps crawlers from the folder in which its API lies).
        Raises TransientError when a later try may work, PrerequisiteError naming the fix (no contact, a
        refused User-Agent, wrong credentials), FetchRefused for a permanent 4xx.
        """
        asked = [url, dict(params), None if form is None else dict(form), accept]
        name = f"json {sha256_json(asked)}"
        async with self._turns.of(name):
            before = self._recall(name)
            if before:
                return await self._asking.kept_json(before)
            value = await self._asking.json(name, url, params, form, accept)
            self._note(name)
            return value

    async def picture(self, url: str, key: str) -> Fetched | Rejected:
        """Return a picture's bytes, kept and recorded; Rejected (with key) when it never will come.

        A URL that has a record is answered from the store, refused ones too. Raises TransientError when a
        later try may work (no record is left) and PrerequisiteError when no contact is set, a host refuses
        our User-Agent, or the disk is full.
        """
        name = f"picture {url}"
        async with self._turns.of(name):
            before = self._recall(name)
            if before:
                return await self._asking.kept_picture(before, key)
            found = await self._asking.picture(name, url, key, self._refresh)
            self._note(name)
            return found

    def rates(self) -> Rates:
        """Return what was done so far."""
        counts, hosts = self._asking.exchange.counts, self._asking.exchange.hosts
        return Rates(counts.requests, counts.received, self._hits, counts.waits, hosts.paused())

    def _note(self, name: str) -> None:
        if self._refresh:
            self._asked.add(name)

    def _recall(self, name: str) -> FetchRecord | None:
        """Return the record that answers a request without the network, if there is one."""
        if self._refresh and name not in self._asked:
            return None
        record = self._asking.record(name)
        if record is None or (record.limit is not None and record.limit < self._settings.max_bytes):
            return None
        self._hits += 1
        return record
