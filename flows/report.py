"""The report stage: one static page about the release, how it was made and what the methods did to it."""

from __future__ import annotations

from pathlib import Path

from eval.report import write_report
from prefect import flow

from flows.evaluate import summarise
from flows.overview import stage_counts
from flows.pull import agreement_of
from flows.settings import Settings
from warehouse.release import open_release


@flow(name="report", validate_parameters=False)
def report(settings: Settings, version: str) -> Path:
    """Write the page and return its path; it needs no server and fetches nothing."""
    release = open_release(settings.releases / version)
    summary, page = summarise(settings, release), settings.report / "index.html"
    return write_report(page, summary, release, stage_counts(settings), agreement_of(settings))
