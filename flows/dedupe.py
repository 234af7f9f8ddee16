"""The dedupe stage: one picture kept of each that was collected twice; doubts go to people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from prefect import flow

from curation.deduplicating.candidates import Candidate, candidates
from curation.deduplicating.checking import Checker
from curation.deduplicating.clusters import cluster, rejections, ruled, without_views
from curation.deduplicating.features import algorithm, picture_features
from curation.deduplicating.leakage import Finding, Leak
from curation.deduplicating.rulings import Ruling, Same, person, read_rulings, unmatched
from curation.deduplicating.rulings import rule as add_ruling
from curation.errors import PrerequisiteError, Rejected
from curation.galleries import duplicate_gallery
from curation.ids import sha256_json
from curation.records import (
    DuplicateCluster,
    DuplicatePair,
    ImageAsset,
    Outcome,
    PairVerdict,
    PictureFeatures,
    StageCount,
)
from flows.chunks import in_chunks
from flows.gallery import write_sheets
from flows.leakage import Released, earlier_releases, find_leaks, released_pictures, write_leaks
from flows.ledger import PICTURES
from flows.settings import Settings
from flows.terminal import say_result
from flows.wiring import artefacts
from warehouse.artefacts import Artefacts
from warehouse.release import Release
from warehouse.store import Event, Store, open_store, outcome_event, read_store, record_event

STAGE = "dedupe"
# Raised whenever the check itself changes, so that no verdict of an older one is taken for it.
CHECK = "check 1"


@dataclass(frozen=True)
class _Pictures:
    """What is compared: the collected pictures, and those of earlier releases that are not among them."""

    assets: list[ImageAsset]
    released: list[Released]
    features: dict[str, PictureFeatures]

    @property
    def shown(self) -> list[ImageAsset | Released]:
        """Return all of them, in the order of the rows."""
        return [*self.assets, *self.released]


@flow(name="dedupe", validate_parameters=False)
def dedupe(settings: Settings) -> list[StageCount]:
    """Find pictures that show one photograph, keep the best of each, and say what people should look at.

    Features are made once a picture and algorithm, pairs are checked once; people's rulings come last and
    always hold. A picture in a pair in doubt is kept.
    """
    rulings = read_rulings(settings.dedupe.rulings)
    kept = artefacts(settings)
    releases = earlier_releases(settings)
    pictures = _pictures(settings, kept, releases)
    found = candidates(
        [pictures.features[one.image_id] for one in pictures.shown],
        lambda row: kept.get(pictures.features[pictures.shown[row].image_id].thumbnail_sha256),
        settings.dedupe,
    )
    measured = _checked(pictures, found.pairs, settings, kept)
    there = {asset.image_id for asset in pictures.assets}
    inside: list[DuplicatePair] = []
    outside: list[DuplicatePair] = []
    for pair in measured:
        (inside if {pair.first, pair.second} <= there else outside).append(pair)
    pairs = without_views(pictures.assets, ruled(pictures.assets, inside, rulings))
    clusters = cluster(pictures.assets, pairs)
    counts = _settled(settings, pictures.assets, clusters, pairs)
    leaks = find_leaks(releases, pictures.assets, [*pairs, *outside])
    write_leaks(leaks, settings.home / "galleries" / "leakage.csv")
    shown = [pair for pair in pairs if pair.verdict is not PairVerdict.DISTINCT]
    by_id = {asset.image_id: asset for asset in pictures.assets}
    out = settings.home / "galleries" / "duplicates.html"
    duplicate_gallery(clusters, shown, by_id, kept.get, out, pictures.features)
    write_sheets(settings)
    crowded = {pictures.shown[row].image_id: number for row, number in sorted(found.crowded.items())}
    _tell(pairs, unmatched(rulings, (asset.sha256 for asset in pictures.assets)), leaks, crowded)
    return counts


def rule(
    settings: Settings, first: str, second: str, verdict: Same, *, note: str = "", who: str | None = None
) -> Ruling:
    """Add a ruling on two pictures (image ids, or sha256 of their bytes) to the rulings file and return it.

    Raises PrerequisiteError for a picture that is not there, or two of the same bytes.
    """
    with read_store(settings.home) as store:
        images = store.payloads("image")
    found = []
    for name in (first, second):
        matches = {value["sha256"] for key, value in images.items() if name in (key, value["sha256"])}
        if not matches:
            message = f"there is no picture {name}; the gallery of duplicates shows the ids"
            raise PrerequisiteError(message)
        found.append(matches.pop())
    one, other = found
    return add_ruling(settings.dedupe.rulings, one, other, verdict, who=who or person(), note=note)


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


def _pictures(settings: Settings, kept: Artefacts, releases: Sequence[Release]) -> _Pictures:
    """Return what is compared, with features: those that are there already are not made again."""
    with open_store(settings.home) as store:
        assets = collected(store)
        known = {k: PictureFeatures.model_validate(v) for k, v in store.payloads("features").items()}
    released = released_pictures(releases, assets, kept.put)
    everything: list[ImageAsset | Released] = [*assets, *released]
    named = algorithm()
    features = {
        one.image_id: before
        for one in everything
        if (before := known.get(one.image_id)) and (before.sha256, before.algorithm) == (one.sha256, named)
    }

    def keep(part: Sequence[PictureFeatures]) -> None:
        with open_store(settings.home) as store:
            store.append([record_event("features", one.image_id, one) for one in part])

    missing = [one for one in everything if one.image_id not in features]
    made = in_chunks(STAGE, missing, settings, partial(_features, kept), keep)
    features |= {one.image_id: one for one in made}
    return _Pictures(assets, released, features)


def _features(kept: Artefacts, one: ImageAsset | Released) -> PictureFeatures:
    """Return what is known of a picture; a function of a module, so that a cluster can do it too.

    From the derivative, which was decoded under limits once: nothing from outside is decoded again.
    """
    data = kept.get(one.derivative_sha256)
    made = picture_features(one.image_id, data, kept.put, one.derivative_sha256)
    return made.model_copy(update={"sha256": one.sha256})


def _checked(
    pictures: _Pictures, found: Sequence[Candidate], settings: Settings, kept: Artefacts
) -> list[DuplicatePair]:
    """Return what the close look says of every candidate; no look is taken twice."""
    shown = pictures.shown
    checker = Checker(shown, pictures.features, kept.get, settings.dedupe)
    rules = sha256_json([CHECK, algorithm(), settings.dedupe.model_dump(mode="json", exclude={"rulings"})])
    with read_store(settings.home) as store:
        before = store.payloads("check")

    def made_by(one: Candidate) -> str:
        bytes_of = [shown[row].derivative_sha256 for row in (one.first, one.second)]
        return sha256_json([rules, *bytes_of, one.turns, one.whole, one.part])[:32]

    def work(one: Candidate) -> tuple[str, DuplicatePair]:
        name = made_by(one)
        earlier = before.get("/".join(sorted(shown[row].image_id for row in (one.first, one.second))))
        if earlier and earlier["made_by"] == name:
            return name, DuplicatePair.model_validate(earlier["pair"])
        return name, checker.check(one)

    def keep(part: Sequence[tuple[str, DuplicatePair]]) -> None:
        events = [
            Event(
                "check",
                f"{pair.first}/{pair.second}",
                {"made_by": name, "pair": pair.model_dump(mode="json")},
            )
            for name, pair in part
        ]
        with open_store(settings.home) as store:
            store.append(events)

    return [pair for _, pair in in_chunks("pairs", found, settings, work, keep)]


def _settled(
    settings: Settings,
    assets: Sequence[ImageAsset],
    clusters: Sequence[DuplicateCluster],
    pairs: Sequence[DuplicatePair],
) -> list[StageCount]:
    """Keep what was decided: pairs to merge or in doubt, groups, and where every picture stands."""
    dropped = {found.key: found for found in rejections(clusters)}
    alike = {f"{p.first}/{p.second}": p for p in pairs if p.ruled or p.verdict is not PairVerdict.DISTINCT}
    with open_store(settings.home) as store:
        category = dict(store.rows("SELECT subject_id, category FROM subject"))
        outcomes = [_outcome(one, category[one.subject_id], dropped.get(one.image_id)) for one in assets]
        stale = [
            record_event("pair", key, _gone(DuplicatePair.model_validate(value)))
            for key, value in store.payloads("pair").items()
            if key not in alike
        ]
        store.append([*stale, *(record_event("pair", key, pair) for key, pair in alike.items())])
        store.append([record_event("cluster", found.cluster_id, found) for found in clusters])
        store.settle(STAGE, outcomes)
        return [store.count(STAGE)]


def _gone(pair: DuplicatePair) -> DuplicatePair:
    return pair.model_copy(
        update={"verdict": PairVerdict.DISTINCT, "reason": "no longer alike", "ruled": False}
    )


def _tell(
    pairs: Sequence[DuplicatePair],
    lost: Sequence[Ruling],
    leaks: Sequence[Finding],
    crowded: Mapping[str, int],
) -> None:
    """Print what people should know beside the counts."""
    doubtful = sum(pair.verdict is PairVerdict.REVIEW for pair in pairs)
    say_result(f"review     pairs in doubt: {doubtful}, all kept until people rule (`mmke dedupe rule`)")
    told = ", ".join(f"{leak.value} {sum(found.leak is leak for found in leaks)}" for leak in Leak)
    say_result(f"leakage    {told} (galleries/leakage.csv)")
    for ruling in lost:
        say_result(f"ruling     {ruling.first[:12]} {ruling.second[:12]}: a picture that is not here")
    for image_id, number in crowded.items():
        say_result(f"crowded    {image_id} is near {number} others: not all of them were compared")


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
