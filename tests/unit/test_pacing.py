"""How an endpoint is paced, in virtual time: limits, bursts, pauses, retries, dead ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.drafting.endpoint.pacing import Pace, PacedModel, PaceNow, RunStoppedError
from curation.drafting.llm import LlmRequest, LlmResponse
from curation.errors import (
    LimitReachedError,
    PrerequisiteError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)
from curation.records import Usage
from tests.virtual_time import run

Script = Callable[[LlmRequest, int], Awaitable[None]]


def request(number: int = 0) -> LlmRequest:
    return LlmRequest("p", "0" * 64, (), "m", {}, "s", {}, draw=number)


@dataclass
class Site:
    """An endpoint in memory; script(request, how often it was asked) sleeps and raises as a test wants it.

    begun: (time, draw) of every request; paid: those that were answered, whether or not the answer arrived.
    """

    script: Script
    remembers: bool = True
    begun: list[tuple[float, int]] = field(default_factory=list)
    paid: Counter[int] = field(default_factory=Counter)
    now: int = 0
    most: int = 0

    async def complete(self, request: LlmRequest) -> LlmResponse:
        self.begun.append((asyncio.get_running_loop().time(), request.draw))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.script(request, sum(draw == request.draw for _, draw in self.begun))
        finally:
            self.now -= 1
        self.paid[request.draw] += 1
        return LlmResponse("{}", str(request.draw), "stop", "m", "", Usage())

    async def recover(self, request: LlmRequest) -> LlmResponse | None:
        await asyncio.sleep(0.01)
        if self.remembers and self.paid[request.draw]:
            return LlmResponse("{}", "remembered", "stop", "m", "", Usage())
        return None


async def all_of(paced: PacedModel, count: int) -> list[LlmResponse | BaseException]:
    return await asyncio.gather(
        *(paced.complete(request(number)) for number in range(count)), return_exceptions=True
    )


def asked(site: Site, count: int, pace: Pace) -> tuple[list[LlmResponse | BaseException], float, PaceNow]:
    """Ask for so many; return what came, the time that it took, and the pace at the end."""

    async def work() -> tuple[list[LlmResponse | BaseException], float, PaceNow]:
        paced = PacedModel(site, pace)
        got = await all_of(paced, count)
        return got, asyncio.get_running_loop().time(), paced.now

    return run(work())


async def in_half_a_second(_: LlmRequest, __: int) -> None:
    await asyncio.sleep(0.5)


def test_a_willing_endpoint_is_kept_busy() -> None:
    site = Site(in_half_a_second)
    got, seconds, now = asked(site, 640, Pace(in_flight=64))
    assert all(isinstance(one, LlmResponse) for one in got)
    assert site.most == 64 and seconds == pytest.approx(5.0)
    assert (now.limit, now.in_flight, now.answered, now.per_second) == (64, 0, 640, 64.0)


@given(
    st.integers(1, 40),
    st.integers(1, 24),
    st.sampled_from([None, 0.0, 0.3, 2.0]),
    st.lists(st.floats(0.01, 2.0), min_size=1, max_size=7),
)
@settings(max_examples=80, deadline=None)
def test_whatever_an_endpoint_can_take_all_is_answered_once(
    capacity: int, in_flight: int, retry_after: float | None, seconds: list[float]
) -> None:
    async def script(request: LlmRequest, _: int) -> None:
        if site.now > capacity:
            await asyncio.sleep(0.01)
            raise RateLimitedError("too many", retry_after)
        await asyncio.sleep(seconds[request.draw % len(seconds)])

    site = Site(script)
    got, _, now = asked(site, 60, Pace(in_flight=in_flight))
    assert [one.text for one in got if isinstance(one, LlmResponse)] == [str(n) for n in range(60)]
    assert set(site.paid.values()) == {1} and site.most <= in_flight
    assert 1 <= now.limit <= in_flight and now.in_flight == now.waiting == 0
    assert now.rate_limited == now.retries == len(site.begun) - 60


def test_a_burst_of_refusals_halves_once() -> None:
    async def script(_: LlmRequest, times: int) -> None:
        await asyncio.sleep(0.1)
        if times == 1 and asyncio.get_running_loop().time() < 0.2:
            raise RateLimitedError("too many")

    site = Site(script)

    async def work() -> tuple[int, int]:
        paced = PacedModel(site, Pace(in_flight=32))
        tasks = [asyncio.create_task(paced.complete(request(number))) for number in range(400)]
        await asyncio.sleep(0.15)
        after = paced.now.limit
        await asyncio.gather(*tasks)
        return after, paced.now.limit

    after, later = run(work())
    assert after == 16
    assert 16 < later <= 32, "400 answers win some back, one place a round"


def test_nobody_asks_during_a_pause() -> None:
    async def script(request: LlmRequest, times: int) -> None:
        await asyncio.sleep(0.5)
        if request.draw == 3 and times == 1:
            raise RateLimitedError("a pause, please", 7.0)

    site = Site(script)
    got, _, _ = asked(site, 40, Pace(in_flight=8))
    assert all(isinstance(one, LlmResponse) for one in got)
    starts = [begun for begun, _ in site.begun]
    assert max(later - sooner for sooner, later in pairwise(starts)) >= 7.0
    assert not [start for start in starts if 0.5 < start < 7.5]


def test_a_pause_longer_than_our_patience_leaves_the_rest_for_later() -> None:
    async def script(request: LlmRequest, _: int) -> None:
        await asyncio.sleep(0.5)
        if request.draw == 3:
            raise RateLimitedError("come back tomorrow", 86_400.0)

    site = Site(script)
    got, seconds, _ = asked(site, 40, Pace(in_flight=8))
    assert seconds < 2
    assert sum(isinstance(one, LlmResponse) for one in got) == len(site.begun) - 1 < 16
    assert sum(isinstance(one, RateLimitedError) for one in got) == 40 - len(site.begun) + 1


def test_a_failure_is_retried_with_growing_waits_and_then_left() -> None:
    async def script(request: LlmRequest, times: int) -> None:
        await asyncio.sleep(0.1)
        if request.draw == 0 or times < 3:
            raise TransientError("HTTP 502")

    site = Site(script)
    got, _, now = asked(site, 2, Pace(in_flight=8, tries=4, break_after=100))
    assert isinstance(got[0], TransientError) and isinstance(got[1], LlmResponse)
    tries = [begun for begun, draw in site.begun if draw == 0]
    waits = [later - sooner for sooner, later in pairwise(tries)]
    assert len(tries) == 4 and waits == sorted(waits)
    assert now.retries == 3 + 2


@pytest.mark.parametrize("error", [TransientError("nobody listens"), UnknownOutcomeError("cut")])
@pytest.mark.parametrize("in_flight", [1, 64])
def test_a_dead_endpoint_costs_seconds(error: TransientError, in_flight: int) -> None:
    async def script(_: LlmRequest, __: int) -> None:
        raise error

    site = Site(script)
    got, seconds, _ = asked(site, 3_000, Pace(in_flight=in_flight))
    assert seconds < 30 and len(site.begun) < in_flight + 30
    stopped = [one for one in got if isinstance(one, RunStoppedError)]
    assert len(stopped) > 2_900 and "run again" in str(stopped[-1])
    assert {type(one) for one in got} <= {RunStoppedError, type(error)}


def test_a_hanging_endpoint_costs_a_few_time_outs() -> None:
    async def script(_: LlmRequest, __: int) -> None:
        await asyncio.sleep(1e9)

    many = Site(script)
    got, seconds, _ = asked(many, 300, Pace(in_flight=64, timeout_seconds=120))
    assert seconds < 250 and 64 <= len(many.begun) < 64 + 10
    unknown = sum(isinstance(one, UnknownOutcomeError) for one in got)
    assert unknown == len(many.begun), "perhaps paid: the books must know"
    one_by_one = Site(script)
    _, seconds, _ = asked(one_by_one, 300, Pace(in_flight=1, timeout_seconds=120))
    assert len(one_by_one.begun) == 3 and seconds < 400


def test_an_outage_in_between_is_survived() -> None:
    async def script(_: LlmRequest, __: int) -> None:
        await asyncio.sleep(0.5)
        if 5 < asyncio.get_running_loop().time() < 11:
            raise TransientError("HTTP 503")

    got, _, _ = asked(Site(script), 1_000, Pace(in_flight=32))
    assert all(isinstance(one, LlmResponse) for one in got)


def test_what_may_have_been_paid_is_recovered_and_never_asked_twice() -> None:
    async def script(request: LlmRequest, times: int) -> None:
        await asyncio.sleep(0.1)
        if request.draw % 3 == 0:
            site.paid[request.draw] += 1
            raise UnknownOutcomeError("the connection broke")

    site = Site(script)
    got, _, now = asked(site, 30, Pace(in_flight=8))
    assert [one.text for one in got if isinstance(one, LlmResponse)] == [
        "remembered" if n % 3 == 0 else str(n) for n in range(30)
    ]
    assert set(site.paid.values()) == {1} and now.recovered == 10
    site = Site(script, remembers=False)
    got, _, _ = asked(site, 30, Pace(in_flight=8))
    assert sum(isinstance(one, UnknownOutcomeError) for one in got) == 10
    assert set(site.paid.values()) == {1}


@pytest.mark.parametrize("error", [PrerequisiteError("a wrong key"), LimitReachedError("no money left")])
def test_what_cannot_get_better_stops_at_once(error: Exception) -> None:
    async def script(_: LlmRequest, __: int) -> None:
        await asyncio.sleep(0.5)
        raise error

    site = Site(script)
    got, seconds, _ = asked(site, 1_000, Pace(in_flight=16))
    assert len(site.begun) == 16 and seconds < 1
    assert {(type(one), str(one)) for one in got} == {(type(error), str(error))}


def test_a_run_has_an_end() -> None:
    site = Site(in_half_a_second)
    got, seconds, _ = asked(site, 1_000, Pace(in_flight=10, run_seconds=20.2))
    assert seconds == pytest.approx(20.5)
    assert sum(isinstance(one, LlmResponse) for one in got) == 410, "what was in flight is finished"
    assert sum(isinstance(one, RunStoppedError) for one in got) == 590


def test_who_is_told_to_stop_finishes_what_is_on_its_way() -> None:
    async def work() -> list[LlmResponse | BaseException]:
        paced = PacedModel(Site(in_half_a_second), Pace(in_flight=8))
        asyncio.get_running_loop().call_later(0.7, paced.stop, RunStoppedError("stopped"))
        return await all_of(paced, 100)

    got = run(work())
    assert sum(isinstance(one, LlmResponse) for one in got) == 16
    assert sum(isinstance(one, RunStoppedError) for one in got) == 84


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whoever_goes_away_leaves_the_place(data: st.DataObject) -> None:
    leave_at = data.draw(st.lists(st.floats(0.0, 5.0), min_size=40, max_size=40))

    async def script(_: LlmRequest, times: int) -> None:
        await asyncio.sleep(0.3)
        if times == 1:
            raise RateLimitedError("too many", 0.4)

    async def work() -> PaceNow:
        paced = PacedModel(Site(script), Pace(in_flight=4))
        tasks = [asyncio.create_task(paced.complete(request(number))) for number in range(40)]
        for task, seconds in zip(tasks, leave_at, strict=True):
            asyncio.get_running_loop().call_later(seconds, task.cancel)
        await asyncio.gather(*tasks, return_exceptions=True)
        late = await paced.complete(request(99))
        assert late.text == "99"
        return paced.now

    now = run(work())
    assert now.in_flight == now.waiting == 0
