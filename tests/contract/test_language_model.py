"""What every Endpoint promises, asked of the adapter over real HTTP and of the fake in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.llm import Endpoint
from curation.drafting.rules.process import rule_endpoint
from tests.drafts import FakeModel, request
from tests.llm_server import KEY, LlmServer
from warehouse.artefacts import Artefacts, Responses


@pytest.fixture(params=["rules", "scripted", "memory"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Endpoint]:
    if request.param == "memory":
        yield FakeModel()
        return
    if request.param == "scripted":
        with LlmServer() as server:
            yield OpenAIModel(server.base_url, KEY)
        return
    with rule_endpoint(tmp_path / "ledger.jsonl") as (url, key):
        yield OpenAIModel(url, key)


async def _asked_again(endpoint: Endpoint) -> None:
    assert await endpoint.recover(request()) is None
    answer = await endpoint.complete(request())
    assert answer.text.startswith("{")
    assert answer.finish_reason == "stop"
    assert answer.usage.input_tokens > 0
    assert await endpoint.recover(request()) == answer
    assert await endpoint.recover(request(draw=1)) is None
    assert await endpoint.complete(request()) == answer


def test_an_endpoint_answers_remembers_and_never_parses(endpoint: Endpoint) -> None:
    asyncio.run(_asked_again(endpoint))


async def _kept(endpoint: Endpoint, home: Path) -> list[bytes | None]:
    asked, recovered = Responses(Artefacts(home / "asked")), Responses(Artefacts(home / "recovered"))
    await RecordedModel(endpoint, asked).complete(request())
    await recovered.mark_sent(request().request_sha256)
    await RecordedModel(endpoint, recovered).complete(request())
    return [store.get(request().request_sha256) for store in (asked, recovered)]


def test_recording_over_an_endpoint_keeps_the_same_bytes_however_it_got_them(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    asked, recovered = asyncio.run(_kept(endpoint, tmp_path))
    assert asked == recovered is not None
