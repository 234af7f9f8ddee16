"""Turns the items of a release into edits to make and demonstrations to show."""

from __future__ import annotations

from collections.abc import Iterator

from curation.errors import Reason, Rejected
from curation.records import ImageRole, KnowledgeItem, Probe, Split
from eval.records import CaseProbe, EditCase
from warehouse.release import Release


def edit_case(item: KnowledgeItem) -> EditCase | Rejected:
    """Return the edit that an item describes, or Rejected(no_picture) when it has no edit picture."""
    picture = item.image(ImageRole.EDIT)
    if picture is None:
        return Rejected(item.item_id, Reason.NO_PICTURE, "the item has no picture to edit on")
    return EditCase(
        case_id=item.item_id,
        subject_name=item.subject_name,
        edit_type=item.edit_type,
        category=item.category,
        fine_type=item.fine_type,
        user_name=item.user_name,
        request=item.request,
        rephrased_request=item.rephrased_request,
        original_text=item.original_text,
        target=item.edited_text,
        image=picture.sha256,
        probes=tuple(_case_probe(item, probe) for probe in item.probes),
    )


def edit_cases(release: Release, split: Split) -> Iterator[EditCase]:
    """Yield the edits of one split in release order; items that cannot be edited are left out.

    The eval split is what methods are measured on, the train split what IKE demonstrates with.
    """
    for entry in release.split(split):
        case = edit_case(entry.item)
        if isinstance(case, EditCase):
            yield case


def _case_probe(item: KnowledgeItem, probe: Probe) -> CaseProbe:
    picture = item.image(probe.image_role) if probe.image_role is not None else None
    return CaseProbe(
        probe_id=probe.probe_id,
        kind=probe.kind,
        question=probe.question,
        answer=probe.answer,
        image_role=probe.image_role,
        image=picture.sha256 if picture else None,
    )
