"""Coefficients of agreement for nominal votes, each with a bootstrap interval over things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import krippendorff
import numpy as np
from numpy.typing import NDArray

from curation.ids import sha256_json
from curation.records import Coefficient

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Ratings = Mapping[str, Mapping[str, str]]
"""What was said: thing -> annotator -> category."""

RESAMPLES = 1000
# Resamples held at once, as a matrix of [resamples, things].
_AT_ONCE = 2_000_000


def counts_of(ratings: Ratings, categories: Sequence[str]) -> Counts:
    """Return how many annotators chose each category of each thing, [things, categories], by thing."""
    rows = [[list(ratings[thing].values()).count(one) for one in categories] for thing in sorted(ratings)]
    return np.array(rows, dtype=np.int64).reshape(len(ratings), len(categories))


def raw_agreement(counts: Counts) -> float | None:
    """Return the share of pairs of votes that agree; counts is [things, categories]."""
    return _number(_raw(np.ones((1, len(counts))), counts)[0])


def krippendorff_alpha(counts: Counts) -> float | None:
    """Return Krippendorff's alpha for nominal data; None when undefined (all votes equal)."""
    several = counts[counts.sum(axis=1) > 1]
    if (several.sum(axis=0) > 0).sum() < 2:
        return None
    return float(krippendorff.alpha(value_counts=several, level_of_measurement="nominal"))


def gwet_ac1(counts: Counts) -> float | None:
    """Return Gwet's AC1 (2008) for any number of annotators; counts is [things, categories].

    Chance agreement counts every thing with a vote, observed agreement those with two or more.
    """
    return _number(_ac1(np.ones((1, len(counts))), counts)[0])


def cohen_kappa(ratings: Ratings) -> float | None:
    """Return Cohen's kappa (1960); of more than two annotators the mean over pairs (Light 1971).

    A pair weighs as much as the things that both judged. None when no pair has a kappa: all its votes equal.
    """
    # It takes a second to import, and nothing else here needs it.
    from sklearn.metrics import cohen_kappa_score

    total, weight = 0.0, 0
    for one, other in _pairs(ratings):
        both = [(said[one], said[other]) for said in ratings.values() if one in said and other in said]
        if len({vote for pair in both for vote in pair}) > 1:
            total += len(both) * float(cohen_kappa_score(*zip(*both, strict=True)))
            weight += len(both)
    return total / weight if weight else None


def coefficients(ratings: Ratings, categories: Sequence[str]) -> dict[str, Coefficient]:
    """Return raw, kappa, alpha and ac1 of the things that two or more judged, with 95 % intervals.

    The bootstrap draws things, seeded by what was said, so that the same votes give the same interval. An
    interval is None where the coefficient is undefined in more than half of the draws.
    """
    judged = {thing: said for thing, said in ratings.items() if len(said) > 1}
    counts = counts_of(judged, categories)
    if len(judged) < 2:
        return {name: Coefficient() for name in ("raw", "kappa", "alpha", "ac1")}
    values = {
        "raw": raw_agreement(counts),
        "kappa": cohen_kappa(judged),
        "alpha": krippendorff_alpha(counts),
        "ac1": gwet_ac1(counts),
    }
    pairs = _pair_tables(judged, categories)
    drawn: dict[str, list[Values]] = {name: [] for name in values}
    for weights in _draws(counts):
        drawn["raw"].append(_raw(weights, counts))
        drawn["kappa"].append(_kappa(weights, pairs))
        drawn["alpha"].append(_alpha(weights, counts))
        drawn["ac1"].append(_ac1(weights, counts))
    return {name: _with_interval(value, np.concatenate(drawn[name])) for name, value in values.items()}


def _with_interval(value: float | None, draws: Values) -> Coefficient:
    defined = draws[np.isfinite(draws)]
    if value is None or len(defined) * 2 < len(draws):
        return Coefficient(value=value)
    low, high = np.percentile(defined, [2.5, 97.5])
    return Coefficient(value=value, low=float(low), high=float(high))


