"""The push stage: drafted items become tasks in Label Studio, each once."""

from __future__ import annotations

from prefect import flow

from curation.records import KnowledgeItem, Outcome, ReviewTask, StageCount
from flows.chunks import in_chunks
from flows.draft import drafted
from flows.settings import Settings
from flows.terminal import say
from flows.wiring import Desks, artefacts
from warehouse.store import open_store, outcome_event

STAGE = "push"
PICTURE_BATCH = 250


@flow(name="push", validate_parameters=False)
def push(settings: Settings, desks: Desks) -> list[StageCount]:
    """Push every drafted item that Label Studio does not have yet in its present wording."""
    kept = artefacts(settings)
    with open_store(settings.home) as store:
        items = drafted(store)
    batches = [items[start : start + PICTURE_BATCH] for start in range(0, len(items), PICTURE_BATCH)]
    reports = in_chunks(
        STAGE, batches, settings, lambda batch: desks.review.push([review_task(i) for i in batch], kept.get)
    )
    say(f"  {sum(len(report.created) for report in reports)} new tasks in Label Studio at {desks.url}")
    events = [
        outcome_event(STAGE, item.item_id, Outcome.KEPT, unit="items", category=item.category)
        for item in items
    ]
    with open_store(settings.home) as store:
        store.settle(STAGE, events)
        return [store.count(STAGE)]


def review_task(item: KnowledgeItem, queue: str = "review", earlier: tuple[str, ...] = ()) -> ReviewTask:
    """Return the task that shows an item to people, labelled with what drafted it."""
    wrote = item.provenance[-1]
    return ReviewTask(
        task_key=item.task_key,
        item=item,
        drafter=wrote.drafter,
        is_llm=wrote.is_llm,
        queue=queue,
        earlier=earlier,
    )
