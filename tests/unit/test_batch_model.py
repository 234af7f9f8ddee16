"""An answer out of a batch is the answer that an online call keeps; neither asks what the other asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from curation.drafting.batches.model import AfterBatches
from curation.drafting.batches.records import WaitingError
from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import ImagePart, LlmRequest, LlmResponse, Message
from flows.drafting import batch as draft_batch
from flows.drafting.batch import open_batches, submit_and_collect
from tests.batch_runs import questions
from tests.batch_server import BatchServer, Plan, said
from tests.llm_replies import FAULTS, Asked, Reply
from tests.llm_server import KEY
from warehouse.artefacts import Artefacts, Responses

SAID = ("refusal", "truncated", "prose", "hostile", "commentary", "content_filter", "filtered")


def by_number(asked: Asked) -> Reply:
    """Answer each question in a way of its own, the same online and in a batch."""
    number = int(asked.texts[-1][1].rstrip("?").split()[-1])
    return FAULTS[SAID[number]](said(asked)) if number < len(SAID) else said(asked)


def with_picture(asked: LlmRequest) -> LlmRequest:
    message = Message("user", asked.messages[1].text, (ImagePart(b"\xff\xd8 a picture"),))
    return LlmRequest(
        asked.prompt_id,
        asked.prompt_sha256,
        (asked.messages[0], message),
        asked.model,
        asked.parameters,
        asked.schema_name,
        asked.schema,
        asked.draw,
    )


async def online(server: BatchServer, home: Path, asked: list[LlmRequest], api: str) -> None:
    model = OpenAIModel(server.base_url, KEY, LlmSettings.model_validate({"api": api}))
    recorded = RecordedModel(model, Responses(Artefacts(home)))
    for one in asked:
        await recorded.complete(one)
    await model.aclose()


async def batched(
    server: BatchServer, home: Path, asked: list[LlmRequest], api: str = "chat", *, wait: bool = True
) -> list[LlmResponse]:
    store = Responses(Artefacts(home))
    model = OpenAIModel(server.base_url, KEY, LlmSettings.model_validate({"api": api}))
    answers: list[LlmResponse] = []

    async def one_pass(asking: object) -> None:
        answers.clear()
        for one in asked:
            try:
                answers.append(await asking.complete(one))  # type: ignore[attr-defined]
            except WaitingError:
                continue

    async with open_batches(home, (server.base_url, KEY), model, store) as batches:
        await submit_and_collect(batches, one_pass, wait=wait, show=lambda _: None, endpoint=model)
    await model.aclose()
    return answers


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draft_batch, "FIRST_SECONDS", 0.01)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_online_and_batch_keep_the_same_bytes(tmp_path: Path, api: Literal["chat", "responses"]) -> None:
    asked = [with_picture(one) if one.draw % 2 else one for one in questions(len(SAID) + 3)]
    with BatchServer(by_number) as server:
        asyncio.run(online(server, tmp_path / "online", asked, api))
        answers = asyncio.run(batched(server, tmp_path / "batch", asked, api))
        first, second = server.bodies, [row["api"] for row in server.rows]
    kept = [Responses(Artefacts(tmp_path / name)) for name in ("online", "batch")]
    for one in asked:
        pair = [store.get(one.request_sha256) for store in kept]
        assert pair[0] is not None
        assert pair[0] == pair[1]
    assert len(answers) == len(first) == len(asked)
    assert set(second) == {api}


def test_what_an_online_run_lost_is_recovered_and_not_asked_in_a_batch(tmp_path: Path) -> None:
    asked = questions(2)
    with BatchServer() as server:
        asyncio.run(online(server, tmp_path / "gone", asked[:1], "chat"))
        store = Responses(Artefacts(tmp_path / "b"))
        asyncio.run(store.mark_sent(asked[0].request_sha256))  # as a killed run leaves it
        assert len(asyncio.run(batched(server, tmp_path / "b", asked))) == 2
        assert list(server.wanted) == [asked[1].request_sha256]
        assert server.paid_twice == []


def test_an_online_run_leaves_alone_what_is_in_a_batch(tmp_path: Path) -> None:
    asked = questions(2)
    store = Responses(Artefacts(tmp_path))
    with BatchServer(plans=(Plan(polls=1),)) as server:
        asyncio.run(batched(server, tmp_path, asked[:1], wait=False))

        async def ask(request: LlmRequest) -> LlmResponse:
            model = OpenAIModel(server.base_url, KEY)
            guarded = AfterBatches(RecordedModel(model, store), store, tmp_path / "batches")
            try:
                return await guarded.complete(request)
            finally:
                await model.aclose()

        with pytest.raises(WaitingError, match="--batch"):
            asyncio.run(ask(asked[0]))
        assert asyncio.run(ask(asked[1])).text
        asyncio.run(batched(server, tmp_path, asked))
        assert asyncio.run(ask(asked[0])).text
        assert server.paid_twice == []


def test_the_same_question_twice_in_a_pass_is_asked_once(tmp_path: Path) -> None:
    with BatchServer() as server:
        answers = asyncio.run(batched(server, tmp_path, questions(1) * 3))
        assert len(answers) == 3
        assert sum(server.wanted.values()) == 1


def test_models_are_not_mixed_in_a_batch(tmp_path: Path) -> None:
    plain = questions(2)
    other = [
        LlmRequest("p.v1", "0" * 64, one.messages, "other-model", {}, one.schema_name, one.schema)
        for one in plain
    ]
    with BatchServer() as server:
        assert len(asyncio.run(batched(server, tmp_path, [*plain, *other]))) == 4
        assert len(server.batches) == 2


def test_the_key_is_in_no_file(tmp_path: Path) -> None:
    with BatchServer() as server:
        asyncio.run(batched(server, tmp_path, questions(2)))
        assert server.keys == {f"Bearer {KEY}"}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    assert not any(KEY.encode() in path.read_bytes() for path in files)
