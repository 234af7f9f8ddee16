"""Request hashes, and answers of both APIs told apart whatever they hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from curation.drafting.llm import REQUEST_REFUSED, ImagePart, Message, raw_json, read_response
from curation.errors import TransientError
from curation.ids import canonical_json
from tests.drafts import body, request


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


@pytest.mark.parametrize("raw", ["[]", "{}", '"text"', '{"choices":7}'])
def test_what_is_no_completion_is_transient(raw: str) -> None:
    with pytest.raises(TransientError):
        read_response(raw)


def response(*output: object, **more: object) -> str:
    usage = {"input_tokens": 3, "output_tokens": 5}
    return canonical_json({"id": "r", "model": "m", "output": list(output), "usage": usage} | more)


def message(text: str, phase: str | None = None) -> dict[str, object]:
    part = {"type": "output_text", "text": text}
    return {"type": "message", "role": "assistant", "phase": phase, "content": [part]}


def test_the_final_message_of_several_is_read() -> None:
    plan, last = message("a plan", "commentary"), message("{}", "final_answer")
    reasoning = {"type": "reasoning", "summary": []}
    assert read_response(response(reasoning, plan, last, message("bye", "commentary"))).text == "{}"
    assert read_response(response(message("first"), message("last"))).text == "last"
    assert read_response(response(plan, reasoning)).text == ""
    assert read_response(response(last)).usage.output_tokens == 5


def test_an_incomplete_response_says_why() -> None:
    cut, filtered = ({"reason": reason} for reason in ("max_output_tokens", "content_filter"))
    for details, finish in ((cut, "length"), (filtered, "content_filter"), (None, "length")):
        raw = response(message("{"), status="incomplete", incomplete_details=details)
        assert read_response(raw).finish_reason == finish


def test_a_refused_request_is_an_answer_of_its_own() -> None:
    assert read_response(f'{{"error":{{"code":"{REQUEST_REFUSED}"}}}}').finish_reason == "refusal"
    assert read_response('{"error":{"code":"context_length_exceeded"}}').finish_reason == "length"


@pytest.mark.parametrize(
    "raw",
    [
        '{"choices":[]}',
        '{"choices":[{"message":7}]}',
        '{"choices":[7],"usage":[],"model":{"a":1},"id":7}',
        '{"choices":[{"message":{"content":[7,{"text":7}]},"finish_reason":["x"]}]}',
        '{"output":[7,{"type":"message","content":7}],"status":[],"incomplete_details":7}',
        '{"output":[],"error":{"code":"x"}}',
    ],
)
def test_an_answer_without_a_message_is_empty(raw: str) -> None:
    found = read_response(raw)
    assert (found.text, found.finish_reason) == ("", "stop")


@pytest.mark.parametrize("count", [-1, "7", 7.5, True, 10**12, None])
def test_a_count_of_tokens_that_is_none_is_zero(count: object) -> None:
    raw = canonical_json(body("{}") | {"usage": {"prompt_tokens": count, "completion_tokens": 2}})
    assert read_response(raw).usage.input_tokens == 0


def test_content_in_parts_is_joined_and_a_refusal_among_them_wins() -> None:
    parts = [{"type": "text", "text": "{"}, {"type": "text", "text": "}"}]
    choice = {"finish_reason": "length", "message": {"content": parts}}
    found = read_response(canonical_json({"choices": [choice]}))
    assert (found.text, found.finish_reason) == ("{}", "length")
    choice["message"] = {"content": [*parts, {"type": "refusal", "refusal": "no"}]}
    found = read_response(canonical_json({"choices": [choice]}))
    assert (found.text, found.finish_reason) == ("no", "refusal")


def test_a_name_that_an_endpoint_gives_is_one_plain_line() -> None:
    raw = raw_json(body("{}") | {"model": "m\x1b[31m\n\u202e" + "x" * 500})
    assert read_response(raw).model == "m[31m" + "x" * 192


def test_what_utf8_cannot_hold_is_escaped_in_the_raw_answer() -> None:
    raw = raw_json(body("a \ud800 b \\ud800"))
    assert raw.encode("utf-8")
    assert read_response(raw).text == "a \ufffd b \\ud800"
