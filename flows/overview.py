"""What `mmke status` and `mmke why` show, read from the warehouse alone."""

from __future__ import annotations

from curation.errors import PrerequisiteError
from curation.records import StageCount
from flows.drafting.trace import drafting_lines
from flows.settings import Settings
from warehouse.store import read_store

# In the order of the pipeline; the names under which the stages keep their outcomes.
STAGES = ("subjects", "collect", "dedupe", "draft", "push", "votes", "pull", "freeze")


def stage_counts(settings: Settings) -> list[StageCount]:
    """Return in = kept + rejected + pending of every stage that has run."""
    with read_store(settings.home) as store:
        counts = [store.count(stage) for stage in STAGES]
    return [count for count in counts if count.incoming]


def status_rows(settings: Settings) -> tuple[list[str], list[list[str]]]:
    """Return headings and one row a category: how many things each stage keeps of it."""
    shown = ("subjects", "collect", "dedupe", "draft", "pull")
    with read_store(settings.home) as store:
        kept = "SELECT category, stage, count(*) FROM outcome WHERE outcome = 'kept' AND category <> ''"
        found = store.rows(f"{kept} GROUP BY 1, 2")
    number = {(category, stage): count for category, stage, count in found}
    categories = sorted({category for category, _ in number})
    headings = ["category", "subjects", "pictures", "unique", "drafted", "approved"]
    return headings, [[c, *(str(number.get((c, stage), 0)) for stage in shown)] for c in categories]


def explain(settings: Settings, key: str) -> list[str]:
    """Return a line for every stage that has seen a thing whose id holds key, and all drafts of the item.

    The drafts are told where key names one subject or item alone. Raises PrerequisiteError where nothing has
    such an id.
    """
    subject = key.removeprefix("item-")
    with read_store(settings.home) as store:
        found = store.rows(
            """
            SELECT stage, key, outcome, reason, detail FROM outcome
            WHERE contains(key, ?) OR contains(detail, ?)
               OR key IN (SELECT image_id FROM image WHERE subject_id = ?)
            """,
            [subject, key, subject],
        )
        drafted = [thing for stage, thing, *_ in found if stage == "draft"]
        chosen = [subject] if subject in drafted else drafted[:2]
        drafts = drafting_lines(store, chosen[0]) if len(chosen) == 1 else []
    if not found:
        message = f"nothing called {key!r} was ever seen; `mmke status` shows what there is"
        raise PrerequisiteError(message)
    order = {stage: place for place, stage in enumerate(STAGES)}
    lines = []
    for stage, thing, outcome, reason, detail in sorted(
        found, key=lambda row: (order.get(row[0], 99), row[1])
    ):
        told = ": ".join(part for part in (reason, detail) if part)
        lines.append(f"{stage:<10} {thing}  {outcome}{'  ' + told if told else ''}")
        if stage == "draft" and [thing] == chosen:
            lines += drafts
    return lines
