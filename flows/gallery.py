"""Writes the contact sheets from the warehouse: every picture seen, where it stands and why."""

from __future__ import annotations

from pathlib import Path

from curation.errors import PrerequisiteError
from curation.galleries import SeenPicture, State, category_sheets
from curation.records import DuplicateCluster, ImageAsset, Outcome
from curation.taxonomy import load_taxonomy
from flows.settings import Settings
from flows.wiring import artefacts
from warehouse.store import Store, read_store

COLLECT, DEDUPE = "collect", "dedupe"
_DUPLICATES = frozenset({"exact_duplicate", "near_duplicate"})


def write_sheets(settings: Settings, category: str | None = None) -> Path:
    """Write the sheets of one category or of all, and return the page to open.

    The warehouse is only read. Raises PrerequisiteError when nothing was collected yet, or nothing of
    that category.
    """
    with read_store(settings.home) as store:
        pictures = seen_pictures(store)
    known = sorted({picture.category for picture in pictures})
    if category is not None and category not in known:
        there = ", ".join(known) or "none yet: run `mmke collect`"
        raise PrerequisiteError(f"no picture of the category {category!r} was seen; there are: {there}")
    names = {key: entry.name for key, entry in load_taxonomy(settings.taxonomy).items()}
    folder = settings.home / "galleries" / "collected"
    return category_sheets(pictures, artefacts(settings).get, folder, names, only=category)


def seen_pictures(store: Store) -> list[SeenPicture]:
    """Return every picture that the collect stage has seen, in id order, with its present state.

    What collect kept and dedupe did not look at yet counts as kept. A picture is shown only while
    collect keeps it: one that was withdrawn is not.
    """
    names = dict(store.rows("SELECT subject_id, name FROM subject"))
    assets = {key: ImageAsset.model_validate(value) for key, value in store.payloads("image").items()}
    later = {key: (reason or "", detail) for key, reason, detail in store.rows(_DROPPED, [DEDUPE])}
    keepers = _keepers(store)
    found = []
    for key, category, outcome, reason, detail in store.rows(_SEEN, [COLLECT]):
        kept = outcome == Outcome.KEPT and key in assets
        state, why = State(outcome), (reason or "", detail or "")
        if kept and key in later:
            why = later[key]
            state = State.DUPLICATE if why[0] in _DUPLICATES else State.REJECTED
        asset = assets[key] if kept else None
        found.append(
            SeenPicture(
                image_id=key,
                category=category or "",
                subject=names.get(asset.subject_id, asset.subject_id) if asset else "",
                state=state,
                reason=why[0],
                detail=why[1],
                keeper=keepers.get(key, "") if state is State.DUPLICATE else "",
                asset=asset,
            )
        )
    return found


_SEEN = "SELECT key, category, outcome, reason, detail FROM outcome WHERE stage = ? ORDER BY key"
_DROPPED = "SELECT key, reason, detail FROM outcome WHERE stage = ? AND outcome = 'rejected'"


def _keepers(store: Store) -> dict[str, str]:
    """Return the kept picture for each that was ever dropped for one."""
    clusters = [DuplicateCluster.model_validate(value) for value in store.payloads("cluster").values()]
    return {member.image_id: cluster.keeper for cluster in clusters for member in cluster.dropped}
