"""The dedupe stage: one picture kept of each that was collected twice, with the reason."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import flow

from curation.deduplicating.clusters import cluster, rejections
from curation.deduplicating.hashes import ALGORITHM, hash_asset
from curation.errors import Rejected
from curation.galleries import duplicate_gallery
from curation.records import ImageAsset, ImageHashes, Outcome, StageCount
from flows.chunks import in_chunks
from flows.collect import PICTURES
from flows.settings import Settings
from flows.wiring import artefacts
from warehouse.store import Event, Store, open_store, outcome_event, record_event

STAGE = "dedupe"


@flow(name="dedupe", validate_parameters=False)
def dedupe(settings: Settings) -> list[StageCount]:
    """Hash what was collected, find clusters, keep the best of each; hashes are made once a picture."""
    kept = artefacts(settings)
    with open_store(settings.home) as store:
        assets = collected(store)
        category = dict(store.rows("SELECT subject_id, category FROM subject"))
        known = {key: ImageHashes.model_validate(value) for key, value in store.payloads("hashes").items()}

    def work(asset: ImageAsset) -> ImageHashes:
        before = known.get(asset.image_id)
        if before and before.sha256 == asset.sha256 and before.algorithm == ALGORITHM:
            return before
        return hash_asset(asset, kept.get(asset.derivative_sha256))

    def keep(part: Sequence[ImageHashes]) -> None:
        with open_store(settings.home) as store:
            store.append([record_event("hashes", hashes.image_id, hashes) for hashes in part])

    hashes = in_chunks(STAGE, assets, settings, work, keep)
    clusters = cluster(assets, {h.image_id: h for h in hashes}, kept.get, settings.duplicate_radius)
    dropped = {found.key: found for found in rejections(clusters)}
    outcomes = [_outcome(asset, category[asset.subject_id], dropped.get(asset.image_id)) for asset in assets]
    with open_store(settings.home) as store:
        store.append([record_event("cluster", found.cluster_id, found) for found in clusters])
        store.settle(STAGE, outcomes)
        counts = [store.count(STAGE)]
    by_id = {asset.image_id: asset for asset in assets}
    duplicate_gallery(clusters, [], by_id, kept.get, settings.home / "galleries" / "duplicates.html")
    return counts


def collected(store: Store) -> list[ImageAsset]:
    """Return the pictures that the collect stage keeps at present, in id order."""
    states = store.outcomes(PICTURES)
    found = store.payloads("image")
    return [
        ImageAsset.model_validate(value) for key, value in found.items() if states.get(key) == Outcome.KEPT
    ]


def unique_pictures(store: Store) -> list[ImageAsset]:
    """Return the pictures that the dedupe stage keeps at present, in id order."""
    states = store.outcomes(STAGE)
    return [asset for asset in collected(store) if states.get(asset.image_id) == Outcome.KEPT]


def _outcome(asset: ImageAsset, category: str, dropped: Rejected | None) -> Event:
    return outcome_event(
        STAGE,
        asset.image_id,
        Outcome.REJECTED if dropped else Outcome.KEPT,
        unit="pictures",
        category=category,
        reason=dropped.reason if dropped else None,
        detail=dropped.detail if dropped else "",
    )
