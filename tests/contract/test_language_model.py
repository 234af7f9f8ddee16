"""What every Endpoint promises, asked of the adapter over real HTTP and of the fake in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.drafting.llm import Endpoint, RecordedModel
from curation.drafting.openai_model import OpenAIModel
from curation.drafting.rules.process import rule_endpoint
from tests.drafts import FakeModel, Store, request


@pytest.fixture(params=["http", "memory"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Endpoint]:
    if request.param == "memory":
        yield FakeModel()
        return
    with rule_endpoint(tmp_path / "ledger.jsonl") as (url, key):
        yield OpenAIModel(url, key)


def test_an_endpoint_answers_remembers_and_never_parses(endpoint: Endpoint) -> None:
    assert endpoint.recover(request()) is None
    answer = endpoint.complete(request())
    assert answer.text.startswith("{")
    assert answer.finish_reason == "stop"
    assert answer.usage.input_tokens > 0
    assert endpoint.recover(request()) == answer
    assert endpoint.recover(request(draw=1)) is None
    assert endpoint.complete(request()) == answer


def test_recording_over_an_endpoint_keeps_the_same_bytes_however_it_got_them(endpoint: Endpoint) -> None:
    asked, recovered = Store(), Store()
    RecordedModel(endpoint, asked).complete(request())
    recovered.mark_sent(request().request_sha256)
    RecordedModel(endpoint, recovered).complete(request())
    assert asked.answers == recovered.answers
