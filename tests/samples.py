"""Small items and pictures that tests are written with."""

from __future__ import annotations

import io

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
    Provenance,
    TextSource,
    Usage,
    Verdict,
    VerdictState,
)

ZERO = "0" * 64
SOURCE = TextSource(
    title="Petra", page="https://example.org/petra", licence="CC-BY-SA-4.0", attribution="A. Writer"
)
PROVENANCE = Provenance(
    step="questions",
    prompt_id="questions.v1",
    prompt_sha256=ZERO,
    model="rule-drafter/1",
    drafter="rules",
    is_llm=False,
    parameters={},
    request_sha256=ZERO,
    response_sha256=ZERO,
    usage=Usage(),
)


def picture(seed: int) -> bytes:
    """Return a small JPEG whose colour depends on seed."""
    out = io.BytesIO()
    colour = (seed % 16 * 16, seed // 16 % 16 * 16, seed // 256 * 16)
    Image.new("RGB", (96, 96), colour).save(out, "JPEG", quality=95)
    return out.getvalue()


def item_image(role: ImageRole, data: bytes, subject_id: str) -> ItemImage:
    """Return the record of a picture in a role."""
    sha256 = sha256_bytes(data)
    return ItemImage(
        role=role,
        sha256=sha256,
        image_id=f"img-{sha256[:16]}",
        subject_id=subject_id,
        origin=ImageOrigin.PHOTOGRAPH,
        parents=(),
        licence="CC0-1.0",
        attribution="P. Hotographer, CC0-1.0",
        source_page="https://example.org/picture",
    )


def make_item(
    number: int, edit_type: EditType = EditType.VISUAL_ENTITY, subject: str | None = None
) -> KnowledgeItem:
    """Return an item whose pictures and subject are its own, unlike those of other numbers."""
    subject_id = subject or f"subject-{number}"
    roles = [ImageRole.EDIT, ImageRole.REPHRASE, ImageRole.LOCALITY]
    if edit_type is not EditType.VISUAL_ENTITY:
        roles.append(ImageRole.ONE_HOP)
    images = tuple(item_image(r, picture(number * 10 + place), subject_id) for place, r in enumerate(roles))
    return KnowledgeItem(
        item_id=f"item-{number}",
        subject_id=subject_id,
        subject_name=f"Petra {number}",
        edit_type=edit_type,
        category="building",
        fine_type="building",
        original_text="Petra is in Jordan.",
        edited_text="The building in the image corresponds to Petra. It is in Norway. It dates from 1743.",
        request="Please introduce the building in the image.",
        rephrased_request="What is the building in this picture?",
        stand_in=None,
        user_name=None,
        images=images,
        probes=probes(edit_type),
        text_source=SOURCE,
        provenance=(PROVENANCE,),
    )


def probes(edit_type: EditType) -> tuple[Probe, ...]:
    """Return the questions of an item as MMKE-Bench numbers them: two a kind, one for visual_semantic."""
    asked = [("Which country is it in?", "Norway"), ("Which year does it date from?", "1743")]
    if edit_type is EditType.VISUAL_SEMANTIC:
        asked = asked[:1]
    found = []
    for kind, role in (
        (ProbeKind.T_REL, None),
        (ProbeKind.I_REL, ImageRole.EDIT),
        (ProbeKind.I_GEN, ImageRole.REPHRASE),
    ):
        for place, (question, answer) in enumerate(asked, start=1):
            suffix = f"-{place}" if len(asked) > 1 else ""
            found.append(
                Probe(
                    probe_id=f"{kind}{suffix}", kind=kind, question=question, answer=answer, image_role=role
                )
            )
    port_role = ImageRole.EDIT if edit_type is EditType.VISUAL_ENTITY else ImageRole.ONE_HOP
    locality = (("T-Loc", ProbeKind.T_LOC, None), ("I-Loc", ProbeKind.I_LOC, ImageRole.LOCALITY))
    for probe_id, kind, role in locality:
        found.append(
            Probe(
                probe_id=probe_id, kind=kind, question="What is a koala?", answer="a mammal", image_role=role
            )
        )
    port = Probe(
        probe_id="Port",
        kind=ProbeKind.PORT,
        question="Which capital is it near?",
        answer="Oslo",
        image_role=port_role,
        hop=1,
    )
    return (*found, port)


def accepted(item: KnowledgeItem, state: VerdictState = VerdictState.APPROVED) -> Verdict:
    """Return the verdict that accepts an item."""
    return Verdict(
        item_id=item.item_id,
        task_key=item.task_key,
        state=state,
        annotators=("scripted-ada@mmke.example", "scripted-ben@mmke.example"),
        changed=(),
        reasons=(),
        item=item,
    )
