"""Drafts that people labelled good or bad, as the items that the checks see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curation.records import EditType, ImageRole, KnowledgeItem, Probe, ProbeKind
from tests.samples import PROVENANCE, SOURCE, item_image

FOLDER = Path(__file__).parent / "data" / "drafts"
KINDS = ((ProbeKind.T_REL, None), (ProbeKind.I_REL, ImageRole.EDIT), (ProbeKind.I_GEN, ImageRole.REPHRASE))


def rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a file of drafts."""
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def item_of(row: dict[str, Any]) -> KnowledgeItem:
    """Return the item that a row describes; a fact is text question, image question, answer, value before."""
    entity = row["type"] == EditType.VISUAL_ENTITY
    roles = [ImageRole.EDIT, ImageRole.REPHRASE, *([] if entity else [ImageRole.ONE_HOP])]
    images = [item_image(role, role.value.encode(), "itself") for role in roles]
    others = [
        ("T-Loc", ProbeKind.T_LOC, None, *row["tloc"]),
        ("I-Loc", ProbeKind.I_LOC, ImageRole.LOCALITY, *row["iloc"]),
        ("Port", ProbeKind.PORT, ImageRole.EDIT if entity else ImageRole.ONE_HOP, *row["port"]),
    ]
    return KnowledgeItem(
        item_id=f"item-{row['name']}",
        subject_id="itself",
        subject_name=row["name"],
        edit_type=EditType(row["type"]),
        category=row["category"],
        fine_type=row["fine_type"],
        original_text=row["original"],
        edited_text=row["edited"],
        request=row["request"],
        rephrased_request=row["rephrased"],
        stand_in=None,
        user_name=row.get("user"),
        images=(*images, item_image(ImageRole.LOCALITY, b"locality", "another")),
        probes=(
            *_reliability(row["facts"]),
            *(
                Probe(
                    probe_id=name,
                    kind=kind,
                    question=asked,
                    answer=answer,
                    image_role=role,
                    hop=kind is ProbeKind.PORT,
                )
                for name, kind, role, asked, answer in others
            ),
        ),
        text_source=SOURCE,
        provenance=(PROVENANCE,),
    )


def _reliability(facts: list[list[Any]]) -> list[Probe]:
    """Return T-Rel, I-Rel and I-Gen; a fifth entry of a fact is the rephrased image question."""
    return [
        Probe(
            probe_id=f"{kind.value}-{number}" if len(facts) > 1 else kind.value,
            kind=kind,
            question=([*fact[:2], fact[4] if len(fact) > 4 else fact[1]])[place],
            answer=fact[2],
            original_answer=fact[3],
            image_role=role,
        )
        for place, (kind, role) in enumerate(KINDS)
        for number, fact in enumerate(facts, start=1)
    ]


def changed(item: KnowledgeItem, changes: dict[str, Any]) -> KnowledgeItem:
    """Return an item with some texts replaced: 'edited_text', or a probe's as in 'I-Rel-1.question'."""
    values = {place: value for place, value in changes.items() if "." not in place}
    probes = []
    for probe in item.probes:
        fields = {p.split(".")[1]: v for p, v in changes.items() if p.split(".")[0] == probe.probe_id}
        probes.append(probe.model_copy(update=fields))
    return item.model_copy(update={**values, "probes": tuple(probes)})
