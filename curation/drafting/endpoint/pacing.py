"""Asks one endpoint as fast as it likes, and no faster: pace, retries, deadlines and a circuit breaker."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass
from typing import TypeVar

import stamina

from curation.drafting.llm import Endpoint, LlmRequest, LlmResponse
from curation.drafting.mining.slots import Slots
from curation.errors import (
    ForgeError,
    LimitReachedError,
    PrerequisiteError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)

_Answer = TypeVar("_Answer")
_WINDOW = 10.0
_LONGEST_PROBE = 4.0
_SPREAD = 0.3
# A completion is listed by the endpoint some time after it was made.
_RECOVER_AFTER = (1.0, 4.0)

# A line for each retry would bury the rest; they are counted, and shown with the progress.
logging.getLogger("stamina").setLevel(logging.ERROR)


class RunStoppedError(ForgeError):
    """Nothing more is asked in this run: what was not asked is pending, run again later (exit 6)."""

    exit_code = 6


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard one endpoint is asked, and when we give up.

    in_flight: requests at once, at most. timeout_seconds: for one whole answer. patience_seconds: the longest
    pause that an endpoint may ask for while we wait; for a longer one the items stay pending. tries: how
    often a request is sent in all when the endpoint fails (refusals for being too many are not counted),
    retry_seconds: and for how long at most. break_after: after so many failures of one kind without an answer
    between them, one request at a time tries whether the endpoint is there, and after break_seconds of that
    it counts as dead. run_seconds: for the whole run.
    """

    in_flight: int = 64
    timeout_seconds: float = 120.0
    patience_seconds: float = 120.0
    tries: int = 5
    retry_seconds: float = 300.0
    break_after: int = 10
    break_seconds: float = 10.0
    run_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class PaceNow:
    """The pace at a moment, for a line of progress.

    in_flight, limit: requests out, and how many may be. waiting: for a place or the end of a pause.
    per_second: answers a second over the last ten. asked, answered, retries, rate_limited, recovered: counts
    of this run, without the questions whether the endpoint remembers an answer; asked counts every sending.
    paused_seconds: of the present pause that are left.
    """

    in_flight: int
    limit: int
    waiting: int
    per_second: float
    asked: int
    answered: int
    retries: int
    rate_limited: int
    recovered: int
    paused_seconds: float


