"""The controls of the labelling interface, and a vote written in them and read from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curation.errors import Reason, Rejected
from curation.ids import short_id
from curation.records import Annotation, ImageRole, ProbeVote
from curation.reviewing.desk import RawAnnotation

TEXT_VERDICTS = ("ok", "fix", "wrong")
PROBE_VERDICTS = ("ok", "fix", "drop")
DECISIONS = ("approve", "revise", "reject")
REASONS = (
    "false original",
    "not counterfactual",
    "ambiguous",
    "image mismatch",
    "answer leak",
    "unsafe or private",
    "duplicate",
    "other",
)
_MOST_BYTES = 1_000_000
_LONGEST_TEXT = 20_000
LONGEST_COMMENT = 2_000
_PROBE_CONTROL = re.compile(r"(q_verdict|q_question|q_answer)_([0-9]{1,2})")


@dataclass(frozen=True)
class Form:
    """A filled-in form, as an annotator submits it; probes in the order of the task."""

    decision: str
    probes: tuple[ProbeVote, ...]
    original: str = "ok"
    edited: str = "ok"
    original_fix: str | None = None
    edited_fix: str | None = None
    bad_images: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    comment: str = ""


def to_result(form: Form) -> list[dict[str, Any]]:
    """Return the form as the `result` list that Label Studio stores."""
    choices: dict[str, tuple[str, tuple[str, ...]]] = {
        "original_verdict": ("original", (form.original,)),
        "edited_verdict": ("edited", (form.edited,)),
        "decision": ("edited", (form.decision,)),
        "reasons": ("edited", form.reasons),
        "bad_images": ("gallery", form.bad_images),
    }
    texts: dict[str, tuple[str, str | None]] = {
        "original_fix": ("original", form.original_fix),
        "edited_fix": ("edited", form.edited_fix),
        "comment": ("edited", form.comment),
    }
    for index, vote in enumerate(form.probes):
        choices[f"q_verdict_{index}"] = (f"q_{index}", (vote.verdict,))
        texts[f"q_question_{index}"] = (f"q_{index}", vote.question)
        texts[f"q_answer_{index}"] = (f"q_{index}", vote.answer)
    result = [
        _control(name, target, "choices", {"choices": list(chosen)})
        for name, (target, chosen) in choices.items()
        if chosen
    ]
    result += [
        _control(name, target, "textarea", {"text": [text]}) for name, (target, text) in texts.items() if text
    ]
    return result


def _control(name: str, target: str, kind: str, value: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": short_id("r", name)[:12],
        "from_name": name,
        "to_name": target,
        "type": kind,
        "value": value,
    }


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


class _Task(TaskKeys):
    probe_ids: list[str] = Field(max_length=50)
    image_roles: list[ImageRole] = Field(max_length=20)


class _Payload(Payload):
    task: _Task
    queue: Literal["review", "adjudication"]


class MalformedError(ValueError):
    """What is wrong with an annotation, in words for a person."""


def parse(raw: RawAnnotation, raw_sha256: str) -> Annotation | Rejected:
    """Return the vote in a raw annotation, or why it cannot be read.

    Label Studio stores whatever its API is sent, so everything is checked: the shape, the controls and
    their choices, lengths, that nothing is missing, and that indexes name a probe of the task. A text
    beside a verdict other than `fix` is ignored: the verdict says that the text needs none.
    """
    key = f"{raw.task_key}#{raw.annotation_id}"
    try:
        return _read(raw, raw_sha256)
    except MalformedError as error:
        return Rejected(key, Reason.MALFORMED_ANNOTATION, str(error))


def _read(raw: RawAnnotation, raw_sha256: str) -> Annotation:
    payload = _payload(raw)
    answer, task = payload.annotation, payload.task
    controls = {} if answer.was_cancelled else _controls(answer.result, len(task.probe_ids))
    form = None if answer.was_cancelled else _form(controls, tuple(task.probe_ids), tuple(task.image_roles))
    return Annotation(
        annotation_id=str(answer.id),
        task_key=task.task_key,
        item_id=task.item_id,
        annotator=payload.annotator,
        queue=payload.queue,
        skipped=form is None,
        decision=form.decision if form else None,
        original_verdict=form.original if form else None,
        edited_verdict=form.edited if form else None,
        original_fix=form.original_fix if form else None,
        edited_fix=form.edited_fix if form else None,
        probe_votes=form.probes if form else (),
        bad_images=form.bad_images if form else (),
        reasons=form.reasons if form else (),
        comment=form.comment if form else "",
        lead_time=answer.lead_time,
        updated_at=answer.updated_at,
        raw_sha256=raw_sha256,
    )


def _payload(raw: RawAnnotation) -> _Payload:
    payload = read_payload(raw, _Payload)
    if not payload.task.task_key.startswith(f"{payload.task.item_id}:"):
        raise MalformedError("its task key is not of its item")
    return payload


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


def _controls(result: list[Control], probes: int) -> dict[str, list[str]]:
    """Return what was entered by control name, with every name and type checked."""
    choices = {"original_verdict", "edited_verdict", "decision", "reasons", "bad_images"}
    choices |= {f"q_verdict_{index}" for index in range(probes)}
    texts = {"original_fix", "edited_fix", "comment"}
    texts |= {f"q_{part}_{index}" for index in range(probes) for part in ("question", "answer")}
    return read_controls(result, choices, texts)


def _form(entered: dict[str, list[str]], probe_ids: tuple[str, ...], roles: tuple[ImageRole, ...]) -> Form:
    decision = one_of(entered, "decision", DECISIONS)
    original = one_of(entered, "original_verdict", TEXT_VERDICTS)
    edited = one_of(entered, "edited_verdict", TEXT_VERDICTS)
    reasons = _some_of(entered, "reasons", REASONS)
    if decision != "approve" and not reasons:
        raise MalformedError(f"{decision} needs a reason")
    return Form(
        decision=decision,
        original=original,
        edited=edited,
        original_fix=_fix(entered, "original_fix") if original == "fix" else None,
        edited_fix=_fix(entered, "edited_fix") if edited == "fix" else None,
        probes=tuple(_probe_vote(entered, index, probe_id) for index, probe_id in enumerate(probe_ids)),
        bad_images=_some_of(entered, "bad_images", tuple(role.value for role in roles)),
        reasons=reasons,
        comment=text_of(entered, "comment", LONGEST_COMMENT) or "",
    )


def _probe_vote(entered: dict[str, list[str]], index: int, probe_id: str) -> ProbeVote:
    verdict = one_of(entered, f"q_verdict_{index}", PROBE_VERDICTS)
    if verdict != "fix":
        return ProbeVote(probe_id=probe_id, verdict=verdict)
    question = text_of(entered, f"q_question_{index}", _LONGEST_TEXT)
    answer = text_of(entered, f"q_answer_{index}", _LONGEST_TEXT)
    if question is None and answer is None:
        raise MalformedError(f"q_verdict_{index} is fix, without a text")
    return ProbeVote(probe_id=probe_id, verdict=verdict, question=question, answer=answer)


def one_of(entered: dict[str, list[str]], name: str, allowed: tuple[str, ...]) -> str:
    """Return the one choice of a control; raises MalformedError for none, two, or one not offered."""
    chosen = _some_of(entered, name, allowed)
    if len(chosen) != 1:
        raise MalformedError(f"{name} needs one choice and has {len(chosen)}")
    return chosen[0]


def _some_of(entered: dict[str, list[str]], name: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    chosen = entered.get(name, [])
    if len(set(chosen)) != len(chosen) or not set(chosen) <= set(allowed):
        raise MalformedError(f"{name} has a choice that the interface does not offer, or one twice")
    return tuple(choice for choice in allowed if choice in chosen)


def _fix(entered: dict[str, list[str]], name: str) -> str:
    text = text_of(entered, name, _LONGEST_TEXT)
    if text is None:
        raise MalformedError(f"{name} is missing")
    return text


def text_of(entered: dict[str, list[str]], name: str, longest: int) -> str | None:
    """Return what was written in a control, None for nothing; raises MalformedError when it is too long."""
    text = entered.get(name, [""])[0].strip()
    if len(text) > longest:
        raise MalformedError(f"{name} has {len(text)} characters, at most {longest} are allowed")
    if "\0" in text:
        raise MalformedError(f"{name} has a null character")
    return text or None
