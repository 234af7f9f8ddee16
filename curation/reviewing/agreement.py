"""How far annotators agree: by control of the interface, by category, and each with all the others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from curation.records import AgreementRow, Annotation, ProbeKind
from curation.reviewing.coefficients import Ratings, coefficients
from curation.reviewing.forms import DECISIONS, PROBE_VERDICTS, TEXT_VERDICTS
from curation.reviewing.verdicts import latest_votes

DECISION, PROBES = "decision", "all questions"


def agreement(annotations: Sequence[Annotation]) -> list[AgreementRow]:
    """Return one row a control of the interface, over the reviews that were not skipped.

    Things are tasks (decision, original, edited) or probes (one row a kind).
    """
    votes = first_votes(annotations)
    controls: dict[str, tuple[Ratings, Sequence[str]]] = {
        DECISION: (_ratings(votes, "decision"), DECISIONS),
        "original": (_ratings(votes, "original_verdict"), TEXT_VERDICTS),
        "edited": (_ratings(votes, "edited_verdict"), TEXT_VERDICTS),
    }
    controls |= {kind.value: (_probe_ratings(votes, kind), PROBE_VERDICTS) for kind in ProbeKind}
    return [_row(control, "all", ratings, choices) for control, (ratings, choices) in controls.items()]


def agreement_by_category(
    annotations: Sequence[Annotation], category_of: Mapping[str, str]
) -> list[AgreementRow]:
    """Return two rows a category, the decision and all questions; category_of: by item id."""
    of_category: dict[str, list[Annotation]] = defaultdict(list)
    for vote in first_votes(annotations):
        if vote.item_id in category_of:
            of_category[category_of[vote.item_id]].append(vote)
    return [
        _row(control, category, ratings, choices)
        for category in sorted(of_category)
        for control, ratings, choices in _pooled(of_category[category])
    ]


def agreement_by_annotator(annotations: Sequence[Annotation]) -> list[AgreementRow]:
    """Return two rows an annotator: the decision and all questions, on what others judged as well."""
    votes = first_votes(annotations)
    rows = []
    for annotator in sorted({vote.annotator for vote in votes}):
        theirs = {vote.task_key for vote in votes if vote.annotator == annotator}
        shared = [vote for vote in votes if vote.task_key in theirs]
        for control, ratings, choices in _pooled(shared):
            mine = {thing: said for thing, said in ratings.items() if annotator in said}
            rows.append(_against_all(control, annotator, mine, choices))
    return rows


def first_votes(annotations: Sequence[Annotation]) -> list[Annotation]:
    """Return each annotator's last review of each task that was not skipped, in the order of the tasks."""
    by_task: dict[str, list[Annotation]] = defaultdict(list)
    for vote in annotations:
        if vote.queue == "review":
            by_task[vote.task_key].append(vote)
    return [vote for key in sorted(by_task) for vote in latest_votes(by_task[key]) if not vote.skipped]


def _pooled(votes: Sequence[Annotation]) -> Iterator[tuple[str, Ratings, Sequence[str]]]:
    """Yield the decision, and the questions of all kinds together."""
    yield DECISION, _ratings(votes, "decision"), DECISIONS
    questions: dict[str, Mapping[str, str]] = {}
    for kind in ProbeKind:
        questions |= _probe_ratings(votes, kind)
    yield PROBES, questions, PROBE_VERDICTS


def _against_all(control: str, annotator: str, ratings: Ratings, choices: Sequence[str]) -> AgreementRow:
    """Return how one agrees with each other person on the same things: each pair of votes is one thing."""
    paired = {
        f"{thing}/{other}": {annotator: said[annotator], "another": vote}
        for thing, said in ratings.items()
        for other, vote in said.items()
        if other != annotator
    }
    return _row(control, annotator, paired, choices)


def _ratings(votes: Sequence[Annotation], control: str) -> Ratings:
    ratings: dict[str, dict[str, str]] = defaultdict(dict)
    for vote in votes:
        ratings[vote.task_key][vote.annotator] = str(getattr(vote, control))
    return ratings


def _probe_ratings(votes: Sequence[Annotation], kind: ProbeKind) -> Ratings:
    ratings: dict[str, dict[str, str]] = defaultdict(dict)
    for vote in votes:
        for probe in vote.probe_votes:
            if probe.probe_id == kind.value or probe.probe_id.startswith(f"{kind.value}-"):
                ratings[f"{vote.task_key}/{probe.probe_id}"][vote.annotator] = probe.verdict
    return ratings


def _row(control: str, part: str, ratings: Ratings, choices: Sequence[str]) -> AgreementRow:
    things = sum(len(said) > 1 for said in ratings.values())
    return AgreementRow(control=control, part=part, things=things, **coefficients(ratings, choices))
