"""The items on which annotators differ most, control by control, for people to learn from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from curation.records import Annotation, KnowledgeItem
from curation.reviewing.agreement import first_votes

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Difference:
    """A control of which votes differ; said: what each annotator chose, in the order of the annotators."""

    control: str
    question: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An item, who judged it, and where they differ; comments: of the same annotators, '' for none."""

    item: KnowledgeItem
    annotators: tuple[str, ...]
    differences: tuple[Difference, ...]
    comments: tuple[str, ...]


def disagreements(
    items: Sequence[KnowledgeItem], annotations: Sequence[Annotation], most: int
) -> list[Disagreement]:
    """Return the `most` items of which the first votes differ in most controls, then by item id."""
    of_task: dict[str, list[Annotation]] = defaultdict(list)
    for vote in first_votes(annotations):
        of_task[vote.task_key].append(vote)
    found = [_of_item(item, of_task[item.task_key]) for item in items if len(of_task[item.task_key]) > 1]
    differ = [one for one in found if one.differences]
    return sorted(differ, key=lambda one: (-len(one.differences), one.item.item_id))[:most]


def _of_item(item: KnowledgeItem, votes: Sequence[Annotation]) -> Disagreement:
    rows = [
        Difference("decision", "", tuple(str(vote.decision) for vote in votes)),
        Difference("original", "", tuple(str(vote.original_verdict) for vote in votes)),
        Difference("edited", "", tuple(str(vote.edited_verdict) for vote in votes)),
    ]
    said = [_by_probe(vote) for vote in votes]
    rows += [
        Difference(probe.probe_id, probe.question, tuple(one.get(probe.probe_id, NOTHING) for one in said))
        for probe in item.probes
    ]
    return Disagreement(
        item=item,
        annotators=tuple(vote.annotator for vote in votes),
        differences=tuple(row for row in rows if len(set(row.said)) > 1),
        comments=tuple(vote.comment for vote in votes),
    )


def _by_probe(vote: Annotation) -> Mapping[str, str]:
    """Return what a vote says of each question: the verdict, and the answer that it wants instead."""
    return {
        said.probe_id: f"{said.verdict}: {said.answer}"
        if said.verdict == "fix" and said.answer
        else said.verdict
        for said in vote.probe_votes
    }
