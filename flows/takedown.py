"""Finds what people asked us to take down among what was collected, and keeps it out of releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation.collecting.withdrawn import WithdrawnList, read_withdrawn, withdrawn_among
from curation.errors import Reason
from curation.records import ImageAsset, Outcome, Verdict
from flows.ledger import PICTURES, picture_outcome
from flows.settings import Settings
from warehouse.store import Store


def withdrawn_pictures(store: Store, settings: Settings) -> dict[str, str]:
    """Return by image id why some of all pictures ever collected are withdrawn.

    Raises PrerequisiteError when the list cannot be read.
    """
    listed = read_withdrawn(settings.withdrawn)
    if listed == WithdrawnList():
        return {}
    return withdrawn_among(map(ImageAsset.model_validate, store.payloads("image").values()), listed)


def take_down(store: Store, settings: Settings) -> None:
    """Reject what the collect stage keeps and is withdrawn since, pictures made of such ones too."""
    withdrawn = withdrawn_pictures(store, settings)
    kept = "SELECT key, category FROM outcome WHERE stage = ? AND outcome = 'kept'"
    category = dict(store.rows(kept, [PICTURES])) if withdrawn else {}
    store.append(
        picture_outcome(key, category[key], Outcome.REJECTED, Reason.WITHDRAWN, told)
        for key, told in withdrawn.items()
        if key in category
    )


def withdrawn_items(verdicts: Sequence[Verdict], withdrawn: Mapping[str, str]) -> dict[str, str]:
    """Return by item id why some items cannot be released: a picture of theirs, or one it was made of."""
    found = {}
    for verdict in verdicts:
        images = verdict.item.images if verdict.item else ()
        shown = [key for image in images for key in (image.image_id, *image.parents)]
        told = [withdrawn[key] for key in shown if key in withdrawn]
        if told:
            found[verdict.item_id] = told[0]
    return found
