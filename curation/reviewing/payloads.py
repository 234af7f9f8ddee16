"""Raw annotations, read strictly: Label Studio stores whatever its API is sent."""

from __future__ import annotations

import re
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curation.reviewing.desk import RawAnnotation

_MOST_BYTES = 1_000_000
LONGEST_COMMENT = 2_000
_PROBE_CONTROL = re.compile(r"(q_verdict|q_question|q_answer)_([0-9]{1,2})")


class Choices(BaseModel):
    """What was chosen in a control."""

    model_config = ConfigDict(extra="forbid", strict=True)
    choices: list[str] = Field(min_length=1, max_length=20)


class Texts(BaseModel):
    """What was written in a control."""

    model_config = ConfigDict(extra="forbid", strict=True)
    text: list[str] = Field(min_length=1, max_length=1)


class Control(BaseModel):
    """One control of a form, filled in."""

    model_config = ConfigDict(extra="ignore", strict=True)
    from_name: str = Field(max_length=40)
    type: Literal["choices", "textarea"]
    value: Choices | Texts


class Answer(BaseModel):
    """An annotation as Label Studio stores it."""

    model_config = ConfigDict(extra="ignore", strict=True)
    id: int
    result: list[Control] = Field(max_length=200)
    was_cancelled: bool
    updated_at: str = Field(min_length=10, max_length=40)
    lead_time: float | None = Field(default=None, ge=0, allow_inf_nan=False)


class TaskKeys(BaseModel):
    """The keys by which an annotation finds its task."""

    model_config = ConfigDict(extra="ignore", strict=True)
    task_key: str = Field(max_length=200)
    item_id: str = Field(min_length=1, max_length=180)


class Payload(BaseModel):
    """The content of a raw annotation, of any kind of task."""

    model_config = ConfigDict(extra="forbid", strict=True)
    annotation: Answer
    task: TaskKeys
    annotator: str = Field(min_length=3, max_length=256)
    queue: str


P = TypeVar("P", bound=Payload)


class MalformedError(ValueError):
    """What is wrong with an annotation, in words for a person."""


def read_payload(raw: RawAnnotation, kind: type[P]) -> P:
    """Return the content of a raw annotation as a kind of payload; raises MalformedError in plain words."""
    if len(raw.raw) > _MOST_BYTES:
        raise MalformedError(f"it has {len(raw.raw)} bytes")
    try:
        payload = kind.model_validate_json(raw.raw)
    except ValidationError as error:
        # pydantic's own message quotes the input, which is not for our logs
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100]
        problem = "it is not JSON" if first["type"] == "json_invalid" else f"{place}: {first['type']}"
        raise MalformedError(problem) from None
    named = (str(payload.annotation.id), payload.task.task_key, payload.annotator, payload.queue)
    if named != (raw.annotation_id, raw.task_key, raw.annotator, raw.queue):
        raise MalformedError("its content belongs to another annotation")
    return payload


def read_controls(result: list[Control], choices: set[str], texts: set[str]) -> dict[str, list[str]]:
    """Return what was entered by control name; choices, texts: the controls of the interface.

    Raises MalformedError for another control, one of another type, and one that comes twice.
    """
    entered: dict[str, list[str]] = {}
    for control in result:
        chosen = isinstance(control.value, Choices)
        if control.from_name not in (choices if chosen else texts) or (control.type == "choices") != chosen:
            name = control.from_name if _PROBE_CONTROL.fullmatch(control.from_name) else "a control"
            raise MalformedError(f"{name} is not in the interface or has another type")
        if control.from_name in entered:
            raise MalformedError(f"{control.from_name} comes twice")
        value = control.value
        entered[control.from_name] = value.choices if isinstance(value, Choices) else value.text
    return entered


def one_of(entered: dict[str, list[str]], name: str, allowed: tuple[str, ...]) -> str:
    """Return the one choice of a control; raises MalformedError for none, two, or one not offered."""
    chosen = some_of(entered, name, allowed)
    if len(chosen) != 1:
        raise MalformedError(f"{name} needs one choice and has {len(chosen)}")
    return chosen[0]


def some_of(entered: dict[str, list[str]], name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the choices of a control, in the order in which they are offered; raises MalformedError."""
    chosen = entered.get(name, [])
    if len(set(chosen)) != len(chosen) or not set(chosen) <= set(allowed):
        raise MalformedError(f"{name} has a choice that the interface does not offer, or one twice")
    return tuple(choice for choice in allowed if choice in chosen)


def text_of(entered: dict[str, list[str]], name: str, longest: int) -> str | None:
    """Return what was written in a control, None for nothing; raises MalformedError when it is too long."""
    text = entered.get(name, [""])[0].strip()
    if len(text) > longest:
        raise MalformedError(f"{name} has {len(text)} characters, at most {longest} are allowed")
    if "\0" in text:
        raise MalformedError(f"{name} has a null character")
    return text or None