class PacedModel:
    """An Endpoint around another: the same answers, asked for in good measure.

    What failed without being worked on is asked again, by stamina with growing, jittered waits. What may have
    been worked on is not: the endpoint is asked whether it remembers the answer, and else it is up to the
    caller, who keeps the books, whether to pay again.
    """

    def __init__(self, inner: Endpoint, pace: Pace | None = None) -> None:
        """Wrap an endpoint; use one of these for all that goes to it, in one event loop."""
        self._inner = inner
        self._pace = pace or Pace()
        self._slots = Slots(self._pace.in_flight, self._pace.patience_seconds)
        self._silence = _Silence(self._pace)
        self._ends: asyncio.TimerHandle | None = None
        self._times: deque[float] = deque()
        self._asked = self._answered = self._retries = self._rate_limited = self._recovered = 0

    @property
    def now(self) -> PaceNow:
        """Return the pace at this moment; call inside the event loop."""
        slots = self._slots
        self._forget_times()
        return PaceNow(
            in_flight=slots.in_flight,
            limit=int(slots.limit),
            waiting=slots.waiting,
            per_second=len(self._times) / _WINDOW,
            asked=self._asked,
            answered=self._answered,
            retries=self._retries,
            rate_limited=self._rate_limited,
            recovered=self._recovered,
            paused_seconds=slots.pause_left,
        )

    def stop(self, error: ForgeError) -> None:
        """Send nothing more: who waits for a place or comes later gets this error; what is out comes back."""
        self._slots.stop(error)

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return the answer to a request, sent when there is room and again when that may help.

        Raises TransientError where the item is for a later run (RateLimitedError; UnknownOutcomeError when it
        may have been charged and the endpoint does not remember it), RunStoppedError when the endpoint counts
        as dead or the run's time is up, and what else the endpoint raises: nobody is let in after that.
        """
        try:
            return await self._persistently(lambda: self._inner.complete(request), paid=True)
        except UnknownOutcomeError:
            answer = await self._remembered(request)
            if answer is None:
                raise
            self._recovered += 1
            return answer

    async def recover(self, request: LlmRequest) -> LlmResponse | None:
        """Return what the endpoint remembers of a request, None for nothing; errors as of complete."""
        return await self._persistently(lambda: self._inner.recover(request), paid=False)

    async def _remembered(self, request: LlmRequest) -> LlmResponse | None:
        for seconds in _RECOVER_AFTER:
            await asyncio.sleep(seconds)
            try:
                answer = await self.recover(request)
            except ForgeError:
                return None  # what is to be told is that the request may have been charged
            if answer is not None:
                return answer
        return None

    async def _persistently(self, ask: Callable[[], Awaitable[_Answer]], *, paid: bool) -> _Answer:
        """Ask until there is an answer or no sense in asking again; paid: asking twice may cost twice."""
        pace, failures, began = self._pace, 0, 0.0
        now = asyncio.get_running_loop().time

        def is_worth_it(error: Exception) -> bool | float:
            nonlocal failures, began
            began = began or now()
            if not isinstance(error, TransientError) or self._slots.stopped:
                return False
            if now() - began > pace.retry_seconds or (paid and isinstance(error, UnknownOutcomeError)):
                return False
            if isinstance(error, RateLimitedError):
                if error.retry_after is None:
                    self._retries += 1
                    return True
                is_near = error.retry_after <= pace.patience_seconds
                self._retries += is_near
                # Everybody waits as long as it asks at the places; not all need to come at once after that.
                return is_near and random.uniform(0.01, _SPREAD)
            failures += 1
            self._retries += failures < pace.tries
            return failures < pace.tries

        try:
            async for attempt in stamina.retry_context(
                on=is_worth_it, attempts=None, timeout=None, wait_initial=0.5, wait_max=8.0, wait_jitter=0.5
            ):
                with attempt:
                    return await self._once(ask, paid=paid)
        except UnknownOutcomeError:
            raise
        except TransientError:
            if self._slots.stopped:
                raise copy(self._slots.stopped) from None
            raise
        raise AssertionError  # stamina ends with an answer or an error

    async def _once(self, ask: Callable[[], Awaitable[_Answer]], *, paid: bool) -> _Answer:
        self._limit_run()
        async with self._slots.one() as asked_at:
            self._asked += paid
            try:
                async with asyncio.timeout(self._pace.timeout_seconds):
                    answer = await ask()
            except TimeoutError:
                message = f"the language model gave no whole answer within {self._pace.timeout_seconds:g} s"
                error = UnknownOutcomeError(message)
                self._failed(error, asked_at)
                raise error from None
            except TransientError as error:
                self._failed(error, asked_at)
                raise
            except (PrerequisiteError, LimitReachedError) as error:
                self._slots.stop(error)
                raise
            self._slots.answered()
            if paid:  # an endpoint may list what it made while it makes nothing any more
                self._worked()
            return answer

    def _worked(self) -> None:
        self._answered += 1
        self._silence.broken(_now())
        self._slots.trust()
        self._times.append(_now())
        self._forget_times()

    def _failed(self, error: TransientError, asked_at: float) -> None:
        if isinstance(error, RateLimitedError):
            self._rate_limited += 1
            self._slots.refused(asked_at, error.retry_after)
        times, silent = self._silence.after(error, asked_at, _now())
        if self._silence.is_dead(error, times, silent):
            self._slots.stop(_dead(error, times, silent))
        elif times >= self._pace.break_after and not isinstance(error, RateLimitedError):
            self._slots.probe(min(_LONGEST_PROBE, 0.1 * 2 ** min(times - self._pace.break_after, 9)))

    def _limit_run(self) -> None:
        """Set the end of the run with its first request."""
        if self._ends is None and self._pace.run_seconds is not None:
            late = RunStoppedError(
                f"the time for this run ({self._pace.run_seconds:g} s) is up; what was not asked is pending: "
                "run again to go on"
            )
            loop = asyncio.get_running_loop()
            self._ends = loop.call_later(self._pace.run_seconds, self._slots.stop, late)

    def _forget_times(self) -> None:
        old = _now() - _WINDOW
        while self._times and self._times[0] < old:
            self._times.popleft()


class _Silence:
    """Failures without an answer between them: by how many of a kind an endpoint counts as dead."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._answered_at = float("-inf")
        self._since: dict[type[TransientError], tuple[int, float]] = {}

    def broken(self, now: float) -> None:
        """Begin anew after an answer."""
        self._answered_at = now
        self._since.clear()

    def after(self, error: TransientError, asked_at: float, now: float) -> tuple[int, float]:
        """Count a failure; return how many of its kind there were in a row, and for how many seconds."""
        kind = type(error)
        times, first = self._since.get(kind, (0, max(asked_at, self._answered_at)))
        self._since[kind] = times + 1, first
        return times + 1, now - first

    def is_dead(self, error: TransientError, times: int, silent: float) -> bool:
        """Tell whether that is more than a living endpoint would do."""
        pace = self._pace
        # An endpoint that says "too many" is alive; it gets as long as the longest pause that it may ask for.
        least = pace.patience_seconds if isinstance(error, RateLimitedError) else pace.break_seconds
        if times >= pace.break_after and silent >= least:
            return True
        # With few requests in flight a hang would take break_after time-outs, one after the other.
        return isinstance(error, UnknownOutcomeError) and times >= 3 and silent >= 2 * pace.timeout_seconds


def _dead(error: TransientError, times: int, silent: float) -> RunStoppedError:
    return RunStoppedError(
        f"{error} ({times} times in {silent:.0f} s without one answer); "
        "what was not asked is pending: run again when the endpoint works"
    )


def _now() -> float:
    return asyncio.get_running_loop().time()
