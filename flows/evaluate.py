"""The evaluate stage: every editing method on every case of a frozen release, one edit at a time."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from curation.records import StageCount
from eval.runner import evaluate as run_evaluation
from eval.summary import table
from flows.settings import Settings
from flows.terminal import progress, show_table
from warehouse.release import open_release

STAGE = "evaluate"


@flow(name="evaluate", validate_parameters=False)
def evaluate(settings: Settings, version: str) -> list[StageCount]:
    """Train or load the small model, edit it case by case, keep one record a case and method."""
    release = open_release(settings.releases / version)
    with progress() as show:
        summary = run_evaluation(
            release, evaluation_folder(settings, version), settings.model_cache, settings.methods, show
        )
    headings, rows = table(summary)
    # The change against no edit goes below its figure: the table must fit on 80 columns.
    stacked = [[cell.replace(" (", "\n").rstrip(")") for cell in row] for row in rows]
    title = (
        f"Release {version}, {summary.model}, {summary.protocol} protocol, x100; below: change by the edit"
    )
    show_table(title, headings, stacked)
    edits = len(summary.record_keys)
    return [StageCount(stage=STAGE, unit="edits", incoming=edits, kept=edits, rejected={}, pending=0)]


def evaluation_folder(settings: Settings, version: str) -> Path:
    """Return where the records, the summary and the report of a release's evaluation lie."""
    return settings.home / "evaluation" / version
