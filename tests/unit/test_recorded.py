"""The recording: nothing asked twice, kept before read, money held and given back, fetched after a kill."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.llm import LlmRequest, LlmResponse, about_to_send
from curation.drafting.money.budget import Budget, Spent, worst_tokens
from curation.drafting.money.prices import load_prices
from curation.errors import (
    LimitReachedError,
    PrerequisiteError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)
from curation.ids import canonical_json
from tests.drafts import FakeModel, body, request
from tests.llm_replies import in_turn
from tests.llm_server import KEY, LlmServer, Manners
from warehouse.artefacts import Artefacts, Responses


def budget(cap: str = "100") -> Budget:
    return Budget(load_prices("1,2"), Decimal(cap), None, Spent())


class Failing(FakeModel):
    """A model that sends the request, then fails as it is told, then answers."""

    def __init__(self, *errors: BaseException) -> None:
        super().__init__()
        self.errors = list(errors)

    async def complete(self, request: LlmRequest) -> LlmResponse:
        await about_to_send()
        if self.errors:
            raise self.errors.pop(0)
        return await super().complete(request)


@pytest.fixture(autouse=True)
def _listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.drafting.endpoint.recorded.LISTED_AFTER_SECONDS", 0.0)


@pytest.fixture
def store(tmp_path: Path) -> Responses:
    return Responses(Artefacts(tmp_path))


def test_an_answer_is_asked_for_once_even_by_two_at_once(store: Responses) -> None:
    model, money = FakeModel(), budget()
    recorded = RecordedModel(model, store, money)

    async def twice() -> list[LlmResponse]:
        return list(await asyncio.gather(recorded.complete(request()), recorded.complete(request())))

    first, second = asyncio.run(twice())
    assert first == second
    assert len(model.asked) == 1
    assert money.money.reserved == 0
    assert money.money.spent == (first.note.cost if first.note else None)


def test_the_note_tells_usage_cost_and_time(store: Responses) -> None:
    raw = body("{}")
    raw["usage"] |= {"prompt_tokens_details": {"cached_tokens": 2}}
    raw["usage"] |= {"completion_tokens_details": {"reasoning_tokens": 4}}
    response = asyncio.run(RecordedModel(FakeModel(raw), store, budget()).complete(request()))
    note = store.note(request().request_sha256)
    assert note is not None
    assert note == response.note
    assert note.answer == response.sha256
    assert (note.usage.input_tokens, note.usage.output_tokens) == (3, 5)
    assert (note.cached_tokens, note.reasoning_tokens) == (2, 4)
    assert note.cost == Decimal("0.000013")
    assert note.seconds is not None
    assert note.prompt_id == request().prompt_id


def test_a_declined_request_costs_at_most_what_was_sent(store: Responses) -> None:
    money = budget()
    declined = FakeModel({"error": {"code": "content_filter"}})
    response = asyncio.run(RecordedModel(declined, store, money).complete(request()))
    assert response.finish_reason == "content_filter"
    sent = worst_tokens(request(), 0)[0]
    assert money.money.spent == Decimal(sent).scaleb(-6)


def test_an_answer_without_usage_costs_its_worst(store: Responses) -> None:
    money = budget()
    asyncio.run(RecordedModel(FakeModel(body("{}") | {"usage": None}), store, money).complete(request()))
    assert money.money.spent > Decimal(worst_tokens(request(), 0)[1]).scaleb(-6)


def test_the_raw_answer_is_kept_whatever_it_is(store: Responses) -> None:
    asyncio.run(RecordedModel(FakeModel(body("no JSON at all")), store).complete(request()))
    assert store.get(request().request_sha256) == canonical_json(body("no JSON at all")).encode()


def test_a_refusal_is_kept_and_another_draw_asks_anew(store: Responses) -> None:
    model = FakeModel(body(None, refusal="no"))
    recorded = RecordedModel(model, store)

    async def three() -> list[str]:
        asked = (request(), request(), request(draw=1))
        return [(await recorded.complete(one)).finish_reason for one in asked]

    assert asyncio.run(three()) == ["refusal", "refusal", "stop"]
    assert len(model.asked) == 2


@pytest.mark.parametrize(
    "error", [TransientError("x"), RateLimitedError("x", 1.0), PrerequisiteError("x"), LimitReachedError("x")]
)
def test_what_was_not_charged_holds_no_money_and_leaves_no_mark(store: Responses, error: Exception) -> None:
    money = budget()
    with pytest.raises(type(error)):
        asyncio.run(RecordedModel(Failing(error), store, money).complete(request()))
    assert money.money.spent == money.money.reserved == 0
    assert list(store.all()) == []


@pytest.mark.parametrize("error", [UnknownOutcomeError("x"), asyncio.CancelledError(), RuntimeError("bug")])
def test_what_was_perhaps_charged_is_counted_at_its_worst(store: Responses, error: BaseException) -> None:
    money, model = budget(), Failing(error)
    with pytest.raises(type(error)):
        asyncio.run(RecordedModel(model, store, money).complete(request()))
    assert money.money.reserved == 0
    assert store.tries(request().request_sha256) == (money.money.spent,)
    again = asyncio.run(RecordedModel(model, store, money).complete(request()))
    assert len(store.tries(request().request_sha256)) == 2
    assert again.note == store.note(request().request_sha256)


def test_who_is_cancelled_while_waiting_for_its_turn_has_sent_nothing(store: Responses) -> None:
    class Queue(FakeModel):
        async def complete(self, request: LlmRequest) -> LlmResponse:
            await asyncio.sleep(60)
            return await super().complete(request)

    async def cancelled() -> None:
        task = asyncio.create_task(RecordedModel(Queue(), store, money).complete(request()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    money = budget()
    asyncio.run(cancelled())
    assert money.money.spent == money.money.reserved == 0
    assert not store.sent(request().request_sha256)


def test_no_room_means_nothing_is_sent(store: Responses) -> None:
    model = Failing()
    with pytest.raises(LimitReachedError):
        asyncio.run(RecordedModel(model, store, budget("0.000001")).complete(request()))
    assert model.asked == []
    assert list(store.all()) == []


async def _dropped_then_again(server: LlmServer, store: Responses, **more: Any) -> LlmResponse:
    model = OpenAIModel(server.base_url, KEY)
    try:
        with pytest.raises(UnknownOutcomeError):
            await RecordedModel(model, store, **more).complete(request())
        return await RecordedModel(model, store, **more).complete(request())
    finally:
        await model.aclose()


def test_an_answer_that_was_given_but_never_came_is_fetched_not_paid_again(store: Responses) -> None:
    with LlmServer(in_turn("drop")) as server:
        response = asyncio.run(_dropped_then_again(server, store, budget=budget()))
        assert server.paid_twice == []
        assert len(server.rows) == 1
    assert "Jordan" in response.text
    assert response.note is not None
    assert response.note.cost == budget().cost(request().model, response.usage)
    assert store.tries(request().request_sha256) == ()


def test_an_answer_that_is_still_being_made_is_waited_for(
    store: Responses, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(FakeModel):
        looked = 0

        async def recover(self, request: LlmRequest) -> LlmResponse | None:
            self.looked += 1
            return await super().recover(request) if self.looked > 1 else None

    async def kill_and_resume() -> None:
        await model.complete(request())
        await store.mark_sent(request().request_sha256)
        await RecordedModel(model, store).complete(request())

    monkeypatch.setattr("curation.drafting.endpoint.recorded.LISTED_AFTER_SECONDS", 0.2)
    model = Slow()
    asyncio.run(kill_and_resume())
    assert (len(model.asked), model.looked) == (1, 2)


def test_where_nothing_is_stored_it_is_asked_again_and_told(store: Responses) -> None:
    with LlmServer(in_turn("drop"), Manners(stores=False)) as server:
        asyncio.run(_dropped_then_again(server, store, budget=budget()))
        assert server.paid_twice == [request().request_sha256]
    assert len(store.tries(request().request_sha256)) == 2


def test_the_mark_is_on_disk_before_the_request_is_there(store: Responses) -> None:
    marked: list[bool] = []

    def script(asked: Any) -> Any:
        marked.append(store.sent(asked.key))
        return in_turn()(asked)

    async def once() -> None:
        model = OpenAIModel(server.base_url, KEY)
        await RecordedModel(model, store).complete(request())
        await model.aclose()

    with LlmServer(script) as server:
        asyncio.run(once())
    assert marked == [True]
