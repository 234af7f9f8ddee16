"""The official JSON layout of MMKE-Bench, loadable by its own loader unchanged."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from curation.records import EditType, ImageRole, KnowledgeItem, ProbeKind, ReleasedItem, Split

# File prefix and knowledge_type of each editing type, as the reference's easyeditor/dataset/coco_caption.py
# and multimodal_edit.py spell them.
PREFIX = {
    EditType.VISUAL_ENTITY: "entity",
    EditType.VISUAL_SEMANTIC: "visual",
    EditType.USER_SPECIFIC: "user",
}
KNOWLEDGE_TYPE = {
    EditType.VISUAL_ENTITY: "entity_level",
    EditType.VISUAL_SEMANTIC: "visual_knowledge",
    EditType.USER_SPECIFIC: "user_specific",
}
LAYOUT = "mmke"


def image_path(item: KnowledgeItem, sha256: str) -> str:
    """Return a picture's path inside data_image: semantic ones lie a folder deeper, as in the original."""
    middle = f"{item.category}/" if item.edit_type is EditType.VISUAL_SEMANTIC else ""
    return f"{PREFIX[item.edit_type]}/{middle}{sha256[:20]}.jpg"


def legacy_record(entry: ReleasedItem) -> dict[str, Any]:
    """Return the flat record of one item; the official loader ignores the extra keys."""
    item = entry.item
    pictures = {image.role: image_path(item, image.sha256) for image in item.images}
    text_locality = item.probes_of(ProbeKind.T_LOC)[0]
    image_locality = item.probes_of(ProbeKind.I_LOC)[0]
    port = item.probes_of(ProbeKind.PORT)[0]
    record: dict[str, Any] = {
        "knowledge_type": KNOWLEDGE_TYPE[item.edit_type],
        "type_self": item.fine_type,
        "src": item.request,
        "pred": item.original_text,
        "alt": item.edited_text,
        "rephrase": item.rephrased_request,
        "image": pictures[ImageRole.EDIT],
        "image_rephrase": pictures[ImageRole.REPHRASE],
        "loc": text_locality.question,
        "loc_ans": text_locality.answer,
        "m_loc": pictures[ImageRole.LOCALITY],
        "m_loc_q": image_locality.question,
        "m_loc_a": image_locality.answer,
        "port_new": [{"port_type": "1-hop", "Q&A": {"Question": port.question, "Answer": port.answer}}],
        **_reliability(item),
        "id": item.item_id,
        "category": item.category,
        "subject": item.subject_name,
    }
    if item.edit_type is not EditType.VISUAL_ENTITY:
        record["one_hop_img"] = pictures[ImageRole.ONE_HOP]
    return record


def _reliability(item: KnowledgeItem) -> dict[str, str]:
    text, visual = item.probes_of(ProbeKind.T_REL), item.probes_of(ProbeKind.I_REL)
    if item.edit_type is EditType.VISUAL_SEMANTIC:
        return {
            "rel": text[0].question,
            "rel_ans": text[0].answer,
            "m_rel": visual[0].question,
            "m_rel_ans": visual[0].answer,
            "image_rephrase_question": item.probes_of(ProbeKind.I_GEN)[0].question,
        }
    found = {}
    for number, (by_text, by_image) in enumerate(zip(text, visual, strict=True), start=1):
        found[f"rel_{number}"] = by_text.question
        found[f"rel_ans_{number}"] = by_text.answer
        found[f"m_rel_{number}"] = by_image.question
        found[f"m_rel_ans_{number}"] = by_image.answer
    return found


def write_layout(folder: Path, items: Sequence[ReleasedItem], read: Callable[[str], bytes]) -> None:
    """Write the six data_json files and the pictures under folder/mmke."""
    for edit_type, prefix in PREFIX.items():
        for split in Split:
            chosen = [e for e in items if e.split is split and e.item.edit_type is edit_type]
            path = folder / LAYOUT / "data_json" / f"{prefix}_{split}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                json.dumps([legacy_record(e) for e in chosen], ensure_ascii=False, indent=1) + "\n"
            )
    for entry in items:
        for image in entry.item.images:
            path = folder / LAYOUT / "data_image" / image_path(entry.item, image.sha256)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(read(image.sha256))