def _draws(counts: Counts) -> list[Values]:
    """Return how often each thing was drawn, [resamples, things] in parts of bounded size."""
    things = len(counts)
    generator = np.random.default_rng(int(sha256_json(counts.tolist())[:8], 16))
    part = max(1, min(RESAMPLES, _AT_ONCE // things))
    sizes = [min(part, RESAMPLES - start) for start in range(0, RESAMPLES, part)]
    even = np.full(things, 1 / things)
    return [generator.multinomial(things, even, size=size).astype(np.float64) for size in sizes]


# Each of these takes weights [draws, things] and returns [draws], NaN where a draw leaves it undefined.


def _raw(weights: Values, counts: Counts) -> Values:
    votes = counts.sum(axis=1)
    return _ratio(weights @ (counts * (counts - 1)).sum(axis=1), weights @ (votes * (votes - 1)))


def _alpha(weights: Values, counts: Counts) -> Values:
    """Return nominal alpha: 1 - observed / expected disagreement (Krippendorff 2011, section C)."""
    votes = counts.sum(axis=1)
    several = votes > 1
    counts, votes, weights = counts[several], votes[several], weights[:, several]
    observed = weights @ ((votes**2 - (counts**2).sum(axis=1)) / (votes - 1))
    totals = weights @ counts
    n = totals.sum(axis=1)
    expected = _ratio(n**2 - (totals**2).sum(axis=1), n - 1)
    return 1 - _ratio(observed, expected)


def _ac1(weights: Values, counts: Counts) -> Values:
    votes = counts.sum(axis=1)
    if counts.shape[1] < 2:
        return np.full(len(weights), np.nan)
    several, any_vote = votes > 1, votes > 0
    agreed = np.zeros(len(counts))
    pairs = (votes * (votes - 1))[several]
    agreed[several] = (counts * (counts - 1)).sum(axis=1)[several] / pairs
    observed = _ratio(weights @ agreed, weights @ several)
    shares = counts[any_vote] / votes[any_vote][:, None]
    share = _ratio(weights[:, any_vote] @ shares, (weights @ any_vote)[:, None])
    chance = (share * (1 - share)).sum(axis=1) / (counts.shape[1] - 1)
    return _ratio(observed - chance, 1 - chance)


def _kappa(weights: Values, pairs: Sequence[NDArray[np.float64]]) -> Values:
    total, weight = np.zeros(len(weights)), np.zeros(len(weights))
    for table in pairs:
        side = int(np.sqrt(table.shape[1]))
        confusion = (weights @ table).reshape(-1, side, side)
        n = confusion.sum(axis=(1, 2))
        observed = _ratio(np.trace(confusion, axis1=1, axis2=2), n)
        chance = _ratio((confusion.sum(axis=1) * confusion.sum(axis=2)).sum(axis=1), n**2)
        kappa = _ratio(observed - chance, 1 - chance)
        defined = np.isfinite(kappa)
        total += np.where(defined, n * np.where(defined, kappa, 0), 0)
        weight += np.where(defined, n, 0)
    return _ratio(total, weight)


def _pair_tables(ratings: Ratings, categories: Sequence[str]) -> list[NDArray[np.float64]]:
    """Return, a pair of annotators, which two categories they chose: [things, categories squared]."""
    place = {category: number for number, category in enumerate(categories)}
    tables: list[Values] = []
    for one, other in _pairs(ratings):
        table: Values = np.zeros((len(ratings), len(categories) ** 2))
        for row, thing in enumerate(sorted(ratings)):
            said = ratings[thing]
            if one in said and other in said:
                table[row, place[said[one]] * len(categories) + place[said[other]]] = 1
        tables.append(table)
    return tables


def _pairs(ratings: Ratings) -> list[tuple[str, str]]:
    return list(combinations(sorted({name for said in ratings.values() for name in said}), 2))


def _ratio(top: Values, bottom: Values) -> Values:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottom == 0, np.nan, top / bottom)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
