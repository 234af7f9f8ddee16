"""Asks an endpoint by the real adapter, in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import LlmRequest, LlmResponse
from tests.drafts import request
from tests.llm_server import LlmServer

KEY = "sk-secret-0123456789"
APIS = ["chat", "responses"]
Ask = Callable[[LlmRequest], Awaitable[Any]]
CHAT, RESPONSES = LlmSettings(api="chat"), LlmSettings(api="responses")


def model(server: LlmServer, settings: LlmSettings = CHAT, **more: Any) -> OpenAIModel:
    return OpenAIModel(server.base_url, KEY, settings, **more)


def ask(server: LlmServer, settings: LlmSettings = CHAT, *requests: LlmRequest) -> list[LlmResponse]:
    """Send requests one after the other from one adapter."""
    return run(model(server, settings), lambda one: one.complete, *(requests or (request(),)))


def run(one: OpenAIModel, call: Callable[[OpenAIModel], Ask], *asked: LlmRequest) -> list[Any]:
    """Return what a method of an adapter gives for each request, one after the other; then close it."""

    async def all_of_it() -> list[Any]:
        try:
            return [await call(one)(each) for each in asked]
        finally:
            await one.aclose()

    return asyncio.run(all_of_it())


def settings(api: str) -> LlmSettings:
    return LlmSettings.model_validate({"api": api})
