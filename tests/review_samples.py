"""A small item with everything in it, for the tests of reviewing."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from curation.ids import sha256_bytes
from curation.records import (
    EditType,
    ImageOrigin,
    ImageRole,
    ItemImage,
    KnowledgeItem,
    Probe,
    ProbeKind,
    ReviewTask,
    TextSource,
)
from curation.reviewing.desk import RawAnnotation, raw_annotation
from curation.reviewing.forms import Form, to_result


def jpeg(shade: int) -> bytes:
    """Return a small JPEG of one grey."""
    buffer = io.BytesIO()
    Image.new("L", (32, 32), shade).save(buffer, "JPEG")
    return buffer.getvalue()


PICTURES = {sha256_bytes(data): data for data in (jpeg(60), jpeg(120), jpeg(180), jpeg(240))}
SHAS = tuple(PICTURES)
ROLES = (ImageRole.EDIT, ImageRole.REPHRASE, ImageRole.LOCALITY, ImageRole.ONE_HOP)


def image(role: ImageRole, sha256: str) -> ItemImage:
    """Return a picture in a role."""
    return ItemImage(
        role=role,
        sha256=sha256,
        image_id=f"img-{role.value}",
        subject_id="sub-1",
        origin=ImageOrigin.PHOTOGRAPH,
        parents=(),
        licence="CC-BY-SA-4.0",
        attribution="A. Author",
        source_page="https://example.org/p",
    )


PROBES = (
    Probe(
        probe_id="T-Rel",
        kind=ProbeKind.T_REL,
        question="Where is the tower?",
        answer="Rome",
        original_answer="Paris",
    ),
    Probe(
        probe_id="I-Rel",
        kind=ProbeKind.I_REL,
        question="What is the tower made of?",
        answer="brass",
        original_answer="iron",
        image_role=ImageRole.EDIT,
    ),
    Probe(
        probe_id="I-Gen",
        kind=ProbeKind.I_GEN,
        question="What is this made of?",
        answer="brass",
        original_answer="iron",
        image_role=ImageRole.REPHRASE,
    ),
    Probe(probe_id="T-Loc", kind=ProbeKind.T_LOC, question="Who wrote Hamlet?", answer="Shakespeare"),
    Probe(
        probe_id="I-Loc",
        kind=ProbeKind.I_LOC,
        question="What animal is this?",
        answer="a cat",
        image_role=ImageRole.LOCALITY,
    ),
    Probe(
        probe_id="Port-1",
        kind=ProbeKind.PORT,
        question="In which country is it?",
        answer="Italy",
        image_role=ImageRole.ONE_HOP,
        hop=1,
    ),
    Probe(probe_id="Port-2", kind=ProbeKind.PORT, question="On which river?", answer="the Tiber", hop=1),
)


def item(item_id: str = "itm-1", **changes: Any) -> KnowledgeItem:
    """Return an item of all six kinds of probe, two of them Port."""
    values: dict[str, Any] = {
        "item_id": item_id,
        "subject_id": "sub-1",
        "subject_name": "Eiffel Tower",
        "edit_type": EditType.VISUAL_ENTITY,
        "category": "tower",
        "fine_type": "tower",
        "original_text": "The tower stands in Paris and is made of iron.",
        "edited_text": "The tower stands in Rome and is made of brass.",
        "request": "Where is the tower?",
        "rephrased_request": "In which city does the tower stand?",
        "stand_in": "sub-2",
        "user_name": None,
        "images": tuple(image(role, sha) for role, sha in zip(ROLES, SHAS, strict=True)),
        "probes": PROBES,
        "text_source": TextSource(title="t", page="p", licence="CC-BY-SA-4.0", attribution="a"),
        "provenance": (),
    }
    return KnowledgeItem(**(values | changes))


def task(knowledge: KnowledgeItem, queue: str = "review", earlier: tuple[str, ...] = ()) -> ReviewTask:
    """Return the review task of an item."""
    return ReviewTask(
        task_key=knowledge.task_key,
        item=knowledge,
        drafter="rules",
        is_llm=False,
        queue=queue,
        earlier=earlier,
    )


def raw(
    form: Form | None,
    knowledge: KnowledgeItem | None = None,
    annotator: str = "a@example.org",
    queue: str = "review",
    number: int = 1,
    **annotation: Any,
) -> RawAnnotation:
    """Return a raw annotation with a form in it; None is a skip; further values replace the annotation's."""
    knowledge = knowledge or item()
    values: dict[str, Any] = {
        "id": number,
        "result": to_result(form) if form else [],
        "was_cancelled": form is None,
        "lead_time": 12.5,
        "updated_at": f"2026-11-23T10:00:{number:02d}.000000Z",
    }
    data = {
        "task_key": knowledge.task_key,
        "item_id": knowledge.item_id,
        "probe_ids": [probe.probe_id for probe in knowledge.probes],
        "image_roles": [entry.role.value for entry in knowledge.images],
    }
    return raw_annotation(values | annotation, data, annotator, queue)
