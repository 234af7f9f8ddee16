"""Whatever an endpoint sends, it comes out as an answer or as one of our errors, without its own words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.drafting.endpoint.openai_errors import (
    declined,
    disliked_field,
    error_of,
    in_our_words,
    retry_after,
)
from curation.drafting.llm import LlmResponse, raw_json, read_response
from curation.errors import (
    ForgeError,
    LimitReachedError,
    PrerequisiteError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)

NAMES = st.sampled_from(
    ["choices", "output", "error", "usage", "message", "content", "type", "phase", "text", "code", "status"]
)
WORDS = st.sampled_from(["message", "commentary", "output_text", "refusal", "incomplete", "length"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)
SECRET = "sk-words-of-the-endpoint"


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_any_json_is_an_answer_or_a_transient_error(body: object) -> None:
    try:
        found = read_response(raw_json(body))
    except TransientError:
        return
    assert isinstance(found, LlmResponse)
    assert found.text.encode("utf-8") is not None
    assert found.finish_reason


@settings(max_examples=200, deadline=None)
@given(st.integers(300, 599), JSON, st.text(max_size=40))
def test_any_refusal_is_one_of_our_errors(status: int, body: object, after: str) -> None:
    error = error_of({"error": body})
    found = in_our_words(status, error, {"retry-after": after}, disliked_field(error, ("store",)))
    assert isinstance(found, ForgeError)
    assert "\n" not in str(found)
    seconds = retry_after({"retry-after": after})
    assert seconds is None or 0 <= seconds <= 86_400


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "rate_limit_exceeded", RateLimitedError),
        (429, "insufficient_quota", LimitReachedError),
        (403, "billing_not_active", LimitReachedError),
        (402, None, LimitReachedError),
        (401, "invalid_api_key", PrerequisiteError),
        (404, "model_not_found", PrerequisiteError),
        (500, "server_error", TransientError),
        (502, None, TransientError),
        (504, None, UnknownOutcomeError),
        (524, None, UnknownOutcomeError),
        (408, None, TransientError),
        (418, None, PrerequisiteError),
    ],
)
def test_a_status_means_one_kind_of_error(status: int, code: str | None, kind: type[ForgeError]) -> None:
    error = {"message": f"no: {SECRET}", "code": code, "param": SECRET}
    found = in_our_words(status, error, {})
    assert type(found) is kind
    assert SECRET not in str(found)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "content_filter"}, "content_filter"),
        ({"code": None, "type": "exceed_context_size_error"}, "context_length_exceeded"),
        ({"message": "This model's maximum context length is 4096 tokens."}, "context_length_exceeded"),
        ({"code": 403, "message": "requires moderation, and your input was flagged"}, "content_filter"),
        ({"message": "filtered: Azure OpenAI's content management policy"}, "content_filter"),
        ({"message": "Your account was flagged", "code": "account_deactivated"}, None),
        ({"message": "Unknown parameter", "code": "unknown_parameter"}, None),
        ("words", None),
        (None, None),
    ],
)
def test_what_is_about_the_content_is_told_from_what_is_about_the_form(error: object, code: str) -> None:
    assert declined(error) == code


def test_a_named_field_is_found_in_param_before_message() -> None:
    names = ("store", "temperature")
    assert disliked_field({"param": "temperature", "message": "'store' is fine"}, names) == "temperature"
    assert disliked_field({"param": None, "message": "Unknown field: store"}, names) == "store"
    assert disliked_field({"message": "temperature is not known, use store"}, names) == "temperature"
    assert disliked_field({"message": "stored restore"}, names) is None
    assert json.dumps(error_of({"error": "x"})) == '{"message": "x"}'
