"""Asks a model one drafting step: request, answer, parse, and one repair; outcomes are values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from curation.drafting.facts import clean
from curation.drafting.llm import LanguageModel, LlmRequest, LlmResponse, Message
from curation.drafting.prompting import Value, load_prompt, render
from curation.drafting.schemas import Draft, schema_named
from curation.errors import Reason, Rejected
from curation.records import Provenance

MAX_OUTPUT_TOKENS = 8_000
"""An answer needs some 300; models that reason count that in."""

_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*)\n```\s*\Z", re.DOTALL)
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class DraftSettings:
    """How drafts are made.

    drafter: 'rules' or 'llm', as releases and reviewers show it. temperature: None leaves it to the
    model (some take no other). draw: as in LlmRequest.
    """

    model: str
    drafter: str
    is_llm: bool
    temperature: float | None = None
    draw: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """A step's answer that fits its schema, and how it came to be."""

    draft: Draft
    provenance: Provenance


async def ask(
    key: str, prompt_name: str, values: Mapping[str, Value], model: LanguageModel, settings: DraftSettings
) -> Answered | Rejected:
    """Return the answer to a prompt, asked once more when it is not JSON or does not fit the schema.

    Reasons: refused, truncated, not_json, schema_invalid. TransientError and PrerequisiteError of the
    model pass through.
    """
    prompt = load_prompt(prompt_name)
    schema = schema_named(prompt.schema_name)
    request = LlmRequest(
        prompt_id=prompt.prompt_id,
        prompt_sha256=prompt.sha256,
        messages=render(prompt, values),
        model=settings.model,
        parameters=_parameters(settings),
        schema_name=prompt.schema_name,
        schema=schema.model_json_schema(),
        draw=settings.draw,
    )
    outcome = await _answered(key, prompt_name, request, schema, model, settings)
    if isinstance(outcome, Rejected) and outcome.reason in (Reason.NOT_JSON, Reason.SCHEMA_INVALID):
        repair = replace(request, messages=(*request.messages, _complaint(outcome)))
        return await _answered(key, prompt_name, repair, schema, model, settings)
    return outcome


def _parameters(settings: DraftSettings) -> dict[str, float | int | str]:
    parameters: dict[str, float | int | str] = {"max_completion_tokens": MAX_OUTPUT_TOKENS}
    if settings.temperature is not None:
        parameters["temperature"] = settings.temperature
    return parameters


async def _answered(
    key: str,
    step: str,
    request: LlmRequest,
    schema: type[Draft],
    model: LanguageModel,
    settings: DraftSettings,
) -> Answered | Rejected:
    response = await model.complete(request)
    refused = _refused(key, step, response)
    if refused is not None:
        return refused
    try:
        draft = schema.model_validate_json(_unfenced(response.text))
    except ValidationError as error:
        return _misfit(key, step, error)
    return Answered(draft, _provenance(step, request, response, settings))


def _refused(key: str, step: str, response: LlmResponse) -> Rejected | None:
    if response.finish_reason in ("refusal", "content_filter"):
        words = clean(response.text)[:_SHOWN] or "the endpoint's content filter"
        return Rejected(key, Reason.REFUSED, f"{step}: {re.sub('[<>]', '', words)}")
    if response.finish_reason == "length":
        return Rejected(key, Reason.TRUNCATED, f"{step}: the answer was cut at {MAX_OUTPUT_TOKENS} tokens")
    return None


def _unfenced(text: str) -> str:
    """Return the JSON inside a Markdown fence, which models add when the endpoint knows no schemas."""
    match = _FENCE.match(text)
    return match[1] if match else text


def _misfit(key: str, step: str, error: ValidationError) -> Rejected:
    """Say what does not fit, by field and rule; the answer itself stays out of the message."""
    rows = error.errors(include_url=False, include_context=False, include_input=False)
    if any(row["type"] == "json_invalid" for row in rows):
        return Rejected(key, Reason.NOT_JSON, f"{step}: the answer is not JSON")
    what = "; ".join(f"{'.'.join(str(part) for part in row['loc'])}: {row['msg']}" for row in rows[:6])
    return Rejected(key, Reason.SCHEMA_INVALID, f"{step}: {re.sub('[<>]', '', clean(what))[:_SHOWN]}")


def _complaint(outcome: Rejected) -> Message:
    return Message(
        "user",
        f"An answer to this did not fit ({outcome.detail}). Answer again, with one JSON object of exactly "
        "the form that the instructions give and nothing else.",
    )


def _provenance(step: str, request: LlmRequest, response: LlmResponse, settings: DraftSettings) -> Provenance:
    return Provenance(
        step=step,
        prompt_id=request.prompt_id,
        prompt_sha256=request.prompt_sha256,
        model=response.model or request.model,
        drafter=settings.drafter,
        is_llm=settings.is_llm,
        parameters={**request.parameters, "draw": request.draw},
        request_sha256=request.request_sha256,
        response_sha256=response.sha256,
        usage=response.usage,
    )
