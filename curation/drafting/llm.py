"""The port to a language model: requests, answers, and the store that keeps every answer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from curation.errors import TransientError
from curation.ids import sha256_bytes, sha256_json
from curation.records import Record, Sha256, Usage


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A picture in a message: JPEG bytes; the hash stands for them in the request's hash."""

    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Return the hash of the bytes."""
        return sha256_bytes(self.data)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation; role: system, user or assistant."""

    role: str
    text: str
    images: tuple[ImagePart, ...] = ()


@dataclass(frozen=True, slots=True)
class LlmRequest:
    """All that decides an answer; neither the key, the address nor the date is part of it.

    parameters go to the endpoint as they are. draw: number of the attempt when several answers to the
    same request are wanted. schema: JSON schema of the answer.
    """

    prompt_id: str
    prompt_sha256: str
    messages: tuple[Message, ...]
    model: str
    parameters: dict[str, float | int | str]
    schema_name: str
    schema: dict[str, Any]
    draw: int = 0

    @property
    def request_sha256(self) -> str:
        """Return the key for cache, resume and provenance."""
        return sha256_json(
            {
                "prompt": [self.prompt_id, self.prompt_sha256],
                "messages": [
                    [message.role, message.text, [image.sha256 for image in message.images]]
                    for message in self.messages
                ],
                "model": self.model,
                "parameters": self.parameters,
                "schema": [self.schema_name, self.schema],
                "draw": self.draw,
            }
        )


class AnswerNote(Record):
    """What is noted beside a kept answer.

    answer: sha256 of the raw answer. at: when it was kept, UTC. seconds: from sending to the last byte; None
    for an answer out of a batch, or fetched after its run was killed. cost: in US dollars by the prices of
    that day, None where nobody set prices. model, prompt_id: of the request.
    """

    answer: Sha256
    at: str
    model: str = ""
    prompt_id: str = ""
    usage: Usage = Usage()
    cost: Decimal | None = None
    seconds: float | None = None
    in_batch: bool = False


@dataclass(frozen=True, slots=True)
class LlmResponse:
    """What came back.

    raw: the endpoint's answer as canonical JSON. text: unparsed, or the words of a refusal.
    finish_reason: as in OpenAI's API (stop, length, content_filter), or 'refusal'. note: what is noted
    beside it, None before it is kept.
    """

    raw: str
    text: str
    finish_reason: str
    model: str
    response_id: str
    usage: Usage
    note: AnswerNote | None = field(default=None, compare=False)

    @property
    def sha256(self) -> str:
        """Return the hash under which the raw answer is kept."""
        return sha256_bytes(self.raw.encode("utf-8"))


class LanguageModel(Protocol):
    """Something that answers requests."""

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return the answer; TransientError to try again later, PrerequisiteError when that is no use."""
        ...


class Endpoint(LanguageModel, Protocol):
    """A language model that may still know what it answered before."""

    async def recover(self, request: LlmRequest) -> LlmResponse | None:
        """Return the answer that was already given to a request, None when the endpoint keeps none."""
        ...


class ResponseStore(Protocol):
    """Where raw answers lie, by request; what is awaited is durable when it returns."""

    def get(self, request_sha256: str) -> bytes | None:
        """Return the raw answer to a request, None when there is none."""
        ...

    def note(self, request_sha256: str) -> AnswerNote | None:
        """Return what is noted beside the answer to a request, None when there is none."""
        ...

    async def put(self, request_sha256: str, data: bytes, note: AnswerNote) -> None:
        """Keep the raw answer to a request."""
        ...

    async def mark_sent(self, request_sha256: str, worst: Decimal | None = None) -> None:
        """Note that a request is about to be sent, and the most that it may cost in US dollars."""
        ...

    async def unmark_sent(self, request_sha256: str) -> None:
        """Take back the last mark: the request was certainly not charged."""
        ...

    def sent(self, request_sha256: str) -> bool:
        """Tell whether a request may have been sent."""
        ...


def read_response(raw: str) -> LlmResponse:
    """Return an endpoint's chat completion without looking at its text.

    raw: canonical JSON of the completion, or of an error object with which an endpoint declines a
    request for its content. Raises TransientError when it is neither.
    """
    body = json.loads(raw)
    if not isinstance(body, dict):
        raise TransientError("the endpoint's answer is no chat completion")
    if "error" in body:
        return LlmResponse(raw, "", "content_filter", "", "", Usage())
    try:
        choice = body["choices"][0]
        message = choice["message"]
        usage = body.get("usage") or {}
        return LlmResponse(
            raw=raw,
            text=str(message.get("content") or message.get("refusal") or ""),
            finish_reason="refusal" if message.get("refusal") else str(choice.get("finish_reason") or "stop"),
            model=str(body.get("model") or ""),
            response_id=str(body.get("id") or ""),
            usage=Usage(
                input_tokens=int(usage.get("prompt_tokens") or 0),
                output_tokens=int(usage.get("completion_tokens") or 0),
            ),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise TransientError("the endpoint's answer is no chat completion") from error
