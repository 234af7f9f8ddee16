"""The table [llm]: sound defaults, and what cannot be meant is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from curation.drafting.endpoint.settings import LlmSettings


def test_the_defaults_send_nothing_that_a_model_that_reasons_refuses() -> None:
    settings = LlmSettings()
    assert settings.temperature is None
    assert settings.api == "chat"
    assert settings.store


@pytest.mark.parametrize(
    "values",
    [
        {"api": "completions"},
        {"in_flight": 0},
        {"timeout_seconds": 0},
        {"temperature": 2.5},
        {"max_output_tokens": 1},
        {"model": ""},
        {"api_key": "sk-0"},
        {"base_url": "http://127.0.0.1:1/v1"},
    ],
)
def test_what_cannot_be_meant_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LlmSettings.model_validate(values)
