"""The draft stage: a language model writes knowledge and questions; what fails a check is out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from prefect import flow

from curation.drafting.casting import Casting, cast
from curation.drafting.draft import Asking, Drafted, Sources, StepFailed, draft_item
from curation.drafting.outside_texts import NoOutsideTexts
from curation.drafting.pools import Pool
from curation.errors import Rejected, TransientError
from curation.records import KnowledgeItem, Outcome, StageCount, Subject
from flows.dedupe import unique_pictures
from flows.ledger import SUBJECTS
from flows.settings import Settings
from flows.wiring import artefacts, drafting_model
from warehouse.store import Event, Store, open_store, outcome_event, record_event

STAGE = "draft"


@flow(name="draft", validate_parameters=False)
def draft(settings: Settings) -> list[StageCount]:
    """Draft one item a subject. Answers are saved before they are read, so that a repeat pays for nothing."""
    kept = artefacts(settings)
    with open_store(settings.home) as store:
        subjects = kept_subjects(store)
        unique = unique_pictures(store)
    by_id = {subject.subject_id: subject for subject in subjects}
    castings = cast(subjects, unique, kept.get, kept.put)
    sources = Sources(by_id, NoOutsideTexts(), Pool(), kept.get)
    with drafting_model(settings) as (model, drafting):
        asking = Asking(model, drafting)

        async def work(subject: Subject) -> tuple[Subject, KnowledgeItem | Rejected | None]:
            casting = castings[subject.subject_id]
            if not isinstance(casting, Casting):
                return subject, casting
            try:
                made = await draft_item(subject, casting, sources, asking)
            except TransientError:
                return subject, None
            return subject, _first_wrong(subject, made)

        def keep(part: Sequence[tuple[Subject, KnowledgeItem | Rejected | None]]) -> None:
            items = [item for _, item in part if isinstance(item, KnowledgeItem)]
            with open_store(settings.home) as store:
                store.append([record_event("item", item.item_id, item) for item in items])

        async def work_on_all() -> list[tuple[Subject, KnowledgeItem | Rejected | None]]:
            results = []
            for start in range(0, len(subjects), settings.chunk):
                part = await asyncio.gather(*map(work, subjects[start : start + settings.chunk]))
                keep(part)
                results.extend(part)
            return results

        results = asyncio.run(work_on_all())
    with open_store(settings.home) as store:
        store.settle(STAGE, [_outcome(subject, result) for subject, result in results])
        return [store.count(STAGE)]


def kept_subjects(store: Store) -> list[Subject]:
    """Return the subjects that the collect stage keeps at present, in id order."""
    states = store.outcomes(SUBJECTS)
    found = store.payloads("subject")
    return [Subject.model_validate(value) for key, value in found.items() if states.get(key) == Outcome.KEPT]


def drafted(store: Store) -> list[KnowledgeItem]:
    """Return the items that the draft stage keeps at present, in id order."""
    states = store.outcomes(STAGE)
    items = [KnowledgeItem.model_validate(value) for value in store.payloads("item").values()]
    return [item for item in items if states.get(item.subject_id) == Outcome.KEPT]


def _first_wrong(subject: Subject, made: Drafted | StepFailed) -> KnowledgeItem | Rejected:
    if isinstance(made, StepFailed):
        return made.rejected
    if made.findings:
        return Rejected(subject.subject_id, made.findings[0].reason, made.findings[0].detail)
    return made.item


def _outcome(subject: Subject, result: KnowledgeItem | Rejected | None) -> Event:
    if isinstance(result, Rejected):
        return outcome_event(
            STAGE,
            subject.subject_id,
            Outcome.REJECTED,
            unit="subjects",
            category=subject.category,
            reason=result.reason,
            detail=result.detail,
        )
    state = Outcome.PENDING if result is None else Outcome.KEPT
    return outcome_event(STAGE, subject.subject_id, state, unit="subjects", category=subject.category)
