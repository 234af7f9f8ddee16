"""The adapter against the scripted endpoint on loopback: both APIs, probing, errors, a key kept secret."""

from __future__ import annotations

import json
import logging
import traceback
from dataclasses import replace
from typing import Any

import pytest

from curation.drafting.endpoint.openai_http import is_openais
from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import ImagePart, Message, read_response
from curation.errors import (
    ForgeError,
    LimitReachedError,
    PrerequisiteError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)
from tests.drafts import request
from tests.llm_asks import APIS, CHAT, KEY, RESPONSES, ask, model, run, settings
from tests.llm_replies import Reply, in_turn
from tests.llm_server import LlmServer, Manners


@pytest.mark.parametrize("api", APIS)
def test_a_request_bears_schema_hash_and_limit_and_no_key(api: str) -> None:
    asked = replace(request(), parameters={"max_completion_tokens": 900, "temperature": 0.5})
    with LlmServer() as server:
        response = ask(server, settings(api), asked)[0]
    sent = server.bodies[0]
    assert "Jordan" in json.loads(response.text)["original_text"]
    assert response.finish_reason == "stop"
    assert response.usage.input_tokens > 0
    assert response.usage.output_tokens > 0
    assert sent["metadata"] == {"request_sha256": asked.request_sha256}
    assert sent["temperature"] == 0.5
    assert sent["max_completion_tokens" if api == "chat" else "max_output_tokens"] == 900
    given = sent["response_format"]["json_schema"] if api == "chat" else sent["text"]["format"]
    assert (given["name"], given["strict"]) == ("OriginalKnowledge", True)
    assert KEY not in json.dumps(server.bodies)
    assert list(server.asked) == [asked.request_sha256]


@pytest.mark.parametrize("api", APIS)
def test_a_picture_is_sent_as_a_data_address(api: str) -> None:
    asked = replace(request(), messages=(Message("user", "look", (ImagePart(b"abc"),)),))
    with LlmServer(lambda _: Reply("{}")) as server:
        ask(server, settings(api), asked)
    rows = server.bodies[0]["messages" if api == "chat" else "input"]
    picture = rows[0]["content"][1]
    address = "data:image/jpeg;base64,YWJj"
    assert picture["image_url"] == ({"url": address} if api == "chat" else address)
    assert picture["type"] == ("image_url" if api == "chat" else "input_image")


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("fault", "finish", "words"),
    [
        ("refusal", "refusal", "I cannot help with that."),
        ("truncated", "length", None),
        ("filtered", "content_filter", ""),
        ("content_filter", "content_filter", ""),
        ("too_long", "length", ""),
        ("empty_choices", "stop", ""),
    ],
)
def test_what_is_no_plain_answer_is_told_apart(api: str, fault: str, finish: str, words: str | None) -> None:
    with LlmServer(in_turn(fault)) as server:
        response = ask(server, settings(api))[0]
    assert response.finish_reason == finish
    assert words is None or response.text == words
    assert read_response(response.raw) == response


def test_the_final_message_is_read_and_not_the_commentary_before_it() -> None:
    with LlmServer(in_turn("commentary")) as server:
        response = ask(server, RESPONSES)[0]
    assert "original_text" in json.loads(response.text)
    assert '"plan' in json.dumps(json.loads(response.raw))


def test_hostile_text_is_kept_as_it_came_and_can_be_written() -> None:
    with LlmServer(lambda _: Reply("half \ud800 of a pair")) as server:
        response = ask(server)[0]
    assert response.text == "half \ufffd of a pair"
    assert json.loads(response.raw.encode())["choices"][0]["message"]["content"] == "half \ud800 of a pair"


ERRORS: list[tuple[str, type[ForgeError]]] = [
    ("429", RateLimitedError),
    ("503_after", RateLimitedError),
    ("500", TransientError),
    ("drop", UnknownOutcomeError),
    ("quota", LimitReachedError),
    ("401", PrerequisiteError),
    ("403", PrerequisiteError),
    ("404", PrerequisiteError),
    ("web_page", PrerequisiteError),
]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("fault", "kind"), ERRORS)
def test_each_failure_is_of_its_kind_and_keeps_the_key(
    api: str, fault: str, kind: type[ForgeError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with LlmServer(in_turn(fault)) as server, pytest.raises(kind) as caught:
        ask(server, settings(api))
    assert type(caught.value) is kind
    assert len(server.rows) == 1  # one request is one try
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert KEY not in "".join(traceback.format_exception(caught.value)) + caplog.text


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "9" * 12}, 86_400.0),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_to_stay_away_is_told(headers: dict[str, str], seconds: float | None) -> None:
    limited = Reply(status=429, error="rate_limit_exceeded", headers=headers, charged=False)
    with LlmServer(in_turn(limited)) as server, pytest.raises(RateLimitedError) as caught:
        ask(server)
    assert caught.value.retry_after == seconds


def test_a_hang_is_an_unknown_outcome_and_a_closed_port_is_not() -> None:
    with LlmServer(in_turn("hang")) as server, pytest.raises(UnknownOutcomeError, match="in time"):
        ask(server, LlmSettings(timeout_seconds=0.3))
    with pytest.raises(TransientError) as caught:
        run(OpenAIModel("http://127.0.0.1:9/v1", KEY), lambda one: one.complete, request())
    assert type(caught.value) is TransientError


