"""Schemas of the steps: what they take and refuse; endpoints with strict schemas can hold to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from curation.drafting.steps.prompting import load_version, prompt_ids
from curation.drafting.steps.schemas import (
    EditedSemantic,
    LocalityQuestion,
    PortabilityComposite,
    PortabilityEntity,
    QuestionsEntity,
    schema_named,
)
from curation.errors import IntegrityError

SCHEMAS = sorted({load_version(prompt_id).schema_name for prompt_id in prompt_ids()})


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON schema, however deep."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)


@pytest.mark.parametrize("name", SCHEMAS)
def test_strict_endpoints_can_hold_to_a_schema(name: str) -> None:
    found = list(objects(schema_named(name).model_json_schema()))
    assert found
    for one in found:
        assert one["additionalProperties"] is False
        assert sorted(one["required"]) == sorted(one["properties"])


@pytest.mark.parametrize(
    ("question", "answer", "is_good"),
    [
        ("Where is it?", "Oslo", True),
        ("Where is it?", "St. John's", True),
        ("Where is it?", "C++", True),
        ("Where is it?", "Oslo.", False),
        ("Where is it?", " Oslo", False),
        ("Where is it?", "", False),
        ("Where is it?", "one " * 12 + "more", False),
        ("Where is it", "Oslo", False),
        ("Where? When?", "Oslo", False),
        ("word " * 40 + "more?", "Oslo", False),
    ],
)
def test_questions_and_answers_are_short_and_tidy(question: str, answer: str, is_good: bool) -> None:
    if is_good:
        assert LocalityQuestion(question=question, answer=answer).answer == answer
    else:
        with pytest.raises(ValidationError):
            LocalityQuestion(question=question, answer=answer)


def test_what_is_seen_may_be_left_out_but_not_forgotten() -> None:
    change = {"aspect": "city", "original": "Paris", "edited": "Oslo"}
    assert (
        EditedSemantic.model_validate({"edited_text": "x", "visible": "", "changes": [change]}).visible == ""
    )
    with pytest.raises(ValidationError):
        EditedSemantic.model_validate({"edited_text": "x", "changes": [change]})


def test_portability_names_its_bridge_and_evidence_or_its_attribute() -> None:
    asked = {"question": "What is its capital?", "answer": "Oslo"}
    assert PortabilityEntity.model_validate(asked | {"bridge": "Norway", "evidence": "capital Oslo"})
    assert PortabilityComposite.model_validate(asked | {"attribute": "seen"})
    for schema, more in (
        (PortabilityEntity, {"bridge": "Norway", "evidence": ""}),
        (PortabilityEntity, {"bridge": "Norway", "evidence": "word " * 61}),
        (PortabilityComposite, {"attribute": "smell"}),
    ):
        with pytest.raises(ValidationError):
            schema.model_validate(asked | more)


def test_portability_is_no_part_of_the_questions_any_more() -> None:
    pair = {"text_question": "Where is it?", "image_question": "Where is it?"}
    good = {"request": "x", "rephrased_request": "y", "reliability": [pair, pair]}
    assert QuestionsEntity.model_validate(good)
    for bad in ({"portability": None}, {"reliability": [pair]}):
        with pytest.raises(ValidationError):
            QuestionsEntity.model_validate(good | bad)


def test_a_schema_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(IntegrityError, match="Nonsense"):
        schema_named("Nonsense")
