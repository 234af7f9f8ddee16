"""The adapter against a scripted endpoint on loopback: retries, fallback, errors, a key kept secret."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from curation.drafting.llm import ImagePart, Message
from curation.drafting.openai_model import OpenAIModel
from curation.errors import PrerequisiteError, TransientError
from tests.drafts import body, request, scripted

KEY = "sk-secret-0123456789"
OK = (200, body('{"original_text": "x"}'))


def error(code: str | None = None) -> dict[str, object]:
    return {"error": {"message": f"Incorrect API key provided: {KEY}", "type": "x", "code": code}}


def test_a_request_bears_schema_and_hash_and_no_key() -> None:
    with scripted(OK) as server:
        response = asyncio.run(OpenAIModel(server.base_url, KEY).complete(request()))
    sent = server.bodies[0]
    assert response.text == '{"original_text": "x"}'
    assert response.usage.output_tokens == 5
    assert sent["response_format"]["json_schema"]["name"] == "OriginalKnowledge"
    assert sent["metadata"] == {"request_sha256": request().request_sha256}
    assert KEY not in str(sent)


def test_a_picture_is_sent_as_a_data_address() -> None:
    with_picture = replace(request(), messages=(Message("user", "look", (ImagePart(b"abc"),)),))
    with scripted(OK) as server:
        asyncio.run(OpenAIModel(server.base_url, KEY).complete(with_picture))
    assert server.bodies[0]["messages"][0]["content"][1]["image_url"]["url"] == "data:image/jpeg;base64,YWJj"


def test_one_request_is_one_try() -> None:
    with scripted((429, error()), OK) as server, pytest.raises(TransientError):
        asyncio.run(OpenAIModel(server.base_url, KEY).complete(request()))
    assert len(server.bodies) == 1


def test_lasting_500_is_transient() -> None:
    with (
        scripted((503, error())) as server,
        pytest.raises(TransientError, match="503") as caught,
    ):
        asyncio.run(OpenAIModel(server.base_url, KEY).complete(request()))
    assert KEY not in str(caught.value)


def test_an_endpoint_that_is_not_there_is_transient() -> None:
    with pytest.raises(TransientError):
        asyncio.run(OpenAIModel("http://127.0.0.1:9/v1", KEY).complete(request()))


@pytest.mark.parametrize(
    ("status", "fix"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "OPENAI_BASE_URL")]
)
def test_what_retrying_does_not_mend_names_the_fix_and_not_the_key(status: int, fix: str) -> None:
    with scripted((status, error())) as server, pytest.raises(PrerequisiteError, match=fix) as caught:
        asyncio.run(OpenAIModel(server.base_url, KEY).complete(request()))
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert KEY not in shown
    assert caught.value.__suppress_context__


def test_an_empty_key_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(PrerequisiteError, match="OPENAI_API_KEY"):
        OpenAIModel(None, "  ")


def test_an_endpoint_without_schemas_is_asked_plainly_and_remembered() -> None:
    with scripted((400, error()), OK, OK) as server:
        model = OpenAIModel(server.base_url, KEY)

        async def twice() -> None:
            await model.complete(request())
            await model.complete(request(draw=1))

        asyncio.run(twice())
    assert ["response_format" in sent for sent in server.bodies] == [True, False, False]


def test_a_request_that_is_wrong_either_way_is_a_prerequisite() -> None:
    with (
        scripted((400, error()), (400, error())) as server,
        pytest.raises(PrerequisiteError, match="HTTP 400"),
    ):
        asyncio.run(OpenAIModel(server.base_url, KEY).complete(request()))


def test_a_content_filter_is_an_answer() -> None:
    with scripted((400, error("content_filter"))) as server:
        assert (
            asyncio.run(OpenAIModel(server.base_url, KEY).complete(request())).finish_reason
            == "content_filter"
        )


def test_a_web_page_is_no_endpoint() -> None:
    with scripted((200, b"<html>hello")) as server, pytest.raises(PrerequisiteError, match="OPENAI_BASE_URL"):
        asyncio.run(OpenAIModel(server.base_url, KEY).complete(request()))


def test_an_endpoint_that_keeps_nothing_recovers_nothing() -> None:
    with scripted() as server:  # it answers GET with 501
        assert asyncio.run(OpenAIModel(server.base_url, KEY).recover(replace(request()))) is None