def test_a_broken_body_after_an_answer_is_an_unknown_outcome() -> None:
    with LlmServer(in_turn(Reply("{}"), "web_page")) as server, pytest.raises(UnknownOutcomeError):
        ask(server, CHAT, request(), request(draw=1))


@pytest.mark.parametrize("body", [b"[]", b"{}", b"7", b'"x"', b"[" * 100_000, b'{"choices": 7}'])
def test_what_is_no_answer_is_no_endpoint(body: bytes) -> None:
    with (
        LlmServer(lambda _: Reply(raw=body)) as server,
        pytest.raises(PrerequisiteError, match="OPENAI_BASE_URL"),
    ):
        ask(server)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("failed", "server_error", TransientError),
        ("failed", "rate_limit_exceeded", RateLimitedError),
        ("cancelled", None, UnknownOutcomeError),
        ("in_progress", None, UnknownOutcomeError),
    ],
)
def test_a_response_that_is_not_finished_is_no_answer(
    status: str, code: str | None, kind: type[ForgeError]
) -> None:
    body: dict[str, Any] = {
        "id": "r",
        "output": [],
        "status": status,
        "error": {"code": code} if code else None,
    }
    with LlmServer(lambda _: Reply(raw=json.dumps(body).encode())) as server, pytest.raises(kind) as caught:
        ask(server, RESPONSES)
    assert type(caught.value) is kind


def test_a_response_that_failed_for_its_content_is_filtered() -> None:
    body = {"output": [], "status": "failed", "error": {"code": "image_content_policy_violation"}}
    with LlmServer(lambda _: Reply(raw=json.dumps(body).encode())) as server:
        assert ask(server, RESPONSES)[0].finish_reason == "content_filter"


def test_an_error_in_a_proxys_200_is_an_error() -> None:
    limited = Reply(raw=b'{"error": {"code": 429, "message": "slow down"}}', charged=False)
    with LlmServer(in_turn(limited)) as server, pytest.raises(RateLimitedError):
        ask(server)


def test_another_model_behind_the_name_is_told_once() -> None:
    told: list[str] = []
    replies = [Reply("{}", model=name) for name in ("m-1", "m-1", "m-2", "m-2", "m-1", "m-2")]
    with LlmServer(in_turn(*replies)) as server:
        draws = [request(draw=draw) for draw in range(6)]
        run(model(server, warn=told.append), lambda one: one.complete, *draws)
    assert len(told) == 1
    assert "m-1" in told[0]
    assert "m-2" in told[0]


def test_a_stored_completion_is_recovered_and_a_response_cannot_be() -> None:
    with LlmServer(in_turn("drop", "drop")) as server:
        for setting in (CHAT, RESPONSES):
            with pytest.raises(UnknownOutcomeError):
                ask(server, setting, request(draw=(server.rows and 1) or 0))
        found = run(model(server), lambda one: one.recover, request(), request(draw=5))
        none = run(model(server, RESPONSES), lambda one: one.recover, request(draw=1))
    assert "Jordan" in found[0].text
    assert found[1] is None
    assert none == [None]


def test_an_endpoint_that_keeps_nothing_recovers_nothing() -> None:
    with LlmServer(manners=Manners(stores=False)) as server:
        assert run(model(server), lambda one: one.recover, request()) == [None]


@pytest.mark.parametrize("key", ["", "  ", "sk-\u2603", "sk-a\nb"])
def test_a_key_that_cannot_be_one_is_refused_before_anything_is_sent(key: str) -> None:
    with pytest.raises(PrerequisiteError, match="OPENAI_API_KEY") as caught:
        OpenAIModel(None, key)
    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["", "127.0.0.1:8000", "ftp://h/v1", "http://h/v1?key=s3cret", "http://[::1", "http://:0"]
)
def test_an_address_that_cannot_be_one_is_not_shown(address: str) -> None:
    with pytest.raises(PrerequisiteError, match="OPENAI_BASE_URL") as caught:
        OpenAIModel(address, KEY)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_a_login_in_the_address_goes_in_a_header_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []

    def script(asked: Any) -> Reply:
        seen.append(asked.headers["authorization"])
        return Reply("{}")

    with LlmServer(script) as server:
        address = server.base_url.replace("//", "//ann:s3cret@")
        run(OpenAIModel(address, KEY), lambda one: one.complete, request())
    assert seen == ["Basic YW5uOnMzY3JldA=="]
    assert "s3cret" not in caplog.text


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with LlmServer(lambda _: Reply("{}")) as server:
        assert ask(server)[0].text == "{}"


def test_the_api_is_chat_completions_unless_it_is_set_otherwise() -> None:
    assert OpenAIModel(None, KEY).api == "chat"
    assert OpenAIModel(None, KEY, LlmSettings(api="responses")).api == "responses"
    assert is_openais("https://eu.api.openai.com/v1")
    assert not is_openais("https://api.openai.com.evil.example/v1")
