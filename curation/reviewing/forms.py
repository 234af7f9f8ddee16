"""The controls of the labelling interface, and a vote written in them and read from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from curation.errors import Reason, Rejected
from curation.ids import short_id
from curation.records import Annotation, ImageRole, ProbeVote
from curation.reviewing.desk import RawAnnotation
from curation.reviewing.payloads import (
    LONGEST_COMMENT,
    Control,
    MalformedError,
    Payload,
    TaskKeys,
    one_of,
    read_controls,
    read_payload,
    some_of,
    text_of,
)

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
_LONGEST_TEXT = 20_000


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


class _Task(TaskKeys):
    probe_ids: list[str] = Field(max_length=50)
    image_roles: list[ImageRole] = Field(max_length=20)


class _Payload(Payload):
    task: _Task
    queue: Literal["review", "adjudication"]


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
    reasons = some_of(entered, "reasons", REASONS)
    if decision != "approve" and not reasons:
        raise MalformedError(f"{decision} needs a reason")
    return Form(
        decision=decision,
        original=original,
        edited=edited,
        original_fix=_fix(entered, "original_fix") if original == "fix" else None,
        edited_fix=_fix(entered, "edited_fix") if edited == "fix" else None,
        probes=tuple(_probe_vote(entered, index, probe_id) for index, probe_id in enumerate(probe_ids)),
        bad_images=some_of(entered, "bad_images", tuple(role.value for role in roles)),
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


def _fix(entered: dict[str, list[str]], name: str) -> str:
    text = text_of(entered, name, _LONGEST_TEXT)
    if text is None:
        raise MalformedError(f"{name} is missing")
    return text
