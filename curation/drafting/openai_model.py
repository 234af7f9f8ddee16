"""Adapter for every endpoint that speaks OpenAI's chat completions, by the openai client."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NoReturn, cast

from curation.drafting.llm import LlmRequest, LlmResponse, Message, read_response
from curation.errors import PrerequisiteError, TransientError
from curation.ids import canonical_json

if TYPE_CHECKING:
    from openai import APIStatusError

TIMEOUT_SECONDS = 120.0
_DECLINED = frozenset({"content_filter", "content_policy_violation"})


class OpenAIModel:
    """The Endpoint port over HTTP: one request is one try, who calls decides about another."""

    def __init__(self, base_url: str | None, api_key: str) -> None:
        """Prepare a client; base_url None means OpenAI's own.

        Raises PrerequisiteError when the key is empty.
        """
        if not api_key.strip():
            raise PrerequisiteError("there is no API key for the language model: set OPENAI_API_KEY")
        from openai import AsyncOpenAI

        self._client = AsyncOpenAI(
            base_url=base_url, api_key=api_key.strip(), max_retries=0, timeout=TIMEOUT_SECONDS
        )
        self._knows_schemas = True

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Send a request with its JSON schema; once more without when the endpoint knows no schemas.

        Raises TransientError when the endpoint does not answer for now, PrerequisiteError for a refused key,
        an unknown model or an endpoint that is none.
        """
        from openai import APIStatusError

        try:
            if self._knows_schemas:
                answer = await self._with_schema(request)
                if answer is not None:
                    return read_response(answer)
            answer = await self._send(_body(request))
            self._knows_schemas = False
            return read_response(answer)
        except APIStatusError as error:
            return read_response(_declined(error) or _translate(error))

    async def recover(self, request: LlmRequest) -> LlmResponse | None:
        """Return the stored completion whose metadata bears the request's hash, None when there is none."""
        from openai import APIConnectionError, APIStatusError

        try:
            answer = await self._client.chat.completions.with_raw_response.list(
                metadata={"request_sha256": request.request_sha256}, limit=1
            )
            rows = json.loads(answer.content).get("data") or []
            return read_response(canonical_json(rows[0])) if rows else None
        except APIConnectionError:
            raise TransientError("the language model cannot be reached") from None
        except APIStatusError as error:
            # Endpoints without stored completions, and keys that may not list them, keep nothing for us.
            if error.status_code in (400, 403, 404, 405, 422, 501):
                return None
            _translate(error)
        except (ValueError, AttributeError):
            return None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _with_schema(self, request: LlmRequest) -> str | None:
        """Return the raw answer, None when the endpoint dislikes the form of the request."""
        from openai import BadRequestError, UnprocessableEntityError

        try:
            return await self._send(_body(request) | _extras(request))
        except (BadRequestError, UnprocessableEntityError) as error:
            return _declined(error)

    async def _send(self, body: dict[str, Any]) -> str:
        from openai import APIConnectionError

        try:
            answer = await self._client.chat.completions.with_raw_response.create(**cast("Any", body))
            return canonical_json(json.loads(answer.content))
        except APIConnectionError:
            # The client's own message may hold the address with its credentials.
            raise TransientError("the language model cannot be reached, or not in time") from None
        except ValueError:
            raise PrerequisiteError(
                "the endpoint does not answer with JSON: set OPENAI_BASE_URL to an OpenAI-compatible endpoint"
            ) from None


def _body(request: LlmRequest) -> dict[str, Any]:
    return {
        "model": request.model,
        "messages": [_message(message) for message in request.messages],
        **request.parameters,
    }


def _extras(request: LlmRequest) -> dict[str, Any]:
    """Return what not every endpoint knows: the schema, and storing by our own hash for recovery."""
    schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
    return {
        "response_format": {"type": "json_schema", "json_schema": schema},
        "store": True,
        "metadata": {"request_sha256": request.request_sha256},
    }


def _message(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}]
    for image in message.images:
        address = "data:image/jpeg;base64," + base64.b64encode(image.data).decode("ascii")
        parts.append({"type": "image_url", "image_url": {"url": address}})
    return {"role": message.role, "content": parts}


def _declined(error: APIStatusError) -> str | None:
    """Return the raw answer when the endpoint declined the content, None when it disliked the form."""
    return canonical_json({"error": {"code": error.code}}) if error.code in _DECLINED else None


def _translate(error: APIStatusError) -> NoReturn:
    """Raise our error for an HTTP status; the endpoint's own words may quote the key and are left out."""
    status = error.status_code
    if status in (401, 403):
        raise PrerequisiteError(
            f"the language model refuses the key (HTTP {status}): set OPENAI_API_KEY to one that it knows"
        ) from None
    if status == 404:
        raise PrerequisiteError(
            "the endpoint knows no such model or address (HTTP 404): set the model name and OPENAI_BASE_URL"
        ) from None
    if status in (408, 409, 429) or status >= 500:
        raise TransientError(f"the language model answers HTTP {status} for now") from None
    raise PrerequisiteError(
        f"the endpoint refuses the request (HTTP {status}): set a model that takes such chat completions"
    ) from None
