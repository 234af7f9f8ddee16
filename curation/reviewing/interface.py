"""What an annotator sees: the labelling configuration, the guidelines, and the data of a task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from curation.ids import sha256_bytes
from curation.records import EditType, ImageRole, ItemImage, KnowledgeItem, Probe, ProbeKind, ReviewTask
from curation.reviewing.markup import difference, element, picture, picture_path

_ROLE_NAMES = {
    ImageRole.EDIT: "edit",
    ImageRole.REPHRASE: "rephrase",
    ImageRole.LOCALITY: "locality",
    ImageRole.ONE_HOP: "one hop",
}
_ROLE_HOTKEYS = {
    ImageRole.EDIT: "z",
    ImageRole.REPHRASE: "x",
    ImageRole.LOCALITY: "v",
    ImageRole.ONE_HOP: "b",
}
_EDIT_TYPE_NAMES = {
    EditType.VISUAL_ENTITY: "visual entity",
    EditType.VISUAL_SEMANTIC: "visual semantic",
    EditType.USER_SPECIFIC: "user specific",
}
_LOCALITY = (ProbeKind.T_LOC, ProbeKind.I_LOC)
_COUNTERFACTUAL_HINT = (
    "The edit is counterfactual on purpose: judge whether it is consistent, plausible and really differs "
    "from the original, not whether it is true."
)
_INSERTION_HINT = (
    "User specific: the left text describes the subject and stays true; the right text inserts something "
    "new about one user. Nothing is replaced, so look for contradictions rather than differences."
)


@dataclass(frozen=True)
class Interface:
    """A kind of task: how it looks, and what of a task is shown.

    config: labelling configuration (XML). guidelines: HTML, our own. data: everything that a task shows,
    with its task_key and item_id. pictures: the sha256 of every picture in it.
    """

    config: str
    guidelines: str
    data: Callable[[Any], dict[str, Any]]
    pictures: Callable[[Any], list[str]]

    @property
    def version(self) -> str:
        """Return 12 digits of the configuration's hash: a project belongs to one version of it."""
        return sha256_bytes(self.config.encode("utf-8"))[:12]


@cache
def label_config() -> str:
    """Return the labelling configuration (XML)."""
    return files("curation.reviewing").joinpath("interface.xml").read_text(encoding="utf-8")


@cache
def guidelines() -> str:
    """Return the instructions that Label Studio shows before the first task (HTML, our own)."""
    return files("curation.reviewing").joinpath("guidelines.html").read_text(encoding="utf-8")


@cache
def review_interface() -> Interface:
    """Return the interface in which people verify items."""
    return Interface(label_config(), guidelines(), task_data, _pictures)


def _pictures(task: ReviewTask) -> list[str]:
    return [image.sha256 for image in task.item.images]


def task_data(task: ReviewTask) -> dict[str, Any]:
    """Return everything a task shows, and the keys by which an annotation finds its way back.

    The texts that prefill the boxes for fixing are plain; all *_html is made and escaped by markup.py.
    Verdicts are never prefilled.
    """
    item = task.item
    original_html, edited_html = _texts(item)
    insertion = item.edit_type is EditType.USER_SPECIFIC
    return {
        "task_key": task.task_key,
        "item_id": item.item_id,
        "revision": item.revision,
        "queue": task.queue,
        "category": item.category,
        "edit_type": item.edit_type.value,
        "drafter": _drafter(task),
        "probe_ids": [probe.probe_id for probe in item.probes],
        "image_roles": [image.role.value for image in item.images],
        "original_title": "Description (stays true)" if insertion else "Original knowledge",
        "edited_title": "Inserted knowledge" if insertion else "Edited knowledge",
        "original": item.original_text,
        "edited": item.edited_text,
        "original_html": str(original_html),
        "edited_html": str(edited_html),
        "head_html": str(_head(task)),
        "gallery_html": str(_gallery(item)),
        "images": [picture_path(image.sha256) for image in item.images],
        "image_choices": [
            {"value": image.role.value, "hotkey": _ROLE_HOTKEYS[image.role]} for image in item.images
        ],
        "questions": [_question(item, index, probe) for index, probe in enumerate(item.probes)],
    }


def _drafter(task: ReviewTask) -> str:
    return f"drafter={task.drafter}, is_llm={str(task.is_llm).lower()}"


def _texts(item: KnowledgeItem) -> tuple[Markup, Markup]:
    """Return original and edited text; an insertion has nothing to compare word by word."""
    if item.edit_type is EditType.USER_SPECIFIC:
        return element("div", item.original_text), element("div", item.edited_text)
    return difference(item.original_text, item.edited_text)


def _head(task: ReviewTask) -> Markup:
    item = task.item
    chips = [
        _EDIT_TYPE_NAMES[item.edit_type],
        item.category,
        item.fine_type,
        _drafter(task),
    ]
    hint = _INSERTION_HINT if item.edit_type is EditType.USER_SPECIFIC else _COUNTERFACTUAL_HINT
    lines = [f"Request: {item.request}", f"Rephrased: {item.rephrased_request}"]
    if item.user_name:
        lines.insert(0, f"User: {item.user_name}")
    votes = [f"Earlier vote {number}: {vote}" for number, vote in enumerate(task.earlier, start=1)]
    return element(
        "div",
        *(element("span", chip, css="mm-chip") for chip in chips),
        element("div", item.subject_name, css="mm-title"),
        *(element("div", line, css="mm-line") for line in lines),
        element("div", hint, css="mm-note"),
        *(element("div", vote, css="mm-note") for vote in votes),
    )


def _gallery(item: KnowledgeItem) -> Markup:
    return element("div", *(_figure(image) for image in item.images), css="mm-gal")


def _figure(image: ItemImage) -> Markup:
    return element(
        "figure", picture(image.sha256), element("figcaption", f"{_ROLE_NAMES[image.role]} ({image.origin})")
    )


def _question(item: KnowledgeItem, index: int, probe: Probe) -> dict[str, Any]:
    return {
        "probe_id": probe.probe_id,
        "question": probe.question,
        "answer": probe.answer,
        "html": str(_question_html(item, index, probe)),
    }


def _question_html(item: KnowledgeItem, index: int, probe: Probe) -> Markup:
    image = item.image(probe.image_role) if probe.image_role else None
    shown = picture(image.sha256) if image else element("div", "text only", css="mm-noimg")
    role = f" · {_ROLE_NAMES[image.role]} picture" if image else ""
    return element(
        "div",
        shown,
        element(
            "div",
            element("span", f"Q{index} {probe.probe_id}{role}", css="mm-chip"),
            element("div", probe.question, css="mm-qt"),
            element("div", f"{_answer_label(probe.kind)}: {probe.answer}", css="mm-a"),
            element("div", _before(probe), css="mm-b"),
            css="mm-qtext",
        ),
        css="mm-qrow",
    )


def _answer_label(kind: ProbeKind) -> str:
    return "after the edit (must not change)" if kind in _LOCALITY else "after the edit"


def _before(probe: Probe) -> str:
    if probe.original_answer is not None:
        return f"before the edit: {probe.original_answer}"
    unchanged = probe.kind in _LOCALITY
    return f"before the edit: {'the same' if unchanged else 'not known'}"
