"""The port to a language model: requests, answers, and the store that keeps every answer."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol

from curation.errors import TransientError
from curation.ids import canonical_json, sha256_bytes, sha256_json
from curation.records import Record, Sha256, Usage

REQUEST_REFUSED = "request_refused"
"""The code under which we keep that an endpoint refuses one request whose form it takes from others."""

REQUEST_TOO_LONG = "context_length_exceeded"
"""The code under which we keep that a request is longer than the model takes."""

_LONE = re.compile("[\ud800-\udfff]")
_MOST_TOKENS = 10**9


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


@dataclass(frozen=True)
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

    @cached_property
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
    that day, None where nobody set prices. model, prompt_id: of the request. cached_tokens, reasoning_tokens:
    how many of the input and output tokens were so, 0 where the endpoint does not say.
    """

    answer: Sha256
    at: str
    model: str = ""
    prompt_id: str = ""
    usage: Usage = Usage()
    cost: Decimal | None = None
    seconds: float | None = None
    in_batch: bool = False
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class LlmResponse:
    """What came back.

    raw: the endpoint's answer as canonical JSON. text: unparsed, or the words of a refusal.
    finish_reason: as in Chat Completions (stop, length, content_filter), or 'refusal'; whichever the API.
    note: what is noted beside it, None before it is kept.
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


_Mark = Callable[[], Awaitable[None]]
_BEFORE_SENDING: ContextVar[_Mark | None] = ContextVar("before_sending", default=None)


@contextmanager
def before_sending(mark: _Mark) -> Iterator[None]:
    """Have mark awaited right before a request of this task leaves, however long it waits for its turn."""
    token = _BEFORE_SENDING.set(mark)
    try:
        yield
    finally:
        _BEFORE_SENDING.reset(token)


async def about_to_send() -> None:
    """Say that a request leaves now: an endpoint that charges awaits this before every one of them."""
    mark = _BEFORE_SENDING.get()
    if mark is not None:
        await mark()


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

    def sent_ago(self, request_sha256: str) -> float:
        """Return how many seconds ago a request was last about to be sent; infinity for never."""
        ...

    def tries(self, request_sha256: str) -> Sequence[Decimal | None]:
        """Return the most that each try may have cost; if there are several and an answer, one is its own."""
        ...


def raw_json(body: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return an endpoint's answer as it is kept: canonical JSON, escaped where UTF-8 has no words for it."""
    text = canonical_json(body)
    return _LONE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def read_response(raw: str) -> LlmResponse:
    """Return an endpoint's answer, of either API, without looking at its text.

    raw: a chat completion, a response of the Responses API, or an error object with which an endpoint
    declines a request for its content. An answer without a message has the text ''. Raises TransientError
    when it is none of them.
    """
    body = json.loads(raw)
    if isinstance(body, dict) and isinstance(body.get("output"), list):
        text, finish = _last_message(body)
        return _response(raw, body, text, finish, ("input_tokens", "output_tokens"))
    if isinstance(body, dict) and isinstance(body.get("choices"), list):
        text, finish = _choice(body["choices"])
        return _response(raw, body, text, finish, ("prompt_tokens", "completion_tokens"))
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        code = _plain(body["error"].get("code"))
        if code == REQUEST_TOO_LONG:
            return LlmResponse(raw, "", "length", "", "", Usage())
        if code == REQUEST_REFUSED:
            return LlmResponse(raw, "the endpoint refuses the request", "refusal", "", "", Usage())
        return LlmResponse(raw, "", "content_filter", "", "", Usage())
    raise TransientError("the endpoint's answer is no answer of a language model")


def _choice(choices: list[Any]) -> tuple[str, str]:
    """Return text and finish reason of a chat completion."""
    choice = _mapping(choices[0] if choices else None)
    message = _mapping(choice.get("message"))
    if message.get("refusal"):
        return _text(message["refusal"]), "refusal"
    content = message.get("content")
    text, finish = _parts(content) if isinstance(content, list) else (_text(content), "stop")
    return text, _plain(choice.get("finish_reason")) or "stop" if finish == "stop" else finish


def _last_message(body: dict[str, Any]) -> tuple[str, str]:
    """Return text and finish reason of a response: its final answer, never a commentary before it."""
    messages = [
        item
        for item in body["output"]
        if isinstance(item, dict) and item.get("type") == "message" and item.get("phase") != "commentary"
    ]
    final = [item for item in messages if item.get("phase") == "final_answer"] or messages
    content = final[-1].get("content") if final else []
    text, finish = _parts(content if isinstance(content, list) else [])
    if body.get("status") == "incomplete" and finish == "stop":
        reason = _plain(_mapping(body.get("incomplete_details")).get("reason"))
        finish = "content_filter" if reason == "content_filter" else "length"
    return text, finish


def _parts(content: list[Any]) -> tuple[str, str]:
    """Return the joined text of a message's parts and 'stop', or the words of a refusal and 'refusal'."""
    parts = [part for part in content if isinstance(part, dict)]
    refused = [_text(part.get("refusal")) for part in parts if part.get("refusal")]
    if refused:
        return refused[0], "refusal"
    return "".join(_text(part.get("text")) for part in parts), "stop"


def _response(raw: str, body: dict[str, Any], text: str, finish: str, names: tuple[str, str]) -> LlmResponse:
    usage = _mapping(body.get("usage"))
    return LlmResponse(
        raw=raw,
        text=text,
        finish_reason=finish,
        model=_plain(body.get("model")),
        response_id=_plain(body.get("id")),
        usage=Usage(input_tokens=_count(usage.get(names[0])), output_tokens=_count(usage.get(names[1]))),
    )


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    """Return text that every file can hold: half of a surrogate pair becomes the replacement character."""
    return _LONE.sub("\ufffd", value) if isinstance(value, str) else ""


def _plain(value: object) -> str:
    """Return a name that the endpoint gives as one short line that is safe to show."""
    return "".join(sign for sign in value[:200] if " " <= sign <= "~") if isinstance(value, str) else ""


def _count(value: object) -> int:
    """Return a number of tokens; 0 for what is none."""
    return value if type(value) is int and 0 <= value < _MOST_TOKENS else 0
