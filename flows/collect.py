"""The collect stage: subjects and pictures of a source, lawfully kept or rejected with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from prefect import flow

from curation.collecting.collect import collect_candidate, without_pictures
from curation.errors import Rejected, TransientError
from curation.galleries import contact_sheet
from curation.records import ImageAsset, ImageCandidate, Outcome, StageCount, Subject
from flows.chunks import in_chunks
from flows.settings import Settings
from flows.wiring import artefacts, image_source
from warehouse.store import Event, open_store, outcome_event, record_event

SUBJECTS, PICTURES = "subjects", "collect"


@flow(name="collect", validate_parameters=False)
def collect(settings: Settings) -> list[StageCount]:
    """Fetch what the source offers; what was collected before is not fetched again."""
    source, kept = image_source(settings), artefacts(settings)
    listed = _first_of_each_category(source.subjects(), settings.per_category)
    subjects = {entry.subject_id: entry for entry in listed if isinstance(entry, Subject)}
    with open_store(settings.home) as store:
        store.append([record_event("subject", key, subject) for key, subject in subjects.items()])
        known = {key: ImageAsset.model_validate(value) for key, value in store.payloads("image").items()}
    candidates = [candidate for subject in subjects.values() for candidate in source.search(subject)]

    def work(candidate: ImageCandidate) -> tuple[ImageCandidate, ImageAsset | Rejected | None]:
        before = known.get(candidate.image_id)
        if before and before.locator == candidate.locator and kept.has(before.derivative_sha256):
            return candidate, before
        try:
            return candidate, collect_candidate(source, candidate, kept.put, datetime.now(UTC).isoformat())
        except TransientError:
            return candidate, None

    def keep(part: Sequence[tuple[ImageCandidate, ImageAsset | Rejected | None]]) -> None:
        found = [record_event("image", a.image_id, a) for _, a in part if isinstance(a, ImageAsset)]
        with open_store(settings.home) as store:
            store.append(found)

    results = in_chunks(PICTURES, candidates, settings, work, keep)
    assets = [result for _, result in results if isinstance(result, ImageAsset)]
    bare = {entry.key: entry for entry in without_pictures(subjects.values(), assets)}
    with open_store(settings.home) as store:
        store.settle(SUBJECTS, [_subject_outcome(_or_bare(entry, bare)) for entry in listed])
        store.settle(PICTURES, [_picture_outcome(c, r, subjects[c.subject_id].category) for c, r in results])
        counts = [store.count(SUBJECTS), store.count(PICTURES)]
    contact_sheet("Collected pictures", assets, kept.get, settings.home / "galleries" / "collected.html")
    return counts


def _first_of_each_category(listed: list[Subject | Rejected], limit: int | None) -> list[Subject | Rejected]:
    taken: Counter[str] = Counter()
    found: list[Subject | Rejected] = []
    for entry in listed:
        category = entry.category if isinstance(entry, Subject) else ""
        taken[category] += 1
        if limit is None or taken[category] <= limit:
            found.append(entry)
    return found


def _or_bare(entry: Subject | Rejected, bare: dict[str, Rejected]) -> Subject | Rejected:
    return bare.get(entry.subject_id, entry) if isinstance(entry, Subject) else entry


def _subject_outcome(entry: Subject | Rejected) -> Event:
    if isinstance(entry, Rejected):
        return outcome_event(
            SUBJECTS,
            entry.key,
            Outcome.REJECTED,
            unit="subjects",
            category="",
            reason=entry.reason,
            detail=entry.detail,
        )
    return outcome_event(SUBJECTS, entry.subject_id, Outcome.KEPT, unit="subjects", category=entry.category)


def _picture_outcome(candidate: ImageCandidate, result: ImageAsset | Rejected | None, category: str) -> Event:
    if isinstance(result, Rejected):
        return outcome_event(
            PICTURES,
            candidate.image_id,
            Outcome.REJECTED,
            unit="pictures",
            category=category,
            reason=result.reason,
            detail=f"{candidate.locator}: {result.detail}",
        )
    state = Outcome.PENDING if result is None else Outcome.KEPT
    return outcome_event(
        PICTURES, candidate.image_id, state, unit="pictures", category=category, detail=candidate.locator
    )
