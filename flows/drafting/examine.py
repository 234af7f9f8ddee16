"""Has models look at an item that passes the checks: is the picture needed, and is anything doubtful."""

from __future__ import annotations

from collections.abc import Sequence

from curation.drafting.checks.finding import Finding
from curation.drafting.judges.judging import judge_item
from curation.drafting.judges.probing import needless_pictures, try_without_image
from curation.drafting.steps.asking import Asking
from curation.records import KnowledgeItem, Record
from flows.drafting.run import Examine
from flows.settings import DraftingSettings


def examiner(settings: DraftingSettings) -> Examine | None:
    """Return what has models look at an item, as far as the settings want it.

    A question that is answered without its picture is a finding; what a judge flags is kept for people.
    """
    tries, judge = settings.text_only_tries, settings.judge_model
    if not tries and not judge:
        return None

    async def examine(
        item: KnowledgeItem, asking: Asking
    ) -> tuple[Sequence[Finding], Sequence[tuple[str, Record]]]:
        findings: list[Finding] = []
        said: list[tuple[str, Record]] = []
        if tries:
            tried = await try_without_image(item, asking, tries)
            findings += needless_pictures(tried)
            said += [(f"{one.task_key}/without picture/{one.probe_ids[0]}", one) for one in tried]
        if judge and not findings:
            judged = await judge_item(item, asking, judge)
            said += [(f"{one.task_key}/{one.judge}/{one.matter}", one) for one in judged]
        return findings, said

    return examine
