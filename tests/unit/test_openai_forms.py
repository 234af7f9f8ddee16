"""What an endpoint knows of the API is found out by trying, once, and by refusals of form alone."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import LlmResponse
from curation.errors import PrerequisiteError
from tests.drafts import request
from tests.llm_asks import APIS, CHAT, ask, model, settings
from tests.llm_replies import Reply, in_turn
from tests.llm_server import LlmServer, Manners


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


def test_many_who_find_out_at_once_all_get_an_answer() -> None:
    async def all_at_once(one: OpenAIModel) -> list[LlmResponse]:
        try:
            return list(await asyncio.gather(*(one.complete(request(draw=draw)) for draw in range(30))))
        finally:
            await one.aclose()

    unknown = frozenset({"json_schema", "json_object", "store", "metadata"})
    with LlmServer(manners=Manners(delay=0.01, refuses=unknown)) as server:
        found = asyncio.run(all_at_once(model(server)))
    assert [one.finish_reason for one in found] == ["stop"] * 30
    assert server.paid_twice == []


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


def test_who_wants_nothing_stored_gets_nothing_stored() -> None:
    with LlmServer() as server:
        for api in APIS:
            ask(server, LlmSettings.model_validate({"api": api, "store": False}), request(draw=len(api)))
    assert [sent.get("store") for sent in server.bodies] == [None, False]
    assert not any("metadata" in sent for sent in server.bodies)
