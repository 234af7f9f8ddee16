"""Tests that a budget is never passed, whatever the interleaving, and that nobody waits for ever."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.drafting.llm import ImagePart, LlmRequest, Message
from curation.drafting.money.budget import Budget, Reservation, Spent, dollars, worst_tokens
from curation.drafting.money.prices import Prices, load_prices
from curation.errors import LimitReachedError, PrerequisiteError
from curation.records import Usage

PRICES = load_prices("1,2")


def request(text: str = "", limit: int = 100, images: int = 0, model: str = "m") -> LlmRequest:
    parts = (ImagePart(b"jpeg"),) * images
    parameters: dict[str, Any] = {"max_completion_tokens": limit}
    return LlmRequest("p.v1", "0" * 64, (Message("user", text, parts),), model, parameters, "S", {})


def budget(
    cap: str | None = None, tokens: int | None = None, spent: str = "0", prices: Prices = PRICES
) -> Budget:
    return Budget(prices, Decimal(cap) if cap else None, tokens, Spent(Decimal(spent)))


async def held(money: Budget, asked: LlmRequest) -> Reservation | None:
    """Return a reservation that comes at once, None for one that has to wait."""
    task = asyncio.create_task(money.reserve(asked))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


class Endpoint:
    """Charges at most each worst case, answers in any order, and fails in all the ways that there are."""

    def __init__(self, money: Budget, moves: list[tuple[int, int, int, int]]) -> None:
        self.money, self.moves = money, moves
        self.charged, self.most, self.asked, self.refused = Decimal(0), Decimal(0), 0, 0

    async def one(self, length: int, share: int, delay: int, end: int) -> None:
        asked = request("é" * length, limit=length + 1)
        waiting = asyncio.create_task(self.money.reserve(asked))
        try:
            hold = await (self.impatient(waiting, delay) if end == 4 else waiting)
        except (LimitReachedError, asyncio.CancelledError):
            self.refused += 1
            return
        for _ in range(delay):
            await asyncio.sleep(0)
        self.asked += 1
        tokens_in, tokens_out = worst_tokens(asked, 0)
        usage = Usage(input_tokens=max(1, tokens_in * share // 100), output_tokens=tokens_out * share // 100)
        if end == 0:
            self.money.release(hold)
        elif end == 1:
            self.charged += self.money.lost(hold)
        else:
            self.charged += self.money.settle(hold, usage)
        money = self.money.money
        self.most = max(self.most, money.spent + money.reserved)

    @staticmethod
    async def impatient(waiting: asyncio.Task[Reservation], patience: int) -> Reservation:
        for _ in range(patience):
            await asyncio.sleep(0)
        waiting.cancel()
        return await waiting

    async def all(self) -> None:
        await asyncio.wait_for(asyncio.gather(*(self.one(*move) for move in self.moves)), 20)


MOVES = st.lists(
    st.tuples(st.integers(0, 400), st.integers(0, 100), st.integers(0, 6), st.integers(0, 4)), max_size=40
)


@settings(max_examples=150, deadline=None)
@given(MOVES, st.integers(1, 9_000), st.integers(0, 20_000))
def test_never_over_the_cap_and_never_stuck(
    moves: list[tuple[int, int, int, int]], cap: int, tokens: int
) -> None:
    money = Budget(PRICES, Decimal(cap).scaleb(-6), tokens, Spent())
    run = Endpoint(money, moves)
    asyncio.run(run.all())
    assert run.asked + run.refused == len(moves)
    assert run.most <= Decimal(cap).scaleb(-6)
    assert money.money.spent == run.charged and money.money.tokens <= tokens
    assert money.money.reserved == 0 and money.money.reserved_tokens == 0


def test_a_request_waits_for_room_that_one_in_flight_frees() -> None:
    async def run() -> list[str]:
        said = []
        money = budget("0.0006")
        first = await money.reserve(request())

        async def second() -> None:
            hold = await money.reserve(request())
            said.append("second")
            money.release(hold)

        task = asyncio.create_task(second())
        await asyncio.sleep(0)
        said.append("first")
        money.settle(first, Usage(input_tokens=1, output_tokens=1))
        await task
        return said

    assert asyncio.run(run()) == ["first", "second"]


def test_what_does_not_fit_when_nothing_is_in_flight_is_refused_with_the_numbers() -> None:
    async def run() -> None:
        await budget("20", spent="19.9999").reserve(request())

    with pytest.raises(LimitReachedError, match=r"\$20\.00 of \$20\.00 are spent.*--budget") as error:
        asyncio.run(run())
    assert error.value.exit_code == 5


def test_waiting_requests_are_refused_together_when_the_last_one_in_flight_takes_the_rest() -> None:
    async def run() -> list[object]:
        money = budget("0.0006")
        first = await money.reserve(request())
        waiting = [asyncio.create_task(money.reserve(request())) for _ in range(3)]
        await asyncio.sleep(0)
        money.lost(first)
        return await asyncio.gather(*waiting, return_exceptions=True)

    assert [type(end) for end in asyncio.run(run())] == [LimitReachedError] * 3


def test_a_cancelled_request_frees_its_place_and_its_money() -> None:
    async def run() -> Budget:
        money = budget("0.0006")
        first = await money.reserve(request())
        gone, waiting = (asyncio.create_task(money.reserve(request())) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        money.release(first)
        waiting.cancel()
        await asyncio.gather(gone, waiting, return_exceptions=True)
        money.release(await money.reserve(request()))
        return money

    assert asyncio.run(run()).money.reserved == 0


def test_zero_cost_passes_any_cap_but_tokens_still_count() -> None:
    async def run() -> None:
        free = budget("0.01", tokens=600, spent="7", prices=load_prices("0,0"))
        free.settle(await free.reserve(request()), Usage(input_tokens=300, output_tokens=100))
        await free.reserve(request())

    with pytest.raises(LimitReachedError, match="--max-tokens"):
        asyncio.run(run())


def test_an_answer_without_usage_counts_at_its_worst() -> None:
    async def run() -> tuple[Decimal, Decimal]:
        money = budget("1")
        hold = await money.reserve(request())
        return hold.worst, money.settle(hold, Usage())

    worst, counted = asyncio.run(run())
    assert worst == counted > 0


def test_an_endpoint_that_charges_more_than_the_worst_case_makes_later_ones_larger() -> None:
    async def run() -> tuple[Decimal, Decimal, Decimal]:
        money = budget("1")
        first = await money.reserve(request())
        money.settle(first, Usage(input_tokens=1, output_tokens=10 * first.tokens))
        later = [await money.reserve(request(text)) for text in ("a", "bb", "ccc")]
        for hold in later:
            money.release(hold)
        return first.worst, later[0].worst, money.money.reserved

    before, after, left = asyncio.run(run())
    assert after >= 10 * before and left == 0


def test_a_reservation_is_settled_once() -> None:
    async def run() -> None:
        money = budget("1")
        hold = await money.reserve(request())
        money.release(hold)
        money.settle(hold, Usage(input_tokens=1))

    with pytest.raises(ValueError, match="settled before"):
        asyncio.run(run())


def test_a_model_without_a_price_is_refused_at_the_door_and_holds_up_nobody() -> None:
    async def run() -> Reservation | None:
        money = budget("1", prices=load_prices())
        with pytest.raises(PrerequisiteError, match="--price"):
            await money.reserve(request(model="unheard-of"))
        return await held(money, request(model="gpt-5-mini"))

    assert asyncio.run(run()) is not None


def test_the_worst_case_bounds_text_pictures_and_the_answer() -> None:
    tokens_in, tokens_out = worst_tokens(request("日本語" * 100, limit=50, images=2), 6_000)
    assert tokens_in >= 900 + 12_000 and tokens_out == 50
    assert worst_tokens(request("\ud800"), 0)[0] > 0


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "$0.00"), ("1234.5", "$1,234.50"), ("0.0042", "$0.0042"), ("0.00000001", "under $0.0001")],
)
def test_amounts_are_shown_with_enough_digits(amount: str, shown: str) -> None:
    assert dollars(Decimal(amount)) == shown
