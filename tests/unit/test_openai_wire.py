"""How requests are spelled: strict schemas, both APIs, and forms from the richest to the plainest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from curation.drafting.endpoint.openai_wire import Form, body_of, simpler_forms
from curation.drafting.steps.schemas import schema_named
from tests.drafts import request


def nodes(schema: Any) -> list[dict[str, Any]]:
    rows = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else []
    return [*([schema] if isinstance(schema, dict) else []), *(node for row in rows for node in nodes(row))]


@pytest.mark.parametrize("name", ["OriginalKnowledge", "EditedEntity", "EditedSemantic", "QuestionsUser"])
def test_a_schema_is_strict_in_every_object(name: str) -> None:
    asked = replace(request(), schema_name=name, schema=schema_named(name).model_json_schema())
    given = body_of(asked, "chat", Form())["response_format"]["json_schema"]["schema"]
    Draft202012Validator.check_schema(given)
    for node in nodes(given):
        assert not {"default", "oneOf", "discriminator"} & set(node)
        if node.get("type") == "object":
            assert node["required"] == list(node["properties"])
            assert node["additionalProperties"] is False


def test_a_field_called_like_a_keyword_stays() -> None:
    schema = {"type": "object", "properties": {"default": {"type": "string", "default": "x"}}}
    given = body_of(replace(request(), schema=schema), "responses", Form())["text"]["format"]["schema"]
    assert given["properties"] == {"default": {"type": "string"}}


def test_the_request_itself_is_left_as_it_is() -> None:
    before = request().request_sha256
    asked = request()
    body_of(asked, "chat", Form())
    body_of(asked, "responses", Form("none", stores=None))
    assert asked.request_sha256 == before


@pytest.mark.parametrize(("api", "count"), [("chat", 13), ("responses", 5)])
def test_every_simpler_form_comes_once_and_one_change_before_several(api: Any, count: int) -> None:
    forms = list(simpler_forms(Form(), api))
    assert len(forms) == len(set(forms)) == count
    assert Form() not in forms
    assert forms[0] == Form(stores=None)
    assert list(simpler_forms(Form("none", stores=None), "responses")) == []


def test_nothing_secret_or_dated_is_in_a_body() -> None:
    assert body_of(request(), "chat", Form()) == body_of(request(), "chat", Form())
    assert set(body_of(request(), "chat", Form("none", stores=None))) == {"model", "messages", "temperature"}
