"""The report stage: one static page about the release, how it was made and what the methods did to it."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from eval.report import write_report
from eval.summary import read_summary
from flows.evaluate import evaluation_folder
from flows.overview import stage_counts
from flows.pull import agreement_of
from flows.settings import Settings
from warehouse.release import open_release


@flow(name="report", validate_parameters=False)
def report(settings: Settings, version: str) -> Path:
    """Write the page and return its path; it shows what was measured and measures nothing."""
    release = open_release(settings.releases / version)
    folder = evaluation_folder(settings, version)
    return write_report(folder, read_summary(folder), release, stage_counts(settings), agreement_of(settings))
