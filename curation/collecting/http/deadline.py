"""Until when the next byte of an answer must have come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from curation.collecting.http.settings import DoorSettings

_SLACK = 0.05  # seconds by which a deadline may be too early: setting it anew with every part costs CPU


class Deadline:
    """One timer a request, moved while the body comes: first byte, idle, total, and least speed in one."""

    def __init__(self, settings: DoorSettings) -> None:
        """Start with the time for the connection and the headers. timer: enter it around the request."""
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._started = self._body = self._loop.time()
        self._received, self._set = 0, self._started
        first = settings.connect_seconds + settings.first_byte_seconds
        self.timer = asyncio.timeout_at(self._started + min(first, settings.total_seconds))

    def body_begins(self) -> None:
        """Start to measure the speed of the body."""
        self._body = self._loop.time()
        self._move(self._body)

    def moved(self, received: int) -> None:
        """Set the deadline anew after received bytes of the body."""
        self._received, now = received, self._loop.time()
        if now > self._set + _SLACK:
            self._move(now)

    def _move(self, now: float) -> None:
        limits, received, self._set = self._settings, self._received, now
        when = min(self._started + limits.total_seconds, now + limits.idle_seconds)
        if limits.min_kib_per_second:
            slowest = self._body + limits.idle_seconds + received / (limits.min_kib_per_second * 1024)
            when = min(when, slowest)
        self.timer.reschedule(when)

    async def pausing(self, waiting: Awaitable[None]) -> None:
        """Await what we ourselves wait for; that time does not count."""
        self.timer.reschedule(None)
        before = self._loop.time()
        await waiting
        waited = self._loop.time() - before
        self._started += waited
        self._body += waited
        self._move(self._loop.time())
