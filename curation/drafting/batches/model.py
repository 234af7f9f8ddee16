"""The model of a run with batches: it answers from what is kept and writes down what it has to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from curation.drafting.batches.folder import waiting_in
from curation.drafting.batches.lines import request_line
from curation.drafting.batches.records import Asked, UnansweredError, WaitingError
from curation.drafting.batches.spool import Part, Spool
from curation.drafting.endpoint.recorded import note_on
from curation.drafting.llm import (
    Endpoint,
    LanguageModel,
    LlmRequest,
    LlmResponse,
    ResponseStore,
    read_response,
)
from curation.drafting.money.budget import Budget, Reservation
from curation.drafting.money.prices import Prices
from curation.errors import LimitReachedError
from curation.records import Usage


@dataclass(frozen=True, slots=True)
class Wire:
    """How an endpoint is asked in a batch.

    url: '/v1/chat/completions' or '/v1/responses'. body: returns what is posted there for a request.
    """

    url: str
    body: Callable[[LlmRequest], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of batches: questions under way, why others failed, and the tokens that may be spent on.

    tokens: the most that all batches under way may take.
    """

    under_way: Container[str]
    failed: Mapping[str, str]
    tokens: int = 0


class BatchModel:
    """Stands in for a recorded model during one pass of drafting.

    held: questions that the budget kept back. wanted: those that go into the next batch. answered: those
    whose answer was there. failed: those that no batch will answer, and why.
    """

    def __init__(
        self,
        store: ResponseStore,
        wire: Wire,
        spool: Spool,
        known: Known,
        *,
        budget: Budget | None = None,
        endpoint: Endpoint | None = None,
        prices: Prices | None = None,
    ) -> None:
        """Answer from store, write questions to spool.

        budget: at batch prices, with all that was or may have been spent so far. endpoint: is asked for the
        answer to a question that was sent online before and never came back. prices: of such answers.
        """
        self._store = store
        self._wire = wire
        self._spool = spool
        self._known = known
        self._budget = budget
        self._endpoint = endpoint
        self._prices = prices
        self.wanted: set[str] = set()
        self.held: set[str] = set()
        self.answered: set[str] = set()
        self.failed: dict[str, str] = {}

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return the kept answer. Raises WaitingError when there is none yet and the question is noted.

        Raises UnansweredError when no batch will bring one, PrerequisiteError when nobody told the price.
        """
        key = request.request_sha256
        answer = await self._kept(key, request)
        if answer is not None:
            if key in self._known.failed and answer.usage == Usage():  # it is kept as refused
                self.failed[key] = self._known.failed[key]
            else:
                self.answered.add(key)
            return answer
        if key in self._known.failed:
            self._fail(key, self._known.failed[key])
        if key not in self._known.under_way and key not in self.wanted:
            self.wanted.add(key)
            await self._want(key, request)
        raise WaitingError("the question waits for a batch: run the same command with --batch again later")

    def close(self) -> list[Part]:
        """Return the input files of what is wanted."""
        return self._spool.close()

    async def _kept(self, key: str, request: LlmRequest) -> LlmResponse | None:
        kept = self._store.get(key)
        if kept is not None:
            return replace(read_response(kept.decode("utf-8")), note=self._store.note(key))
        lost = self._endpoint is not None and key not in self._known.under_way and self._store.sent(key)
        if not lost or self._endpoint is None:
            return None
        found = await self._endpoint.recover(request)
        if found is None:
            return None
        cost = self._prices.cost(request.model, found.usage) if self._prices else None
        note = note_on(request, found, cost=cost)
        await self._store.put(key, found.raw.encode("utf-8"), note)
        return replace(found, note=note)

    async def _want(self, key: str, request: LlmRequest) -> None:
        held = await self._reserved(request)
        if self._budget is not None and held is None:
            self.wanted.discard(key)
            self.held.add(key)
            return
        asked = Asked(
            request_sha256=key,
            prompt_id=request.prompt_id,
            worst=held.worst if held is not None else None,
            tokens=held.tokens if held is not None else 0,
            tries=len(self._store.tries(key)),
        )
        line = request_line(key, self._wire.url, self._wire.body(request))
        if not self._spool.add(request.model, asked, line):
            self.wanted.discard(key)
            if held is not None and self._budget is not None:
                self._budget.release(held)
            self._fail(key, "larger than a batch may be")

    async def _reserved(self, request: LlmRequest) -> Reservation | None:
        """Hold a request's worst case, None when there is no budget or no room in it.

        What batches under way may cost is spent already for a budget; their tokens are not.
        """
        if self._budget is None:
            return None
        held, money = await _reserved(self._budget, request), self._budget.money
        tokens = money.tokens + money.reserved_tokens + self._known.tokens
        if held is not None and money.max_tokens is not None and tokens > money.max_tokens:
            self._budget.release(held)
            return None
        return held

    def _fail(self, key: str, why: str) -> None:
        self.failed[key] = why
        raise UnansweredError(f"no batch brings an answer to this question ({why}): try it without --batch")


class AfterBatches:
    """An online model that leaves alone what a batch under way is going to answer: nothing is paid twice."""

    def __init__(self, inner: LanguageModel, store: ResponseStore, root: Path) -> None:
        """Ask inner for all but the questions of the batches that lie under root and are not over."""
        self._inner = inner
        self._store = store
        self._under_way = waiting_in(root)

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return the inner model's answer. Raises WaitingError for a question that waits in a batch."""
        key = request.request_sha256
        if key in self._under_way and self._store.note(key) is None:
            raise WaitingError("the question is in a batch under way: fetch its answer with --batch")
        return await self._inner.complete(request)


async def _reserved(budget: Budget, request: LlmRequest) -> Reservation | None:
    """Hold a request's worst case, None when there is no room for it.

    A budget lets requests wait for those in flight, but a batch frees nothing before it is submitted: who has
    to wait is told no. One turn of the loop decides.
    """
    task = asyncio.create_task(budget.reserve(request))
    await asyncio.sleep(0)
    if not task.done():
        task.cancel()
    try:
        return await task
    except (asyncio.CancelledError, LimitReachedError):
        current = asyncio.current_task()
        if current is not None and current.cancelling():
            raise
        return None
