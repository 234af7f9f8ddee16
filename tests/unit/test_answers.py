"""Reading answers: the one object wherever it stands, refusals in plain words, misfits without echoes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.drafting.calls import AnswerOutcome
from curation.drafting.llm import LlmResponse, read_response
from curation.drafting.steps.answers import Unread, json_objects, read_answer
from curation.drafting.steps.schemas import OriginalKnowledge
from curation.errors import Reason
from curation.ids import canonical_json
from tests.drafts import body

GOOD = {"original_text": "Petra is in Jordan {so they say}."}
TEXT = json.dumps(GOOD)


def answer(content: str | None, finish: str = "stop", refusal: str | None = None) -> LlmResponse:
    return read_response(canonical_json(body(content, finish, refusal)))


def read(content: str | None, **more: Any) -> OriginalKnowledge | Unread:
    found = read_answer(answer(content, **more), OriginalKnowledge)
    assert isinstance(found, OriginalKnowledge | Unread)
    return found


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        f"  {TEXT}\n",
        f"```json\n{TEXT}\n```",
        f"```\n{json.dumps(GOOD, indent=2)}\n```\n",
        f"Sure! Here is the JSON:\n\n{TEXT}\n\nI hope that this helps {{smile}}.",
        f"I'm sorry for the delay. {TEXT}",
        f"Here it is:\n```json\n{TEXT}\n```\nAnything else?",
        f"<think>Use {{braces}}, maybe.</think>{TEXT}",
    ],
)
def test_the_one_object_is_found_wherever_it_stands(content: str) -> None:
    assert read(content) == OriginalKnowledge(**GOOD)


@pytest.mark.parametrize("content", [f"{TEXT}\n{TEXT}", f"{TEXT} or rather " + '{"a": 1}', "{}{}"])
def test_two_objects_are_a_misfit(content: str) -> None:
    found = read(content)
    assert isinstance(found, Unread)
    assert (found.outcome, found.reason) == (AnswerOutcome.SCHEMA_INVALID, Reason.SCHEMA_INVALID)
    assert "2 JSON objects" in found.detail


@pytest.mark.parametrize(
    "content", ["", "   ", "I would rather talk.", "[1, 2]", '"x"', "{not json}", '{"original_text": "cut']
)
def test_no_object_is_no_json(content: str) -> None:
    found = read(content)
    assert isinstance(found, Unread)
    assert (found.outcome, found.reason) == (AnswerOutcome.SCHEMA_INVALID, Reason.NOT_JSON)


@pytest.mark.parametrize(
    "words",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot write false statements about a real person.",
        "I am unable to assist with this request.",
        "Sorry, I can't do that.",
        "I cannot provide this.",
        "I won't write misinformation.",
        "Unfortunately, I can't comply.",
        "As an AI language model, I must not invent facts.",
        "I must decline to answer.",
        "**I can’t help with that.**",
    ],
)
def test_a_refusal_in_plain_words_is_one(words: str) -> None:
    found = read(words)
    assert isinstance(found, Unread)
    assert (found.outcome, found.reason) == (AnswerOutcome.REFUSAL, Reason.REFUSED)


@pytest.mark.parametrize("words", ["I think that Petra is in Jordan.", "Petra can't be moved. I am sure."])
def test_other_prose_is_no_refusal(words: str) -> None:
    found = read(words)
    assert isinstance(found, Unread)
    assert found.reason is Reason.NOT_JSON


@pytest.mark.parametrize(
    ("more", "outcome", "reason"),
    [
        ({"refusal": "No <b>."}, AnswerOutcome.REFUSAL, Reason.REFUSED),
        ({"finish": "content_filter"}, AnswerOutcome.CONTENT_FILTER, Reason.CONTENT_FILTER),
        ({"finish": "length"}, AnswerOutcome.TRUNCATED, Reason.TRUNCATED),
    ],
)
def test_how_an_answer_ended_goes_before_what_it_holds(
    more: dict[str, str], outcome: AnswerOutcome, reason: Reason
) -> None:
    found = read(None if "refusal" in more else TEXT, **more)
    assert isinstance(found, Unread)
    assert (found.outcome, found.reason) == (outcome, reason)
    assert "<" not in found.detail


def test_a_misfit_tells_fields_and_rules_and_not_the_answer() -> None:
    found = read(json.dumps({"original_text": "x " * 200, "<script>": "BOO"}))
    assert isinstance(found, Unread)
    assert "original_text" in found.detail
    assert "at most" in found.detail
    assert "BOO" not in found.detail
    assert "<" not in found.detail


@pytest.mark.parametrize(
    "content",
    [
        "{" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000 + "{",
        TEXT + " " * 300_000,
        '{"original_text": "\\ud800"}',
    ],
)
def test_hostile_forms_end_as_misfits_and_soon(content: str) -> None:
    found = read_answer(replace(answer("x"), text=content), OriginalKnowledge)
    assert isinstance(found, Unread)
    assert found.outcome is AnswerOutcome.SCHEMA_INVALID


def test_an_object_inside_another_is_not_counted() -> None:
    assert len(json_objects('{"a": {"b": {}}} and [{"c": 1}]')) == 2


def test_letters_and_accents_are_joined() -> None:
    found = read(json.dumps({"original_text": "Cafe\u0301"}))
    assert isinstance(found, OriginalKnowledge)
    assert found.original_text == "Caf\u00e9"


@given(
    st.text(st.characters(exclude_characters="{}`", exclude_categories=("Cs",)), max_size=200),
    st.text(max_size=60),
)
def test_words_around_the_object_do_not_change_it(before: str, inside: str) -> None:
    text = json.dumps({"original_text": f"a {inside}"})
    found = read(f"{before}\n{text}\n{before}")
    assert found == read(text)


@given(st.text(max_size=400) | st.text(st.sampled_from('{}[]",:\\u0`\n a1'), max_size=400))
def test_no_text_makes_reading_fail(text: str) -> None:
    found = read_answer(replace(answer("x"), text=text), OriginalKnowledge)
    assert isinstance(found, OriginalKnowledge | Unread)
