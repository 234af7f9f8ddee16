"""Says in our words what an OpenAI-compatible endpoint's refusal means; its own words may quote the key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from curation.drafting.llm import REQUEST_TOO_LONG
from curation.errors import (
    ForgeError,
    LimitReachedError,
    PrerequisiteError,
    RateLimitedError,
    TransientError,
    UnknownOutcomeError,
)

FILTERED = frozenset(
    {
        "content_filter",
        "content_policy_violation",
        "image_content_policy_violation",
        "misalignment_policy_violation",
        "moderation_blocked",
        "bio_policy",
    }
)
"""Codes with which endpoints decline a request for its content."""

TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
"""Codes for a request that is longer than the model takes."""

QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
"""Codes for an account that is used up: asking again is of no use."""

DISLIKES = frozenset({400, 422, 501})
"""HTTP statuses with which endpoints refuse the form of a request."""

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_TOO_LONG_WORDS = re.compile(r"context[_ ](?:length|size|window)|maximum context", re.IGNORECASE)
# Proxies tell a declined request in words alone. An account that was flagged is another thing.
_FILTERED_WORDS = re.compile(
    r"\b(?:input|prompt|request|response|content|message)s?\s+(?:\w+\s+){0,3}(?:flagged|filtered)\b"
    r"|content management policy|safety system",
    re.IGNORECASE,
)
# Gateways that gave up waiting; what is behind them may have gone on working.
_GAVE_UP = frozenset({504, 524})
_LONGEST_WAIT = 86_400.0
_READ = 2_000  # characters of an endpoint's own words


def error_code(error: object) -> str:
    """Return the code of an OpenAI error object in plain letters, '' where it has none."""
    if not isinstance(error, dict):
        return ""
    for name in ("code", "type"):
        value = error.get(name)
        is_known = value in FILTERED | TOO_LONG | QUOTA if isinstance(value, str) else False
        if isinstance(value, str) and (is_known or (name == "code" and _CODE.fullmatch(value))):
            return value
    return ""


def declined(error: object) -> str | None:
    """Return the code of an error that is about the content of a request, None when it is about its form."""
    code = error_code(error)
    if code in FILTERED:
        return code
    if code in TOO_LONG:
        return REQUEST_TOO_LONG
    message = error.get("message") if isinstance(error, dict) else None
    if isinstance(message, str) and _TOO_LONG_WORDS.search(message[:_READ]):
        return REQUEST_TOO_LONG
    if isinstance(message, str) and _FILTERED_WORDS.search(message[:_READ]):
        return "content_filter"
    return None


def disliked_field(error: object, names: tuple[str, ...]) -> str | None:
    """Return the field of ours that an error names first, which is the one it dislikes; None without one."""
    if not isinstance(error, dict):
        return None
    param = error.get("param")
    found = param if isinstance(param, str) and param else error.get("message")
    words = re.findall(r"[A-Za-z_]+", found[:_READ]) if isinstance(found, str) else []
    return next((word for word in words if word in names), None)


def in_our_words(
    status: int, error: object, headers: Mapping[str, str], disliked: str | None = None
) -> ForgeError:
    """Return our error for an HTTP status that is no answer; disliked: the field that the endpoint named."""
    if error_code(error) in QUOTA or status == 402:
        return LimitReachedError(
            "the account at the endpoint is used up: add credit there, then run again (answers are kept)"
        )
    if status in (401, 403):
        return PrerequisiteError(
            f"the language model refuses the key (HTTP {status}): set OPENAI_API_KEY to one that it knows"
        )
    if status in (404, 405):
        return PrerequisiteError(
            f"the endpoint knows no such model or address (HTTP {status}): set model and api under [llm] in "
            "mmke.toml, and OPENAI_BASE_URL"
        )
    if status == 429 or (status == 503 and "retry-after" in headers):
        return RateLimitedError(
            f"the language model asks us to come back later (HTTP {status})", retry_after(headers)
        )
    if status in _GAVE_UP:
        return UnknownOutcomeError(f"a gateway gave up waiting for the language model (HTTP {status})")
    if status in (408, 409, 425) or (status >= 500 and status != 501):
        return TransientError(f"the language model answers HTTP {status} for now")
    about = f", {disliked}" if disliked else ""
    return PrerequisiteError(
        f"the endpoint refuses the request (HTTP {status}{about}): set a model under [llm] in mmke.toml that "
        "takes such requests, or leave out what it does not take"
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds an endpoint asks us to stay away, None where it does not say."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text):
            return min(float(text) * scale, _LONGEST_WAIT)
    try:
        when = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, TypeError, IndexError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return min(max(0.0, (when - datetime.now(UTC)).total_seconds()), _LONGEST_WAIT)


def error_of(body: Any) -> object:  # noqa: ANN401 - any JSON value
    """Return the error object of a body: OpenAI's {"error": {...}}, or the body itself where it is flat."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else body
