"""Keeps every paid answer before anybody reads it, asks for none twice and spends no more than it may."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from curation.drafting.llm import (
    AnswerNote,
    Endpoint,
    LlmRequest,
    LlmResponse,
    ResponseStore,
    before_sending,
    read_response,
)
from curation.drafting.money.budget import Budget, worst_tokens
from curation.drafting.money.prices import PICTURE_TOKENS
from curation.errors import ForgeError, UnknownOutcomeError
from curation.records import Usage

LISTED_AFTER_SECONDS = 10.0
"""A request outlives the client that was killed: until its answer is made and listed, we wait this long."""


class RecordedModel:
    """A model whose answers are kept; nothing is paid twice, not even after a kill before the save.

    The mark that a request may be charged is on disk before the request leaves (which the innermost endpoint
    tells by `about_to_send`), the answer before anybody parses it. The same request, asked at once by two,
    is sent once. Refusals are kept like all answers; a request with another draw is another request.
    """

    def __init__(self, inner: Endpoint, store: ResponseStore, budget: Budget | None = None) -> None:
        """Wrap an endpoint with a store; budget None spends without limit, and notes no costs."""
        self._inner = inner
        self._store = store
        self._budget = budget
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return the kept answer, else the one that the endpoint remembers, else a new one, kept first.

        Raises LimitReachedError when the budget has no room, and what the endpoint raises. After an
        UnknownOutcomeError, or when this is cancelled with the request on its way, the request counts as
        perhaps charged: the next time the endpoint is asked first whether it remembers the answer.
        """
        key = request.request_sha256
        while (other := self._under_way.get(key)) is not None:
            await asyncio.wait([other])
        with self._alone(key):
            kept = self._store.get(key)
            if kept is not None:
                return replace(read_response(kept.decode("utf-8")), note=self._store.note(key))
            found = await self._remembered(request) if self._store.sent(key) else None
            if found is not None:
                cached, cost = _token_details(found.raw)[0], None
                if self._budget:
                    cost = self._budget.cost(request.model, found.usage, cached_tokens=cached)
                return await self._keep(request, found, note_on(request, found, cost=cost))
            return await self._ask(request)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        turn = asyncio.get_running_loop().create_future()
        self._under_way[key] = turn
        try:
            yield
        finally:
            del self._under_way[key]
            turn.set_result(None)

    async def _remembered(self, request: LlmRequest) -> LlmResponse | None:
        """Return what the endpoint remembers, asked once more when a request sent just now may be at work."""
        found = await self._inner.recover(request)
        wait = LISTED_AFTER_SECONDS - self._store.sent_ago(request.request_sha256)
        if found is None and wait > 0:
            await asyncio.sleep(min(wait, LISTED_AFTER_SECONDS))
            found = await self._inner.recover(request)
        return found

    async def _ask(self, request: LlmRequest) -> LlmResponse:
        held = await self._budget.reserve(request) if self._budget else None
        key, is_marked, began = request.request_sha256, False, time.monotonic()

        async def mark() -> None:
            nonlocal is_marked, began
            if not is_marked:  # what is asked again after a refusal was not charged before
                is_marked = True
                await self._store.mark_sent(key, held.worst if held else None)
            began = time.monotonic()

        try:
            with before_sending(mark):
                response = await self._inner.complete(request)
        except BaseException as error:
            if isinstance(error, UnknownOutcomeError):
                await mark()
            elif isinstance(error, ForgeError) and is_marked:  # our errors but one say: not charged
                await self._store.unmark_sent(key)
                is_marked = False
            if self._budget and held:
                (self._budget.lost if is_marked else self._budget.release)(held)
            raise
        seconds = time.monotonic() - began
        cached, cost = _token_details(response.raw)[0], None
        if self._budget and held:
            cost = self._budget.settle(held, _charged(request, response), cached_tokens=cached)
        return await self._keep(request, response, note_on(request, response, cost=cost, seconds=seconds))

    async def _keep(self, request: LlmRequest, response: LlmResponse, note: AnswerNote) -> LlmResponse:
        await self._store.put(request.request_sha256, response.raw.encode("utf-8"), note)
        return replace(response, note=note)


def _charged(request: LlmRequest, response: LlmResponse) -> Usage:
    """Return the tokens that an answer is charged for, as far as we know.

    A request that was declined with an HTTP error bears no usage; OpenAI charges nothing for it, Azure what
    was sent: that, at most, is counted.
    """
    if response.usage == Usage() and not response.response_id:
        return Usage(input_tokens=worst_tokens(request, PICTURE_TOKENS)[0])
    return response.usage


def note_on(
    request: LlmRequest,
    response: LlmResponse,
    *,
    cost: Decimal | None = None,
    seconds: float | None = None,
    in_batch: bool = False,
) -> AnswerNote:
    """Return what to note beside an answer that came just now; cost, seconds, in_batch: as in AnswerNote."""
    cached, reasoning = _token_details(response.raw)
    return AnswerNote(
        answer=response.sha256,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        model=request.model,
        prompt_id=request.prompt_id,
        usage=response.usage,
        cost=cost,
        seconds=None if seconds is None else round(seconds, 3),
        in_batch=in_batch,
        cached_tokens=cached,
        reasoning_tokens=reasoning,
    )


def _token_details(raw: str) -> tuple[int, int]:
    """Return how many input tokens came out of the endpoint's cache, and how many were spent on reasoning."""
    usage = json.loads(raw).get("usage")
    found = []
    for names, detail in (
        (("prompt_tokens_details", "input_tokens_details"), "cached_tokens"),
        (("completion_tokens_details", "output_tokens_details"), "reasoning_tokens"),
    ):
        tables = [usage.get(name) for name in names] if isinstance(usage, dict) else []
        counts = [table.get(detail) for table in tables if isinstance(table, dict)]
        found.append(next((count for count in counts if type(count) is int and 0 <= count < 10**9), 0))
    return found[0], found[1]
