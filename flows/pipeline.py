"""The whole pipeline as one Prefect flow: every stage in order, each shown as it ends."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from flows.collect import collect
from flows.dedupe import dedupe
from flows.draft import draft
from flows.evaluate import evaluate
from flows.freeze import freeze
from flows.pull import agreement_of, pull
from flows.push import push
from flows.report import report
from flows.settings import Settings
from flows.terminal import say, show_agreement, show_counts
from flows.wiring import desks, studio


@flow(name="pipeline", validate_parameters=False)
def pipeline(settings: Settings, version: str, scripted: bool) -> Path:
    """Run every stage. scripted: let scripted annotators vote, as the demo does in place of people."""
    for number, stage in enumerate((collect, dedupe, draft), start=1):
        say(f"[{number}/8] {stage.name}")
        show_counts(stage(settings))
    say("[4/8] verify: starting Label Studio")
    with studio(settings) as server:
        queues = desks(server, settings)
        show_counts(push(settings, queues))
        if scripted:
            vote(server)
        counts = pull(settings, queues)
        if scripted:
            adjudicate(server)
            counts = pull(settings, queues)
        show_counts(counts)
    show_agreement(agreement_of(settings))
    say(f"[5/8] freeze {version}")
    show_counts(freeze(settings, version))
    say("[6/8] evaluate")
    show_counts(evaluate(settings, version))
    say("[7/8] report")
    return report(settings, version)
