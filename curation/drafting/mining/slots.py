"""Places for requests to one endpoint: half as many when it says too many, won back slowly."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from copy import copy

from curation.errors import ForgeError, RateLimitedError

_ROUNDING = 1e-9


class Slots:
    """Places for requests in flight, first come first served, and the pauses that an endpoint asks for.

    As TCP does with a link that it shares (additive increase, multiplicative decrease): each answer at the
    limit adds 1 / limit to it, so that a whole round of answers adds one place; a refusal halves it, once a
    burst: refusals of requests that left before the last halving say nothing new.
    """

    def __init__(self, most: int, patience_seconds: float) -> None:
        """Begin with all the places; patience_seconds: the longest pause that is waited for."""
        self.most = most
        self.limit = float(most)
        self.in_flight = 0
        self.paused_until = float("-inf")
        self._patience = patience_seconds
        self._halved_at = float("-inf")
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._stopped: ForgeError | None = None
        self._is_probing = False
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Return how many requests wait for a place."""
        return sum(not place.done() for place in self._waiting)

    @property
    def pause_left(self) -> float:
        """Return for how many seconds nobody may ask."""
        return max(0.0, self.paused_until - _now())

    @asynccontextmanager
    async def one(self) -> AsyncIterator[float]:
        """Wait for a place, hold it, and yield the loop's time at which it was got.

        Raises RateLimitedError when the endpoint asks for a pause longer than our patience, and what stop()
        was called with.
        """
        await self._enter()
        try:
            yield _now()
        finally:
            self.in_flight -= 1
            self._wake()

    def refused(self, asked_at: float, retry_after: float | None) -> bool:
        """Give up half the places and keep everybody waiting as asked; return whether it was a new burst."""
        if retry_after is not None and retry_after > 0:
            self.pause(retry_after)
        if asked_at < self._halved_at:
            return False
        self._halved_at = _now()
        self.limit = max(1.0, self.limit / 2)
        return True

    def answered(self) -> None:
        """Win back a part of a place, if the places were all in use."""
        if self.in_flight + _ROUNDING >= int(self.limit) and self.limit < self.most:
            self.limit = min(float(self.most), self.limit + 1 / self.limit)
            self._wake()

    def probe(self, pause_seconds: float) -> None:
        """Let one at a time try, after a pause, until trust() is called: perhaps nobody is there."""
        self._is_probing = True
        self.pause(pause_seconds)

    def trust(self) -> None:
        """Let all in again for whom there are places."""
        if self._is_probing:
            self._is_probing = False
            self._wake()

    def pause(self, seconds: float) -> None:
        """Let nobody in for so long; who waits for longer than our patience is sent away."""
        until = _now() + seconds
        if until <= self.paused_until:
            return
        self.paused_until = until
        if seconds > self._patience:
            self._dismiss(_too_long(seconds))
        if self._alarm:
            self._alarm.cancel()
        # A little later than asked, because a clock that is a hair early would find the pause not over.
        self._alarm = asyncio.get_running_loop().call_at(until + 0.001, self._wake)

    def stop(self, error: ForgeError) -> None:
        """Let nobody in any more: those who wait, and those who come, get this error."""
        self._stopped = self._stopped or error
        self._dismiss(self._stopped)

    @property
    def stopped(self) -> ForgeError | None:
        """Return the error with which nobody is let in any more."""
        return self._stopped

    async def _enter(self) -> None:
        self._check()
        if self._free() and not self._waiting:
            self.in_flight += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.in_flight -= 1  # it was given to us, and we are gone
                self._wake()
            else:
                with suppress(ValueError):
                    self._waiting.remove(place)
            raise

    def _check(self) -> None:
        if self._stopped:
            raise copy(self._stopped)  # one error raised many times would gather all their tracebacks
        left = self.pause_left
        if left > self._patience:
            raise _too_long(left)

    def _free(self) -> bool:
        limit = 1 if self._is_probing else int(self.limit + _ROUNDING)
        return self.in_flight < limit and self.pause_left <= 0

    def _wake(self) -> None:
        while self._waiting and self._free():
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    def _dismiss(self, error: ForgeError) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(copy(error))


def _too_long(seconds: float) -> RateLimitedError:
    return RateLimitedError(
        f"the language model asks for a pause of {seconds:.0f} s, longer than we wait: run again later",
        seconds,
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
