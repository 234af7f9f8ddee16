"""The evaluate stage: every editing method on every case of a frozen release, one edit at a time."""

from __future__ import annotations

from eval.runner import evaluate as run_evaluation
from eval.summary import Summary
from prefect import flow

from curation.records import StageCount
from flows.settings import Settings
from flows.terminal import progress, show_table
from warehouse.release import Release, open_release

STAGE = "evaluate"


@flow(name="evaluate", validate_parameters=False)
def evaluate(settings: Settings, version: str) -> list[StageCount]:
    """Train or load the small model, edit it case by case, keep one record a case and method."""
    summary = summarise(settings, open_release(settings.releases / version))
    show_table(summary.title, summary.headings, summary.rows)
    return [summary.count]


def summarise(settings: Settings, release: Release) -> Summary:
    """Return the summary of a release's evaluation; what was measured before is read, not measured again."""
    out = settings.home / "evaluation" / release.version
    with progress() as show:
        return run_evaluation(release, out, settings.model_cache, settings.methods, show)
