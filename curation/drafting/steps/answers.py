"""Reads what a model answered: the one JSON object in its words, a refusal, a cut, or a misfit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from pydantic import ValidationError

from curation.drafting.calls import AnswerOutcome
from curation.drafting.llm import LlmResponse
from curation.drafting.mining.facts import clean
from curation.drafting.steps.schemas import Draft
from curation.errors import Reason

MAX_CHARACTERS = 200_000
"""An answer needs some 2,000; more is no draft."""

_FENCE = re.compile(r"\A\s*```[a-zA-Z]*[ \t]*\n(.*)\n[ \t]*```\s*\Z", re.DOTALL)
_SHOWN = 300
_FIELDS_SHOWN = 6
# A plain sentence with status 200 that declines, as models begin it. Its first words decide.
_DECLINES = re.compile(
    r"\A\W*(?:"
    r"(?:i['’]?m|i am)\s+(?:very |really |truly |so )?(?:sorry|afraid|unable|not able|not comfortable)"
    r"|(?:my )?(?:sorry|apologies|apologize)\b"
    r"|i\s+(?:apologi[sz]e|regret|must decline|have to decline|decline\b|refuse\b)"
    r"|(?:unfortunately|regrettably),?\s+(?:i|we)\b"
    r"|(?:i|we)\s+(?:simply |really )?(?:can['’]?t|cannot|can not|won['’]?t|will not|am unable|are unable)\b"
    r"|as an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|this (?:request|content) (?:violates|goes against|is against)"
    r")",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Unread:
    """An answer that is no draft: how the question ended, the reason of the rejection, and one sentence."""

    outcome: AnswerOutcome
    reason: Reason
    detail: str


def read_answer(response: LlmResponse, schema: type[Draft]) -> Draft | Unread:
    """Return the draft in an answer, or why there is none.

    The object may stand in one Markdown fence or between words, which models add where an endpoint knows no
    schemas. Two objects are a misfit: nobody can tell which one is meant. Reasons: refused, content_filter,
    truncated, not_json, schema_invalid.
    """
    stopped = _stopped(response)
    if stopped is not None:
        return stopped
    found = json_objects(response.text)
    if not found:
        if _DECLINES.match(response.text):
            return Unread(AnswerOutcome.REFUSAL, Reason.REFUSED, plain(response.text))
        return Unread(AnswerOutcome.SCHEMA_INVALID, Reason.NOT_JSON, "the answer holds no JSON object")
    if len(found) > 1:
        detail = f"the answer holds {len(found)} JSON objects where one is wanted"
        return Unread(AnswerOutcome.SCHEMA_INVALID, Reason.SCHEMA_INVALID, detail)
    try:
        return schema.model_validate_json(found[0])
    except ValidationError as error:
        return Unread(AnswerOutcome.SCHEMA_INVALID, Reason.SCHEMA_INVALID, _misfit(error))


def json_objects(text: str) -> list[str]:
    """Return the JSON objects of a text, each as it is written; those inside another one are not counted."""
    if len(text) > MAX_CHARACTERS:
        return []
    fenced = _FENCE.match(text)
    text = fenced[1] if fenced else text
    decoder = json.JSONDecoder()
    found: list[str] = []
    start = text.find("{")
    while start >= 0:
        try:
            _, end = decoder.raw_decode(text, start)
            found.append(text[start:end])
        except RecursionError:
            return []
        except ValueError:
            end = start + 1
        start = text.find("{", end)
    return found


def plain(text: str) -> str:
    """Return outside words for a message: short, on one line, without what could act in a page."""
    return re.sub("[<>]", "", clean(text))[:_SHOWN]


def _stopped(response: LlmResponse) -> Unread | None:
    if response.finish_reason == "refusal":
        words = plain(response.text) or "the model declined without a word"
        return Unread(AnswerOutcome.REFUSAL, Reason.REFUSED, words)
    if response.finish_reason == "content_filter":
        words = plain(response.text) or "the endpoint's content filter"
        return Unread(AnswerOutcome.CONTENT_FILTER, Reason.CONTENT_FILTER, words)
    if response.finish_reason == "length":
        detail = f"the answer was cut after {response.usage.output_tokens} tokens"
        return Unread(AnswerOutcome.TRUNCATED, Reason.TRUNCATED, detail)
    return None


def _misfit(error: ValidationError) -> str:
    """Say what does not fit, by field and rule; the answer itself stays out of the message."""
    rows = error.errors(include_url=False, include_context=False, include_input=False)
    parts = (f"{'.'.join(str(part) for part in row['loc'])}: {row['msg']}" for row in rows[:_FIELDS_SHOWN])
    return plain("; ".join(parts))
