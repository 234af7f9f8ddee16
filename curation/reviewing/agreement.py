"""How far annotators agree, control by control: raw share, Krippendorff's alpha and Gwet's AC1."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import krippendorff
import numpy as np
from numpy.typing import NDArray

from curation.ids import sha256_json
from curation.records import AgreementRow, Annotation, ProbeKind
from curation.reviewing.forms import DECISIONS, PROBE_VERDICTS, TEXT_VERDICTS
from curation.reviewing.verdicts import latest_votes

_RESAMPLES = 500

Ratings = dict[str, dict[str, str]]
"""What was said: thing -> annotator -> category."""


def agreement(annotations: Sequence[Annotation]) -> list[AgreementRow]:
    """Return one row a control of the interface, over the reviews that were not skipped.

    Things are tasks (decision, original, edited) or probes (one row a kind). The interval is a seeded
    bootstrap over things.
    """
    votes: list[Annotation] = []
    by_task: dict[str, list[Annotation]] = defaultdict(list)
    for vote in annotations:
        if vote.queue == "review":
            by_task[vote.task_key].append(vote)
    for task_key in sorted(by_task):
        votes += [vote for vote in latest_votes(by_task[task_key]) if not vote.skipped]
    controls = {
        "decision": (_ratings(votes, "decision"), DECISIONS),
        "original": (_ratings(votes, "original_verdict"), TEXT_VERDICTS),
        "edited": (_ratings(votes, "edited_verdict"), TEXT_VERDICTS),
    }
    controls |= {kind.value: (_probe_ratings(votes, kind), PROBE_VERDICTS) for kind in ProbeKind}
    return [_row(control, ratings, categories) for control, (ratings, categories) in controls.items()]


def raw_agreement(counts: NDArray[np.int64]) -> float | None:
    """Return the share of pairs of ratings that agree; counts is (things, categories)."""
    raters = counts.sum(axis=1)
    pairs = (raters * (raters - 1)).sum()
    return float((counts * (counts - 1)).sum() / pairs) if pairs else None


def krippendorff_alpha(counts: NDArray[np.int64]) -> float | None:
    """Return Krippendorff's alpha for nominal data; None when undefined (all ratings equal)."""
    several = counts[counts.sum(axis=1) > 1]
    if (several.sum(axis=0) > 0).sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=several, level_of_measurement="nominal"))


def gwet_ac1(counts: NDArray[np.int64]) -> float | None:
    """Return Gwet's AC1 (2008) for any number of raters; counts is (things, categories).

    Chance agreement counts every thing with a rating, observed agreement those with two or more.
    """
    raters = counts.sum(axis=1)
    several = counts[raters > 1]
    if not len(several) or counts.shape[1] < 2:
        return None
    n = several.sum(axis=1)
    observed = float(((several * (several - 1)).sum(axis=1) / (n * (n - 1))).mean())
    share = (counts[raters > 0] / raters[raters > 0][:, None]).mean(axis=0)
    chance = float((share * (1 - share)).sum() / (counts.shape[1] - 1))
    return (observed - chance) / (1 - chance)


def _ratings(votes: Sequence[Annotation], control: str) -> Ratings:
    ratings: Ratings = defaultdict(dict)
    for vote in votes:
        ratings[vote.task_key][vote.annotator] = str(getattr(vote, control))
    return ratings


def _probe_ratings(votes: Sequence[Annotation], kind: ProbeKind) -> Ratings:
    ratings: Ratings = defaultdict(dict)
    for vote in votes:
        for probe in vote.probe_votes:
            if probe.probe_id == kind.value or probe.probe_id.startswith(f"{kind.value}-"):
                ratings[f"{vote.task_key}/{probe.probe_id}"][vote.annotator] = probe.verdict
    return ratings


def _row(control: str, ratings: Ratings, categories: Sequence[str]) -> AgreementRow:
    things = sorted(thing for thing, said in ratings.items() if len(said) > 1)
    tallies = [Counter(ratings[thing].values()) for thing in things]
    counts = np.array([[tally[c] for c in categories] for tally in tallies], dtype=np.int64)
    counts = counts.reshape(len(things), len(categories))
    if len(things) < 2:
        return AgreementRow(
            control=control, things=len(things), raw=None, alpha=None, low=None, high=None, ac1=None
        )
    low, high = _interval(counts)
    return AgreementRow(
        control=control,
        things=len(things),
        raw=raw_agreement(counts),
        alpha=krippendorff_alpha(counts),
        low=low,
        high=high,
        ac1=gwet_ac1(counts),
    )


def _interval(counts: NDArray[np.int64]) -> tuple[float | None, float | None]:
    """Return the 95 % bootstrap interval of alpha; None when it is undefined for most resamples."""
    seed = int(sha256_json(counts.tolist())[:8], 16)
    picks = np.random.default_rng(seed).integers(0, len(counts), size=(_RESAMPLES, len(counts)))
    alphas = [alpha for pick in picks if (alpha := krippendorff_alpha(counts[pick])) is not None]
    if len(alphas) < _RESAMPLES // 2:
        return None, None
    low, high = np.percentile(alphas, [2.5, 97.5])
    return float(low), float(high)
