"""A run with batches as the draft stage makes it, small enough for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from curation.drafting.batches.endpoint import BatchEndpoint
from curation.drafting.batches.model import Wire
from curation.drafting.batches.records import BatchTally, Limits, UnansweredError, WaitingError
from curation.drafting.batches.run import Batches
from curation.drafting.llm import LanguageModel, LlmRequest, LlmResponse, Message
from curation.drafting.money.budget import Budget
from curation.drafting.money.prices import Prices
from flows.drafting import batch as draft_batch
from flows.drafting.batch import submit_and_collect
from tests.llm_server import KEY
from warehouse.artefacts import Artefacts, Responses

IMPATIENT = Limits(settle_seconds=0.05, patience_seconds=0.0)


def chat_body(asked: LlmRequest) -> Mapping[str, Any]:
    """Return a chat completion's body, as small as the test endpoint needs it."""
    return {
        "model": asked.model,
        "messages": [{"role": message.role, "content": message.text} for message in asked.messages],
    }


def questions(count: int) -> list[LlmRequest]:
    """Return so many different requests."""
    return [
        LlmRequest(
            prompt_id="original_knowledge.v1",
            prompt_sha256="0" * 64,
            messages=(Message("system", "Answer briefly."), Message("user", f"What is the number {draw}?")),
            model="test-model",
            parameters={"max_completion_tokens": 100},
            schema_name="Answer",
            schema={"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]},
            draw=draw,
        )
        for draw in range(count)
    ]


@dataclass
class BatchRun:
    """One project folder at one endpoint. answers: of the last pass, by request. lines: what was shown."""

    base_url: str
    home: Path
    requests: Sequence[LlmRequest]
    limits: Limits = IMPATIENT
    prices: Prices | None = None
    budget: Callable[[Responses], Budget | None] = lambda _: None
    wire: Wire = field(default_factory=lambda: Wire("/v1/chat/completions", chat_body))
    answers: dict[str, LlmResponse] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    tally: BatchTally = field(default_factory=BatchTally)

    @property
    def store(self) -> Responses:
        """Return the store of answers."""
        return Responses(Artefacts(self.home))

    def __call__(self, *, wait: bool = True) -> BatchTally:
        """Make one run of the command."""
        return asyncio.run(self._run(wait=wait))

    async def _run(self, *, wait: bool) -> BatchTally:
        store = self.store
        endpoint = BatchEndpoint(self.base_url, KEY)
        batches = Batches(
            self.home / "batches", endpoint, store, self.wire, prices=self.prices, limits=self.limits
        )
        try:
            with batches.locked(), patch.object(draft_batch, "FIRST_SECONDS", 0.01):
                self.tally = await submit_and_collect(
                    batches,
                    self._pass,
                    wait=wait,
                    show=self.lines.append,
                    budget=lambda: self.budget(store),
                )
        finally:
            await endpoint.aclose()
        return self.tally

    async def _pass(self, model: LanguageModel) -> None:
        await asyncio.gather(*(self._ask(model, asked) for asked in self.requests))

    async def _ask(self, model: LanguageModel, asked: LlmRequest) -> None:
        try:
            self.answers[asked.request_sha256] = await model.complete(asked)
        except WaitingError:
            return
        except UnansweredError as error:
            self.wrong[asked.request_sha256] = str(error)
