"""The metrics against numbers worked out by hand, against a slow oracle on logits, and against their laws."""

from __future__ import annotations

import doctest
import random
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.records import ProbeKind
from eval.metrics import (
    Count,
    ProbeIds,
    contained_answer,
    exact_match,
    label_indices,
    rank_agreement,
    score,
    token_accuracy,
    token_f1,
    top1_agreement,
    topk_overlap,
)
from eval.records import Dialect, ProbeReading, Unscored

TEXT_KINDS = [ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.I_GEN, ProbeKind.PORT]
ids = st.integers(0, 30)
shape = st.tuples(st.integers(1, 6), st.integers(1, 10))


@st.composite
def two_tops(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """Return the likeliest ids of two models at the same positions."""
    positions, k = draw(shape)
    row = st.lists(ids, min_size=k, max_size=k, unique=True)
    rows = st.lists(row, min_size=positions, max_size=positions)
    return draw(rows), draw(rows)


def test_labels_are_the_tokens_that_cover_the_answer() -> None:
    # "In which city?" + " Oslo": tokens In| which| city|?| Os|lo
    offsets = [(0, 2), (2, 8), (8, 13), (13, 14), (14, 17), (17, 19)]
    assert label_indices(offsets, 15, 19) == [4, 5]


def test_a_lone_blank_before_the_answer_is_no_label() -> None:
    assert label_indices([(0, 3), (3, 4), (4, 6)], 4, 6) == [2]


def test_token_accuracy_counts_right_positions() -> None:
    assert token_accuracy([5, 9, 7, 7], [5, 6, 7, 8]) == 0.5


def test_overlap_ignores_ranks_and_the_reference_does_not() -> None:
    base, edited = [[1, 2, 3, 4]], [[1, 4, 3, 2]]
    assert (topk_overlap(base, edited), rank_agreement(base, edited)) == (1.0, 0.5)


def test_i_loc_is_rank_wise_in_the_reference_and_overlap_in_clean() -> None:
    probe = ProbeIds(ProbeKind.I_LOC, [7], [7], [[1, 2, 3, 4]], [[1, 4, 3, 9]])
    found = {dialect: score([probe], dialect).i_loc for dialect in Dialect}
    assert found == {Dialect.CLEAN: 0.75, Dialect.TRAINER: 0.5, Dialect.IKE: 0.5, Dialect.KE: 0.5}


def test_two_probes_of_a_kind_count_alike_but_in_ke_each_token_does() -> None:
    probes = [ProbeIds(ProbeKind.T_REL, [1], [1]), ProbeIds(ProbeKind.T_REL, [1, 2, 3], [9, 9, 9])]
    assert score(probes, Dialect.TRAINER).t_rel == 0.5
    assert score(probes, Dialect.KE).t_rel == 0.25
    assert score(probes, Dialect.KE).counts == {ProbeKind.T_REL: Count(1, 4)}


def test_a_metric_without_a_scored_probe_is_none_not_zero() -> None:
    unscored = ProbeReading(probe_id="x", kind=ProbeKind.PORT, unscored=Unscored.TOO_LONG)
    wrong = ProbeReading(probe_id="y", kind=ProbeKind.T_REL, label_ids=(1,), predicted_ids=(2,))
    scores = score([unscored, wrong], Dialect.CLEAN)
    assert {kind: scores.of(kind) for kind in ProbeKind if scores.of(kind) is not None} == {
        ProbeKind.T_REL: 0.0
    }


def test_t_loc_takes_first_choices_and_gives_the_overlap_where_more_is_kept() -> None:
    wide = ProbeIds(ProbeKind.T_LOC, [7, 7], [7, 7], [[1, 2], [3, 4]], [[1, 9], [4, 3]])
    narrow = ProbeIds(ProbeKind.T_LOC, [7, 7], [7, 7], [[1], [3]], [[1], [4]])
    assert (score([wide], Dialect.CLEAN).t_loc, score([wide], Dialect.CLEAN).t_loc_overlap) == (0.5, 0.75)
    assert (score([narrow], Dialect.CLEAN).t_loc, score([narrow], Dialect.CLEAN).t_loc_overlap) == (0.5, None)


@pytest.mark.parametrize(
    ("probe", "message"),
    [
        (ProbeIds(ProbeKind.T_REL), "without labels"),
        (ProbeIds(ProbeKind.PORT, [1, 2], [1]), "2 labels with 1 predictions"),
        (ProbeIds(ProbeKind.T_LOC, [1], [1]), "1 labels and 0 positions"),
        (ProbeIds(ProbeKind.T_LOC, [], [], [], []), "no positions"),
        (ProbeIds(ProbeKind.I_LOC, [1, 2], [1, 2], [[1]], [[1]]), "2 labels and 1 positions"),
        (ProbeIds(ProbeKind.I_LOC, [1], [1], [[1]], [[1], [2]]), "1 with 2 positions"),
        (ProbeIds(ProbeKind.I_LOC, [1], [1], [[1, 2]], [[1]]), "same number of tokens"),
        (ProbeIds(ProbeKind.I_LOC, [1], [1], [[]], [[]]), "same number of tokens"),
    ],
)
def test_what_cannot_be_scored_is_an_error(probe: ProbeIds, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        score([probe], Dialect.CLEAN)


def test_all_positions_may_be_compared_in_the_trainers_dialect() -> None:
    probe = ProbeIds(ProbeKind.T_LOC, [1], [1], [[1], [2], [3], [4]], [[1], [2], [3], [9]])
    assert score([probe], Dialect.TRAINER).t_loc == 0.75


@given(two_tops())
def test_rank_wise_is_never_above_overlap(tops: tuple[list[list[int]], list[list[int]]]) -> None:
    assert rank_agreement(*tops) <= topk_overlap(*tops)


@given(two_tops(), st.sampled_from(list(Dialect)))
def test_identity_scores_exactly_one(tops: tuple[list[list[int]], list[list[int]]], dialect: Dialect) -> None:
    probes = [ProbeIds(kind, [], [], tops[0], tops[0]) for kind in (ProbeKind.T_LOC, ProbeKind.I_LOC)]
    scores = score(probes, dialect)
    assert (scores.t_loc, scores.i_loc, scores.i_loc_overlap, scores.i_loc_rank_wise) == (1, 1, 1, 1)


@given(two_tops(), st.randoms(use_true_random=False))
def test_order_within_the_candidates_changes_the_rank_wise_number_only(
    tops: tuple[list[list[int]], list[list[int]]], rng: random.Random
) -> None:
    base, edited = tops
    mixed = [rng.sample(top, len(top)) for top in edited]
    assert topk_overlap(base, mixed) == topk_overlap(base, edited)
    assert (rank_agreement(edited, mixed) == 1) is (mixed == edited)


class Drawn(NamedTuple):
    """A probe's bare labels and the logits of both models at all positions."""

    kind: ProbeKind
    labels: Any
    base: Any
    edited: Any


def drawn(rng: Any, kind: ProbeKind) -> Drawn:
    """Return random logits [positions, 40]; half the label positions right, sometimes an edit of nothing."""
    import torch

    length, extra = (
        int(torch.randint(1, 7, (1,), generator=rng)),
        int(torch.randint(2, 9, (1,), generator=rng)),
    )
    labels = torch.randint(0, 40, (length,), generator=rng)
    base = torch.randn(length + extra, 40, generator=rng)
    noise = 0.0 if torch.rand(1, generator=rng) < 0.1 else 0.3
    edited = base + noise * torch.randn(base.shape, generator=rng)
    for place, label in enumerate(labels):
        if torch.rand(1, generator=rng) < 0.5:
            edited[extra - 1 + place, label] = 20.0
    return Drawn(kind, labels, base, edited)


def as_ids(probe: Drawn) -> ProbeIds:
    """Return the ids that a reading of these logits holds."""
    rows = len(probe.base) - 1 - len(probe.labels)
    k = 10 if probe.kind is ProbeKind.I_LOC else 1
    return ProbeIds(
        kind=probe.kind,
        label_ids=probe.labels.tolist(),
        predicted_ids=[int(row.argmax()) for row in probe.edited[rows:-1]],
        base_top=probe.base.sort(descending=True).indices[:, :k].tolist(),
        edited_top=probe.edited.sort(descending=True).indices[:, :k].tolist(),
    )


def oracle(probes: list[Drawn]) -> dict[ProbeKind, float]:
    """Score whole logits as the reference's trainer does: slices and element-wise tensor comparison."""
    import torch

    values: dict[ProbeKind, list[float]] = {}
    for kind, labels, base, edited in probes:
        if kind in TEXT_KINDS:
            logits = edited[None, :-1][:, -len(labels) :]
            right = logits.argmax(-1) == labels[None]
            value = right.float().mean()
        elif kind is ProbeKind.T_LOC:
            pairs = [torch.topk(x.softmax(-1), k=1, dim=-1).indices.view(-1) for x in (base, edited)]
            value = (pairs[0] == pairs[1]).float().mean()
        else:
            pairs = [torch.topk(x.softmax(-1), k=10, dim=-1).indices.view(-1) for x in (base, edited)]
            value = (pairs[0] == pairs[1]).float().mean()
        values.setdefault(kind, []).append(float(value))
    return {kind: sum(each) / len(each) for kind, each in values.items()}


def test_scores_equal_the_trainers_on_two_hundred_items_of_random_logits() -> None:
    import torch

    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(3)
    seen = set()
    for number in range(200):
        double = 2 if number % 3 else 1  # one question a kind for semantic items, two for the others
        kinds = [
            *TEXT_KINDS[:3] * double,
            ProbeKind.T_LOC,
            ProbeKind.I_LOC,
            *[ProbeKind.PORT] * (1 + number % 3),
        ]
        item = [drawn(rng, kind) for kind in kinds]
        scores = score([as_ids(probe) for probe in item], Dialect.TRAINER)
        for kind, value in oracle(item).items():
            assert scores.of(kind) == pytest.approx(value, abs=1e-6)
        seen |= {f"L={len(probe.labels)}" for probe in item} | {f"unchanged={scores.i_loc == 1}"}
    assert {"L=1", "L=6", "unchanged=True", "unchanged=False"} <= seen


@pytest.mark.parametrize(
    ("generated", "exact", "f1", "contained"),
    [
        ("Oslo", 1.0, 1.0, 1.0),
        (" Oslo ", 1.0, 1.0, 1.0),
        ("oslo.", 0.0, 1.0, 1.0),
        ("The city of Oslo", 0.0, 0.5, 1.0),
        ("Osloenser", 0.0, 0.0, 0.0),
        ("", 0.0, 0.0, 0.0),
    ],
)
def test_free_answers(generated: str, exact: float, f1: float, contained: float) -> None:
    measured = [measure(generated, "Oslo") for measure in (exact_match, token_f1, contained_answer)]
    assert measured == [exact, f1, contained]


def test_free_answers_count_repeated_words_and_their_order() -> None:
    assert token_f1("red red blue", "red blue blue") == pytest.approx(2 / 3)
    assert contained_answer("a blue and red flag", "red, blue") == 0.0
    assert token_f1("the", "a") == 1.0
    assert (contained_answer("Oslo", "the"), contained_answer("the", "the")) == (0.0, 1.0)


def test_top1_agreement_refuses_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="no positions"):
        top1_agreement([], [])


def test_the_examples_in_the_documentation_are_true() -> None:
    page = Path(__file__).parents[2] / "docs" / "metrics.md"
    found = doctest.testfile(str(page), module_relative=False)
    assert found.attempted >= 10
    assert found.failed == 0
