"""The adapter against the scripted endpoint on loopback: both APIs, probing, errors, a key kept secret."""

from __future__ import annotations

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from curation.drafting.endpoint_settings import LlmSettings
from curation.drafting.llm import ImagePart, LlmRequest, LlmResponse, Message, read_response
from curation.drafting.openai_http import is_openais
from curation.drafting.openai_model import OpenAIModel
from curation.errors import (
    ForgeError,
    LimitReachedError,
    PrerequisiteError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)
from tests.drafts import request
from tests.llm_replies import Reply, in_turn
from tests.llm_server import LlmServer, Manners

KEY = "sk-secret-0123456789"
APIS = ["chat", "responses"]
Ask = Callable[[LlmRequest], Awaitable[Any]]
CHAT, RESPONSES = LlmSettings(api="chat"), LlmSettings(api="responses")


def model(server: LlmServer, settings: LlmSettings = CHAT, **more: Any) -> OpenAIModel:
    return OpenAIModel(server.base_url, KEY, settings, **more)


def ask(server: LlmServer, settings: LlmSettings = CHAT, *requests: LlmRequest) -> list[LlmResponse]:
    """Send requests one after the other from one adapter."""
    return run(model(server, settings), lambda one: one.complete, *(requests or (request(),)))


def run(
    one: OpenAIModel,
    call: Callable[[OpenAIModel], Callable[[LlmRequest], Awaitable[Any]]],
    *asked: LlmRequest,
) -> list[Any]:
    async def all_of_it() -> list[Any]:
        try:
            return [await call(one)(each) for each in asked]
        finally:
            await one.aclose()

    return asyncio.run(all_of_it())


def settings(api: str) -> LlmSettings:
    return LlmSettings.model_validate({"api": api})


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


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("refused", "structure", "stored"),
    [
        ({"json_schema"}, "json_object", True),
        ({"json_schema", "json_object"}, None, True),
        ({"metadata"}, "json_schema", False),
        ({"json_schema", "store", "metadata"}, "json_object", False),
    ],
)
def test_what_an_endpoint_does_not_know_is_found_out_once(
    api: str, refused: set[str], structure: str | None, stored: bool
) -> None:
    with LlmServer(manners=Manners(refuses=frozenset(refused))) as server:
        ask(server, settings(api), request(), request(draw=1), request(draw=2))
        taken = [row["status"] == 200 for row in server.rows]
    first = taken.index(True)
    assert taken[first:] == [True, True, True]
    for sent in server.bodies[first:]:
        given = sent.get("response_format") or sent.get("text", {}).get("format") or {}
        assert given.get("type") == structure
        assert ("metadata" in sent) is stored
    assert [row["charged"] for row in server.rows] == taken


def test_a_named_field_is_left_out_at_once() -> None:
    class Naming(LlmServer):
        def work(self, api: Any, body: Any, headers: Any) -> Any:
            asked, reply = super().work(api, body, headers)
            wrong = json.dumps({"error": {"message": "Unknown parameter: 'store'.", "param": "store"}})
            return asked, replace(reply, raw=wrong.encode()) if reply.status == 400 else reply

    with Naming(manners=Manners(refuses=frozenset({"store", "metadata"}))) as server:
        ask(server)
    assert ["store" in sent for sent in server.bodies] == [True, False]
    assert "response_format" in server.bodies[1]


@pytest.mark.parametrize(
    ("refused", "names"),
    [
        (set(), {"max_tokens", "max_completion_tokens"}),
        ({"max_completion_tokens"}, {"max_tokens"}),
        ({"max_tokens"}, {"max_completion_tokens"}),
    ],
)
def test_the_limit_of_tokens_is_told_under_every_name_that_is_taken(
    refused: set[str], names: set[str]
) -> None:
    asked = replace(request(), parameters={"max_completion_tokens": 900})
    with LlmServer(manners=Manners(refuses=frozenset(refused))) as server:
        ask(server, CHAT, asked)
    sent = server.bodies[-1]
    assert {name for name, value in sent.items() if value == 900} == names
    assert "response_format" in sent


def test_a_refusal_of_content_changes_nothing_in_the_form() -> None:
    with LlmServer(in_turn("content_filter")) as server:
        ask(server, CHAT, request(), request(draw=1))
    assert [sent["response_format"]["type"] for sent in server.bodies] == ["json_schema"] * 2


def test_one_refused_request_among_others_is_an_answer_and_many_are_not() -> None:
    odd = Reply(status=400, error="strange", charged=False)
    draws = [request(draw=draw) for draw in range(12)]
    with LlmServer(in_turn(Reply("{}"), odd)) as server:
        refused = ask(server, CHAT, *draws[:2])[1]
    assert (refused.finish_reason, len(server.rows)) == ("refusal", 2)
    with (
        LlmServer(in_turn(Reply("{}"), then=lambda _: odd)) as server,
        pytest.raises(PrerequisiteError, match="HTTP 400"),
    ):
        ask(server, CHAT, *draws)


def test_a_request_that_is_wrong_in_every_form_is_a_prerequisite() -> None:
    odd = Reply(status=400, error="strange", charged=False)
    with LlmServer(lambda _: odd) as server, pytest.raises(PrerequisiteError, match="HTTP 400"):
        ask(server)
    assert len(server.rows) <= 16


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
    body = {"id": "r", "output": [], "status": status, "error": {"code": code} if code else None}
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


def test_who_wants_nothing_stored_gets_nothing_stored() -> None:
    with LlmServer() as server:
        for api in APIS:
            ask(server, LlmSettings.model_validate({"api": api, "store": False}), request(draw=len(api)))
    assert [sent.get("store") for sent in server.bodies] == [None, False]
    assert not any("metadata" in sent for sent in server.bodies)


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with LlmServer(lambda _: Reply("{}")) as server:
        assert ask(server)[0].text == "{}"


def test_the_api_is_chosen_by_address_unless_it_is_set() -> None:
    assert OpenAIModel(None, KEY).api == "responses"
    assert OpenAIModel("https://eu.api.openai.com/v1", KEY).api == "responses"
    assert OpenAIModel("http://127.0.0.1:1/v1", KEY).api == "chat"
    assert OpenAIModel(None, KEY, CHAT).api == "chat"
    assert not is_openais("https://api.openai.com.evil.example/v1")
