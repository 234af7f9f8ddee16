"""How gently each host is asked: streams, rates, and pauses that hold for all workers at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from random import random
from time import monotonic

from aiolimiter import AsyncLimiter
from yarl import URL

from curation.collecting.http.addresses import host_of
from curation.collecting.http.settings import DoorSettings, HostLimits
from curation.errors import TransientError

_LONGEST_BACKOFF = 3600.0
_HOPELESS = 40  # failures in a row after which a host is left alone for a while
_LEFT_ALONE = 600.0  # seconds
_HOSTS_IN_MEMORY = 4096


class Host:
    """One host: how many requests it has from us, how fast, and until when it wants none."""

    def __init__(self, name: str, limits: HostLimits, patience: float) -> None:
        """Start without a pause; patience: the longest pause in seconds that is waited for."""
        self.name, self._patience = name, patience
        self._streams = asyncio.Semaphore(limits.streams)
        self._spacing = 1 / limits.per_second if limits.per_second else 0.0
        self._starts = AsyncLimiter(1, self._spacing) if self._spacing else None
        self._bytes = limits.megabits * 1e6 / 8 if limits.megabits else 0.0
        self._flow = AsyncLimiter(self._bytes, 1) if self._bytes else None
        self._until = self._began = 0.0
        self._strikes = self._failures = self._inside = 0

    @property
    def is_idle(self) -> bool:
        """Return whether nothing would be lost if this host were forgotten."""
        return not (self._inside or self.paused or self._strikes or self._failures)

    @property
    def paused(self) -> float:
        """Return for how many more seconds nothing is asked here."""
        return max(0.0, self._until - monotonic())

    def pause(self, asked: float | None, sent: float) -> None:
        """Let nobody ask this host for a while, after a request sent at `sent` (monotonic) was told so.

        asked: the seconds of Retry-After. Without it, and when a host goes on refusing although we waited
        as told, the pauses double.
        """
        if sent >= self._began:
            self._strikes += 1
        backoff = 2.0 ** (self._strikes - (1 if asked is None else 6)) * (1 + random() / 4)
        self._began = monotonic()
        self._until = max(self._until, self._began + max(asked or 0.0, min(backoff, _LONGEST_BACKOFF)))

    def well(self, sent: float) -> None:
        """Note that a request sent at `sent` was answered: the next pause starts small again."""
        self._failures = 0
        if sent >= self._began:
            self._strikes = 0

    def failed(self) -> None:
        """Note a failure of the connection or the server; a host with nothing else is left alone."""
        self._failures += 1
        if self._failures >= _HOPELESS:
            self._failures, self._began = 0, monotonic()
            self._until = max(self._until, self._began + _LEFT_ALONE)

    def slow_down(self, seconds: float) -> None:
        """Leave at least so many seconds between the starts of requests (Crawl-delay)."""
        if seconds > self._spacing:
            self._spacing, self._starts = seconds, AsyncLimiter(1, seconds)

    async def enter(self, everyone: asyncio.Semaphore) -> None:
        """Wait until this host may be asked; then leave it again. Raises TransientError if that is too long.

        everyone: the requests at once over all hosts.
        """
        self._check_patience()
        self._inside += 1
        try:
            await self._streams.acquire()
        except BaseException:
            self._inside -= 1
            raise
        try:
            while True:
                await self._wait_for_pause()
                if self._starts:
                    await self._starts.acquire()
                await everyone.acquire()
                if not self.paused:
                    return
                everyone.release()
        except BaseException:
            self._inside -= 1
            self._streams.release()
            raise

    def leave(self, everyone: asyncio.Semaphore) -> None:
        """Let the next one enter."""
        everyone.release()
        self._inside -= 1
        self._streams.release()

    @property
    def is_metered(self) -> bool:
        """Return whether the bytes read from this host are limited."""
        return self._flow is not None

    async def flow(self, size: int) -> None:
        """Wait until size more bytes may be read from this host."""
        while self._flow and size > 0:
            part = min(size, int(self._bytes) or 1)
            await self._flow.acquire(part)
            size -= part

    def _check_patience(self) -> None:
        if self._spacing > self._patience:
            message = f"{self.name} wants {self._spacing:.0f} s between requests; raise patience_seconds"
            raise TransientError(message)
        if self.paused > self._patience:
            message = f"{self.name} wants no requests for {self.paused:.0f} s more; run again after that"
            raise TransientError(message)

    async def _wait_for_pause(self) -> None:
        while self.paused:
            self._check_patience()
            await asyncio.sleep(self.paused)


class Hosts:
    """All hosts of one run."""

    def __init__(self, settings: DoorSettings) -> None:
        """Know no host yet."""
        self._settings = settings
        self._hosts: dict[tuple[str, int], Host] = {}
        self.everyone = asyncio.Semaphore(settings.concurrency)

    def of(self, url: URL) -> Host:
        """Return the host of a URL that was checked."""
        name, port = host_of(url), url.port or 0
        key = (name, port if self._settings.trusts(name, port) else 0)
        if key not in self._hosts:
            if len(self._hosts) >= _HOSTS_IN_MEMORY:
                self._hosts = {known: host for known, host in self._hosts.items() if not host.is_idle}
            limits = self._settings.limits(name, port)
            self._hosts[key] = Host(name, limits, self._settings.patience_seconds)
        return self._hosts[key]

    def paused(self) -> Mapping[str, float]:
        """Return the hosts that are paused, with the seconds left."""
        return {host.name: round(host.paused, 1) for host in self._hosts.values() if host.paused}


class Room:
    """Bytes of bodies that may be in memory at once; who needs more than is free waits in line."""

    def __init__(self, size: int) -> None:
        """Start with all of size free."""
        self._free = size
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    def take_now(self, size: int) -> bool:
        """Take size bytes and return True if they are free and nobody waits."""
        if self._line or size > self._free:
            return False
        self._free -= size
        return True

    async def take(self, size: int) -> None:
        """Wait until size bytes are free, and take them; at most the size of the room."""
        if self.take_now(size):
            return
        place = (size, asyncio.get_running_loop().create_future())
        self._line.append(place)
        try:
            await place[1]
        except asyncio.CancelledError:
            if place in self._line:
                self._line.remove(place)
            elif not place[1].cancelled():
                self.give(size)
            raise

    def give(self, size: int) -> None:
        """Give size bytes back."""
        self._free += size
        while self._line and (self._line[0][1].cancelled() or self._line[0][0] <= self._free):
            wanted, place = self._line.popleft()
            if not place.cancelled():
                self._free -= wanted
                place.set_result(None)
