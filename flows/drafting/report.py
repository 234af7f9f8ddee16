"""Writes the drafting page from the warehouse: what was drafted, what was turned down and what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup, escape

from curation.drafting.calls import DraftCall
from curation.drafting.checks import NAMES
from curation.drafting.judges.judging import JudgeAgreement, Judgement, agreement_with_people
from curation.drafting.money.budget import dollars
from curation.drafting.money.spending import ledger_rows
from curation.drafting.repair import KeptDraft, step_of_prompt
from curation.drafting.report import DraftReport, Standing, draft_report
from curation.galleries.page import harmless, write_page
from curation.records import Outcome, Verdict
from flows.drafting.charts import seconds_chart, ways_chart
from flows.drafting.money import spent_so_far
from flows.settings import Settings
from warehouse.store import Store, read_store

STAGE = "draft"
PAGE = "drafting.html"
LONGEST = 1_600
"""Characters shown of a text; edited texts have some 300."""

_STANDING = "SELECT key, category, outcome, reason, detail FROM outcome WHERE stage = ? ORDER BY key"


def write_draft_report(settings: Settings) -> Path:
    """Write the page and return its path; the same store gives the same bytes, and it is only read."""
    with read_store(settings.home) as store:
        calls = stored_calls(store)
        report = _report(settings, store, calls)
    out = settings.home / "galleries" / PAGE
    write_draft_page(out, report, calls)
    return out


def stored_calls(store: Store) -> list[DraftCall]:
    """Return the newest record of every question, in key order."""
    return [DraftCall.model_validate(value) for value in store.payloads("draft_call").values()]


def write_draft_page(out: Path, report: DraftReport, calls: Sequence[DraftCall]) -> None:
    """Write the page of a report; calls: for the chart of how long answers took."""
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for call in calls:
        if call.seconds is not None:
            seconds[step_of_prompt(call.step) or call.step].append(call.seconds)
    headings, rows = ledger_rows(report.spending)
    spent = report.spending.spent
    write_page(
        "drafting.html.j2",
        out,
        styles=(),
        report=report,
        failing=[row.check for row in report.checks if row.failed],
        drafters=sorted({f"{call.model} ({call.drafter})" for call in calls}),
        cost=dollars(spent.cost),
        tokens=f"{spent.tokens:,}",
        ways_chart=Markup(ways_chart(report.ways)),  # noqa: S704 - matplotlib escapes the names
        seconds_chart=Markup(seconds_chart(seconds)),  # noqa: S704 - matplotlib escapes the names
        spend_headings=headings,
        spend_rows=rows,
        dollars=dollars,
        marked=marked,
    )


def marked(text: str, span: str) -> Markup:
    """Return a text to show, with the words that a finding is about marked wherever they stand."""
    shown, wanted = harmless(text, LONGEST), harmless(span)
    if not wanted:
        return escape(shown)
    places = _places(shown, wanted)
    parts, end = [], 0
    for start in places:
        parts += [
            escape(shown[end:start]),
            Markup("<mark>{}</mark>").format(shown[start : start + len(wanted)]),
        ]
        end = start + len(wanted)
    return Markup("").join([*parts, escape(shown[end:])])


def _places(text: str, span: str) -> list[int]:
    """Return where a span begins in a text; in any case only where it is not there as it is."""
    found = []
    for where, what in ((text, span), (text.lower(), span.lower())):
        if len(where) != len(text):  # lower case of some letters is longer
            break
        start = where.find(what)
        while start >= 0:
            found.append(start)
            start = where.find(what, start + len(what))
        if found:
            break
    return found


def _report(settings: Settings, store: Store, calls: Sequence[DraftCall]) -> DraftReport:
    standings = [
        Standing(key, category or "", Outcome(outcome), reason or "", detail or "")
        for key, category, outcome, reason, detail in store.rows(_STANDING, [STAGE])
    ]
    drafts = [KeptDraft.model_validate(value) for value in store.payloads("draft").values()]
    spent = spent_so_far(settings)
    return draft_report(store.count(STAGE), standings, drafts, calls, NAMES, spent, _judges(store))


def _judges(store: Store) -> list[JudgeAgreement]:
    """Return how judges agree with people; tries without a picture lie beside their judgements."""
    said = [value for value in store.payloads("judgement").values() if "matter" in value]
    verdicts = [Verdict.model_validate(value) for value in store.payloads("verdict").values()]
    return agreement_with_people([Judgement.model_validate(value) for value in said], verdicts)
