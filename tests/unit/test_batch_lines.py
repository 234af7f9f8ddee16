"""Lines of result files: what each means, and that no line makes reading them fail."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.drafting.batches.lines import judged, plain_code, request_line, result_lines
from curation.drafting.batches.records import Fate

KEY = "a" * 64
ANSWER = {"id": "x", "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]}


def read(path: Path, *rows: bytes) -> tuple[list[Any], Counter[str]]:
    path.write_bytes(b"\n".join(rows))
    refused: Counter[str] = Counter()
    return list(result_lines(path, {KEY}, refused)), refused


def row(status: int | None, body: Any, error: Any = None) -> bytes:
    response = None if status is None else {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": "b", "custom_id": KEY, "response": response, "error": error}).encode()


def wrong(code: str, message: str = "") -> dict[str, Any]:
    return {"error": {"message": message, "type": "x", "code": code, "param": None}}


@pytest.mark.parametrize(
    ("line", "fate", "reason"),
    [
        (row(200, ANSWER), Fate.ANSWERED, ""),
        (row(200, {"output": [], "status": "incomplete", "error": None}), Fate.ANSWERED, ""),
        (row(400, wrong("content_filter")), Fate.ANSWERED, ""),
        (row(400, wrong("x", "This model's maximum context length is 8192 tokens")), Fate.ANSWERED, ""),
        (row(400, wrong("invalid_image")), Fate.FAILED, "invalid_image"),
        (row(422, None), Fate.FAILED, "http_422"),
        (row(429, wrong("rate_limit_exceeded")), Fate.REQUEUED, "rate_limit_exceeded"),
        (row(503, wrong("<b>Server Error\x1b</b>")), Fate.REQUEUED, "bservererrorb"),
        (row(401, wrong("invalid_api_key")), Fate.REQUEUED, "invalid_api_key"),
        (row(None, None, {"code": "batch_expired", "message": "x"}), Fate.REQUEUED, "batch_expired"),
        (row(None, None), Fate.REQUEUED, "no_answer"),
        (row(200, {"output": [], "status": "failed", "error": {"code": "server_error"}}), Fate.REQUEUED, ""),
        (row(200, {"hello": 1}), Fate.LOST, "unreadable_answer"),
        (row(200, "text"), Fate.LOST, "unreadable_answer"),
    ],
)
def test_what_a_line_means(tmp_path: Path, line: bytes, fate: Fate, reason: str) -> None:
    (found,), refused = read(tmp_path / "f", line)
    assert not refused
    judgement = judged(found)
    assert judgement[0] is fate
    assert judgement[2] == (reason or judgement[2])
    assert bool(judgement[1]) == (fate is Fate.ANSWERED)


def test_the_answer_of_a_declined_question_is_its_code_alone(tmp_path: Path) -> None:
    (found,), _ = read(tmp_path / "f", row(400, wrong("content_filter", "your key is sk-123")))
    assert judged(found)[1] == b'{"error":{"code":"content_filter"}}'


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)), max_size=6))
def test_no_bytes_make_it_fail(tmp_path: Path, rows: list[bytes]) -> None:
    found, refused = read(tmp_path / "f", *rows, row(200, ANSWER))
    assert [line.request_sha256 for line in found] == [KEY]
    kept = [piece for piece in b"\n".join(rows).split(b"\n") if piece.strip()]
    assert refused.total() == len(kept)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([200, 400, 429, 500, None]), _JSON, _JSON)
def test_no_json_makes_it_fail(tmp_path: Path, status: int | None, body: Any, error: Any) -> None:
    found, _ = read(tmp_path / "f", row(status, body, error))
    for line in found:
        fate, raw, _ = judged(line)
        assert bool(raw) == (fate is Fate.ANSWERED)


def test_a_line_ends_where_the_input_file_needs_it() -> None:
    line = request_line(KEY, "/v1/responses", {"input": "a\nb\u2028c\ud800"})
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert json.loads(line)["body"]["input"] == "a\nb\u2028c\ud800"


def test_a_code_is_one_harmless_word() -> None:
    assert plain_code("Rate Limit\x1b[31m<script>" * 9) == "ratelimit31mscriptratelimit31mscriptrate"
    assert plain_code({"a": 1}) == ""
