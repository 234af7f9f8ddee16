"""The whole pipeline as one Prefect flow: every stage in order, each shown as it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from prefect import flow

from curation.records import StageCount
from curation.reviewing.scripted import ScriptReport, adjudicate, review
from flows.collect import collect
from flows.dedupe import dedupe
from flows.draft import draft
from flows.freeze import freeze
from flows.pull import agreement_of, pull
from flows.push import push
from flows.settings import Settings
from flows.terminal import say, show_agreement, show_counts
from flows.wiring import desks, studio

STAGES = ("collect", "dedupe", "draft", "verify", "freeze", "evaluate", "report")


@flow(name="pipeline", validate_parameters=False)
def pipeline(settings: Settings, version: str, scripted: bool, until: str) -> Path | None:
    """Run every stage up to and with until; return the report's path when that was the last.

    scripted: let scripted annotators vote, as the demo does in place of people.
    """
    work: dict[str, Callable[[], Path | None]] = {
        "collect": lambda: show_counts(collect(settings)),
        "dedupe": lambda: show_counts(dedupe(settings)),
        "draft": lambda: show_counts(draft(settings)),
        "verify": lambda: verify(settings, scripted),
        "freeze": lambda: show_counts(freeze(settings, version)),
        "evaluate": lambda: show_counts(_evaluate(settings, version)),
        "report": lambda: _report(settings, version),
    }
    for number, stage in enumerate(STAGES, start=1):
        say(f"[{number}/{len(STAGES)}] {stage}")
        page = work[stage]()
        if stage == until:
            break
    return page


def _evaluate(settings: Settings, version: str) -> list[StageCount]:
    # Imported when it is reached: a curator's installation may lack torch.
    from flows.evaluate import evaluate, evaluate_in_sequence

    counts = evaluate(settings, version)
    if settings.sequential_edits:
        counts += evaluate_in_sequence(settings, version)
    return counts


def _report(settings: Settings, version: str) -> Path:
    from flows.report import report

    return report(settings, version)


def verify(settings: Settings, scripted: bool) -> None:
    """Push, let scripted annotators vote where that is wanted, pull, and print the agreement."""
    say("  starting Label Studio (the first time takes a minute)")
    with studio(settings) as server:
        queues = desks(server, settings)
        show_counts(push(settings, queues))
        if scripted:
            say("  scripted annotators vote")
            _told(review(server.url, server.token, queues.review.project_id))
            pull(settings, queues)
            _told(adjudicate(server.url, server.token, queues.adjudication.project_id))
        show_counts(pull(settings, queues))
    show_agreement(agreement_of(settings))


def _told(reports: Sequence[ScriptReport]) -> None:
    for told in reports:
        say(f"  {told.annotator}: {told.made} new votes, {told.already} made before")
