"""The recording: nothing asked twice, kept before read, recovered after a kill; and request hashes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from curation.drafting.llm import ImagePart, Message, read_response
from curation.drafting.recorded import RecordedModel
from curation.errors import TransientError
from curation.ids import canonical_json
from tests.drafts import FakeModel, Store, body, request


def test_an_answer_is_asked_for_once() -> None:
    model, store = FakeModel(), Store()
    recorded = RecordedModel(model, store)
    assert asyncio.run(recorded.complete(request())) == asyncio.run(recorded.complete(request()))
    assert len(model.asked) == 1


def test_the_raw_answer_is_kept_whatever_it_is() -> None:
    store = Store()
    asyncio.run(RecordedModel(FakeModel(body("no JSON at all")), store).complete(request()))
    assert store.answers[request().request_sha256] == canonical_json(body("no JSON at all")).encode()


def test_the_intent_is_on_disk_before_the_request_is_sent() -> None:
    store = Store()

    class Dying(FakeModel):
        async def complete(self, request: object) -> object:  # type: ignore[override]
            assert store.marks
            raise TransientError("gone")

    with pytest.raises(TransientError):
        asyncio.run(RecordedModel(Dying(), store).complete(request()))
    assert not store.answers


def test_an_answer_that_was_given_but_not_kept_is_fetched_not_asked_for() -> None:
    model, store = FakeModel(), Store()
    given = asyncio.run(model.complete(request()))
    asyncio.run(store.mark_sent(request().request_sha256))
    assert asyncio.run(RecordedModel(model, store).complete(request())) == given
    assert len(model.asked) == 1


def test_a_request_that_never_arrived_is_sent_again() -> None:
    model, store = FakeModel(), Store()
    asyncio.run(store.mark_sent(request().request_sha256))
    asyncio.run(RecordedModel(model, store).complete(request()))
    assert len(model.asked) == 1


def test_the_hash_covers_all_that_decides_an_answer() -> None:
    plain = request()
    picture = Message("user", "see", (ImagePart(b"jpeg"),))
    others = [
        request("Another text about Petra."),
        request(draw=1),
        replace(plain, model="another"),
        replace(plain, parameters={"temperature": 1.0}),
        replace(plain, prompt_sha256="0" * 64),
        replace(plain, schema={}),
        replace(plain, messages=(*plain.messages, picture)),
        replace(plain, messages=(*plain.messages, replace(picture, images=(ImagePart(b"png"),)))),
    ]
    assert len({one.request_sha256 for one in (plain, *others)}) == 9
    assert request().request_sha256 == plain.request_sha256


def test_refusals_filters_and_cuts_are_told_apart() -> None:
    assert read_response(canonical_json(body(None, refusal="I will not"))).finish_reason == "refusal"
    assert read_response(canonical_json(body("{", "length"))).finish_reason == "length"
    assert read_response('{"error":{"code":"content_filter"}}').finish_reason == "content_filter"


@pytest.mark.parametrize("raw", ["[]", "{}", '{"choices":[]}', '{"choices":[{"message":7}]}'])
def test_what_is_no_completion_is_transient(raw: str) -> None:
    with pytest.raises(TransientError):
        read_response(raw)
