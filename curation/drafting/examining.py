"""What models say of an item that passes the checks: pictures that nobody needs, and a judge's flags."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from curation.drafting.asking import Asking
from curation.drafting.checks.finding import Finding
from curation.drafting.judging import judge_item
from curation.drafting.probing import needless_pictures, try_without_image
from curation.records import KnowledgeItem, Record

Opinions = tuple[Sequence[Finding], Sequence[tuple[str, Record]]]


def examiner(tries: int, judge: str) -> Callable[[KnowledgeItem, Asking], Awaitable[Opinions]] | None:
    """Return what examines an item with models, None when nothing is asked for.

    tries: how often each picture question is asked without the picture. judge: a model that flags, '' for
    none. What comes back: findings, which reject the item, and records to keep by key. A judge rejects
    nothing: people see its flags. Rules are not examined: they do not write what models would.
    """
    if not tries and not judge:
        return None

    async def examine(item: KnowledgeItem, asking: Asking) -> Opinions:
        if not asking.settings.is_llm:
            return [], []
        kept: list[tuple[str, Record]] = []
        findings: list[Finding] = []
        if tries:
            made = await try_without_image(item, asking, tries)
            kept += [(f"{one.task_key}/{one.probe_ids[0]}", one) for one in made]
            findings = needless_pictures(made)
        if judge and not findings:
            judged = await judge_item(item, asking, judge)
            kept += [(f"{one.task_key}/{one.matter}/{one.judge}", one) for one in judged]
        return findings, kept

    return examine
