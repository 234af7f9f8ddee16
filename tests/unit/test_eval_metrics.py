"""The metrics against numbers worked out by hand."""

from __future__ import annotations

import pytest

from curation.records import ProbeKind
from eval.metrics import exact_match, label_indices, token_accuracy, top1_agreement, topk_overlap
from eval.records import ProbeScore, Unscored


def test_labels_are_the_tokens_that_cover_the_answer() -> None:
    # "In which city?" + " Oslo": tokens In| which| city|?| Os|lo
    offsets = [(0, 2), (2, 8), (8, 13), (13, 14), (14, 17), (17, 19)]
    assert label_indices(offsets, 15, 19) == [4, 5]


def test_a_lone_blank_before_the_answer_is_no_label() -> None:
    assert label_indices([(0, 3), (3, 4), (4, 6)], 4, 6) == [2]


def test_token_accuracy_counts_right_positions() -> None:
    assert token_accuracy([5, 9, 7, 7], [5, 6, 7, 8]) == 0.5


def test_agreement_refuses_different_lengths() -> None:
    with pytest.raises(ValueError, match="cannot compare 2 with 1"):
        top1_agreement([1, 2], [1])


def test_agreement_refuses_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="cannot compare 0"):
        top1_agreement([], [])


def test_overlap_ignores_ranks() -> None:
    assert topk_overlap([[1, 2, 3, 4]], [[4, 3, 2, 1]]) == 1.0


def test_overlap_is_the_mean_over_positions() -> None:
    assert topk_overlap([[1, 2], [3, 4]], [[1, 9], [8, 9]]) == 0.25


@pytest.mark.parametrize(
    ("generated", "right"), [("Oslo", 1.0), (" Oslo ", 1.0), ("oslo", 0.0), ("Oslo is", 0.0)]
)
def test_exact_match_is_letter_for_letter(generated: str, right: float) -> None:
    assert exact_match(generated, "Oslo") == right


def test_each_kind_has_its_own_number() -> None:
    given = {"token_accuracy": 0.1, "top1_agreement": 0.2, "topk_overlap": 0.3}
    values = {kind: ProbeScore(probe_id="x", kind=kind, **given).value for kind in ProbeKind}
    assert values == {
        ProbeKind.T_REL: 0.1, ProbeKind.I_REL: 0.1, ProbeKind.I_GEN: 0.1,
        ProbeKind.T_LOC: 0.2, ProbeKind.I_LOC: 0.3, ProbeKind.PORT: 0.1,
    }  # fmt: skip


def test_unscored_is_not_zero() -> None:
    assert ProbeScore(probe_id="x", kind=ProbeKind.PORT, unscored=Unscored.TOO_LONG).value is None
