"""The hard cap on what a project spends: money is reserved before a request leaves and settled after it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from curation.drafting.llm import LlmRequest
from curation.drafting.money.prices import Prices
from curation.errors import LimitReachedError
from curation.records import Usage

MESSAGE_TOKENS = 128
"""The most that an endpoint's chat template adds to one message, and once more to the whole."""

DEFAULT_OUTPUT_TOKENS = 8_000
"""The most that an answer may hold where a request does not say."""

_ROUND = Decimal("1e-9")


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent so far: US dollars and tokens, answers that were kept and those that were lost."""

    cost: Decimal = Decimal(0)
    tokens: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Reservation:
    """Room in the budget that one request holds: its worst case, in US dollars and tokens."""

    model: str
    worst: Decimal
    tokens: int


@dataclass(frozen=True, slots=True)
class Money:
    """Where a budget stands: spent and reserved in US dollars and tokens, and the caps, None for no cap."""

    spent: Decimal
    reserved: Decimal
    cap: Decimal | None
    tokens: int
    reserved_tokens: int
    max_tokens: int | None


class Budget:
    """One run's share in what the project may spend; every method belongs to one event loop's thread.

    Spent and reserved together never pass the cap, whatever the interleaving, as long as the endpoint charges
    no more than a request's worst case: one that does makes all later worst cases as much larger. Requests
    wait in the order in which they came.
    """

    def __init__(
        self,
        prices: Prices,
        cap: Decimal | None,
        max_tokens: int | None,
        spent: Spent,
        *,
        in_batch: bool = False,
    ) -> None:
        """Begin with what was spent before. cap: US dollars; in_batch: at the batch price."""
        self._prices = prices
        self._cap = cap
        self._max_tokens = max_tokens
        self._in_batch = in_batch
        self._cost = spent.cost
        self._tokens = spent.tokens
        self._held: set[Reservation] = set()
        self._held_cost = Decimal(0)
        self._held_tokens = 0
        self._stretch = Decimal(1)
        self._waiting: deque[tuple[LlmRequest, asyncio.Future[Reservation]]] = deque()

    @property
    def money(self) -> Money:
        """Return where the budget stands now."""
        return Money(
            self._cost, self._held_cost, self._cap, self._tokens, self._held_tokens, self._max_tokens
        )

    async def reserve(self, request: LlmRequest) -> Reservation:
        """Hold a request's worst case, waiting while requests in flight may still free room.

        Raises LimitReachedError when nothing is in flight and it does not fit, PrerequisiteError when nobody
        told the model's price.
        """
        if not self._waiting and self._fits(worst := self._worst(request)):
            return self._hold(worst)
        future: asyncio.Future[Reservation] = asyncio.get_running_loop().create_future()
        entry = (request, future)
        self._waiting.append(entry)
        self._serve()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.release(future.result())
            elif entry in self._waiting:
                self._waiting.remove(entry)
                self._serve()
            raise

    def cost(self, model: str, usage: Usage, *, cached_tokens: int = 0) -> Decimal:
        """Return what an answer with this usage costs in US dollars; cached_tokens: as in Prices.cost."""
        return self._prices.cost(model, usage, cached_tokens=cached_tokens, in_batch=self._in_batch)

    def settle(self, reservation: Reservation, usage: Usage, *, cached_tokens: int = 0) -> Decimal:
        """Count what an answer cost in place of its worst case, and return it in US dollars.

        cached_tokens: as in Prices.cost. An answer without any usage is counted at its worst case.
        """
        if usage.input_tokens <= 0 and usage.output_tokens <= 0:
            return self.lost(reservation)
        actual = self.cost(reservation.model, usage, cached_tokens=cached_tokens)
        tokens = usage.input_tokens + usage.output_tokens
        over = Decimal(tokens) / max(reservation.tokens, 1)
        if reservation.worst:
            over = max(over, actual / reservation.worst)
        self._stretch = max(self._stretch, self._stretch * over)
        self._count(reservation, actual, tokens)
        return actual

    def release(self, reservation: Reservation) -> None:
        """Give back what a request held that was not charged."""
        self._count(reservation, Decimal(0), 0)

    def lost(self, reservation: Reservation) -> Decimal:
        """Count a request that was perhaps charged at its worst case, and return it in US dollars."""
        self._count(reservation, reservation.worst, reservation.tokens)
        return reservation.worst

    def _count(self, reservation: Reservation, cost: Decimal, tokens: int) -> None:
        if reservation not in self._held:
            raise ValueError("this reservation was settled before")
        self._held.remove(reservation)
        self._held_cost -= reservation.worst
        self._held_tokens -= reservation.tokens
        self._cost += cost
        self._tokens += tokens
        self._serve()

    def _worst(self, request: LlmRequest) -> Reservation:
        tokens_in, tokens_out = worst_tokens(request, self._prices.row(request.model).picture_tokens)
        worst = self._prices.worst(request.model, tokens_in, tokens_out, in_batch=self._in_batch)
        tokens = tokens_in + tokens_out
        if self._stretch > 1:  # to a round amount, so that sums stay exact
            worst = (worst * self._stretch).quantize(_ROUND, ROUND_CEILING)
            tokens = int(tokens * self._stretch) + 1
        return Reservation(request.model, worst, tokens)

    def _fits(self, worst: Reservation) -> bool:
        cost = self._cost + self._held_cost + worst.worst
        tokens = self._tokens + self._held_tokens + worst.tokens
        return not self._is_dear(worst, cost) and (self._max_tokens is None or tokens <= self._max_tokens)

    def _is_dear(self, worst: Reservation, cost: Decimal) -> bool:
        """Tell whether the cap is passed; what costs nothing passes none, whatever was spent before."""
        return self._cap is not None and worst.worst > 0 and cost > self._cap

    def _hold(self, reservation: Reservation) -> Reservation:
        self._held.add(reservation)
        self._held_cost += reservation.worst
        self._held_tokens += reservation.tokens
        return reservation

    def _serve(self) -> None:
        """Serve waiting requests in order: hold what fits, refuse what never will, else let them wait."""
        while self._waiting:
            request, future = self._waiting[0]
            if future.done():
                self._waiting.popleft()
                continue
            try:
                worst = self._worst(request)
            except Exception as error:  # noqa: BLE001 - it belongs to who asked, not to who freed the room
                self._waiting.popleft()
                future.set_exception(error)
                continue
            if self._fits(worst):
                future.set_result(self._hold(worst))
            elif not self._held:
                future.set_exception(self._reached(worst))
            else:
                return
            self._waiting.popleft()

    def _reached(self, worst: Reservation) -> LimitReachedError:
        if self._cap is not None and self._is_dear(worst, self._cost + worst.worst):
            return LimitReachedError(
                f"the budget is reached: {dollars(self._cost)} of {dollars(self._cap)} are spent, the next "
                f"question may cost {dollars(worst.worst)}; go on with a larger --budget (answers are kept)"
            )
        return LimitReachedError(
            f"the limit of {self._max_tokens:,} tokens is reached: {self._tokens:,} are spent and the next "
            f"question may take {worst.tokens:,}; go on with a larger --max-tokens (answers are kept)"
        )


def worst_tokens(request: LlmRequest, picture_tokens: int) -> tuple[int, int]:
    """Return the most tokens that a request may hold and its answer may have.

    A token of a byte-level vocabulary is at least one byte long, so the bytes of all texts and of the schema
    bound the input; each message and the whole add what a chat template writes around them.
    """
    texts = sum(len(message.text.encode("utf-8", "surrogatepass")) for message in request.messages)
    schema = len(json.dumps(request.schema, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    pictures = sum(len(message.images) for message in request.messages)
    around = MESSAGE_TOKENS * (len(request.messages) + 1)
    limits = [
        int(request.parameters[name])
        for name in ("max_output_tokens", "max_completion_tokens", "max_tokens")
        if name in request.parameters
    ]
    return texts + schema + around + pictures * picture_tokens, max(limits, default=DEFAULT_OUTPUT_TOKENS)


def dollars(amount: Decimal) -> str:
    """Return an amount to show, with enough digits: '$12.30', '$0.0042'."""
    if amount == 0 or amount >= Decimal("0.01"):
        return f"${amount:,.2f}"
    return f"${amount:.4f}" if amount >= Decimal("0.0001") else "under $0.0001"
