"""Spells a request in OpenAI's two APIs, in the form that an endpoint understands."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from curation.drafting.llm import ImagePart, LlmRequest, Message
from curation.ids import canonical_json

Api = Literal["chat", "responses"]
Structure = Literal["json_schema", "json_object", "none"]
Limit = Literal["both", "new", "old"]
PATHS: Mapping[Api, str] = {"chat": "/chat/completions", "responses": "/responses"}

_LIMITS: Mapping[Limit, tuple[str, ...]] = {
    "both": ("max_completion_tokens", "max_tokens"),
    "new": ("max_completion_tokens",),
    "old": ("max_tokens",),
}
_OTHER_LIMITS: Mapping[Limit, tuple[Limit, ...]] = {"both": ("new", "old"), "new": ("old",), "old": ()}
_STRUCTURES: tuple[Structure, ...] = ("json_schema", "json_object", "none")


@dataclass(frozen=True, slots=True)
class Form:
    """What an endpoint knows of OpenAI's API beside the messages.

    structure: how the form of the answer is asked for. stores: it is asked to keep the answer under our own
    hash, or (False) not to keep it; None: it is told nothing of that. limit: the name under which Chat
    Completions take the limit of tokens, max_completion_tokens (new) or max_tokens (old); both is the safest
    where both are taken, for some endpoints ignore the one that they do not know (ollama/ollama#7125).
    """

    structure: Structure = "json_schema"
    stores: bool | None = True
    limit: Limit = "both"


def simpler_forms(form: Form, api: Api) -> Iterator[Form]:
    """Yield the forms to try after one was refused: each thing left out alone, then several together."""
    weaker = _STRUCTURES[_STRUCTURES.index(form.structure) + 1 :]
    limits: tuple[Limit, ...] = (form.limit,)
    if api == "chat":
        limits += _OTHER_LIMITS[form.limit]
    alone = [replace(form, stores=None)] if form.stores is not None else []
    alone += [replace(form, structure=structure) for structure in weaker]
    alone += [replace(form, limit=limit) for limit in limits[1:]]
    yield from alone
    for limit in limits:
        for structure in (form.structure, *weaker):
            both = Form(structure, stores=None, limit=limit)
            if both != form and both not in alone:
                yield both


def body_of(request: LlmRequest, api: Api, form: Form) -> dict[str, Any]:
    """Return the JSON body of a request; nothing in it depends on key, address or date."""
    body: dict[str, Any] = {"model": request.model, **_parameters(request, api, form)}
    if api == "chat":
        body["messages"] = [_chat_message(message) for message in request.messages]
    else:
        body["input"] = [_input_message(message) for message in request.messages]
    body |= _structure(request, api, form.structure)
    if form.stores:
        body |= {"store": True, "metadata": {"request_sha256": request.request_sha256}}
    elif form.stores is False and api == "responses":
        body["store"] = False  # the Responses API keeps answers unless it is told not to
    return body


def _parameters(request: LlmRequest, api: Api, form: Form) -> dict[str, Any]:
    parameters: dict[str, Any] = dict(request.parameters)
    if "max_completion_tokens" in parameters:
        limit = parameters.pop("max_completion_tokens")
        names = ("max_output_tokens",) if api == "responses" else _LIMITS[form.limit]
        parameters |= dict.fromkeys(names, limit)
    return parameters


def _structure(request: LlmRequest, api: Api, structure: Structure) -> dict[str, Any]:
    if structure == "none":
        return {}
    asked: dict[str, Any] = {"type": structure}
    if structure == "json_schema":
        schema = _strict(canonical_json(request.schema))
        inner = {"name": request.schema_name, "schema": schema, "strict": True}
        asked |= inner if api == "responses" else {"json_schema": inner}
    return {"text": {"format": asked}} if api == "responses" else {"response_format": asked}


@cache
def _strict(schema: str) -> dict[str, Any]:
    """Return a schema as strict structured output wants it: all fields required, none beside, no defaults.

    https://developers.openai.com/api/docs/guides/structured-outputs lists what it takes.
    """
    return _strict_node(json.loads(schema))  # type: ignore[no-any-return]


def _strict_node(node: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(node, list):
        return [_strict_node(value) for value in node]
    if not isinstance(node, dict):
        return node
    found = {"anyOf" if name == "oneOf" else name: value for name, value in node.items()}
    properties = found.get("properties")
    maps = ("properties", "$defs")  # in these a key is a name, whatever it is called
    strict = {
        name: {key: _strict_node(one) for key, one in value.items()} if name in maps else _strict_node(value)
        for name, value in found.items()
        if name not in ("default", "discriminator")
    }
    if isinstance(properties, dict):
        strict |= {"additionalProperties": False, "required": list(properties)}
    return strict


def _chat_message(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}]
    parts += [{"type": "image_url", "image_url": {"url": _address(image)}} for image in message.images]
    return {"role": message.role, "content": parts}


def _input_message(message: Message) -> dict[str, Any]:
    if not message.images:
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "input_text", "text": message.text}]
    parts += [
        {"type": "input_image", "detail": "auto", "image_url": _address(image)} for image in message.images
    ]
    return {"role": message.role, "content": parts}


def _address(image: ImagePart) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(image.data).decode("ascii")
