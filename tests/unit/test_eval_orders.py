"""Orders of sequential runs, and the cells of the lag matrix that they fill."""

from __future__ import annotations

from itertools import pairwise

import pytest

from curation.errors import PrerequisiteError
from curation.records import Split
from eval.cases import edit_cases
from eval.orders import Lookback, Order, lookback
from eval.records import EditCase
from tests.unit.eval_release import make_release

USERS = ("Aylin", "Bram", "Chidi", "Dara")
CASES = [
    case.model_copy(update={"user_name": USERS[number % 4]}) if case.user_name else case
    for number, case in enumerate(edit_cases(make_release(10, 10, 40), Split.EVAL))
]


def test_a_shuffle_depends_on_the_seed_and_not_on_how_the_cases_came() -> None:
    one = Order("shuffled", seed=1).arrange(CASES)
    assert one == Order("shuffled", seed=1).arrange(CASES[::-1])
    assert one != Order("shuffled", seed=2).arrange(CASES)
    assert sorted(case.case_id for case in one) == sorted(case.case_id for case in CASES)


def test_release_order_is_file_order() -> None:
    assert Order("release").arrange(CASES[::-1]) == tuple(CASES[::-1])


def test_related_subjects_stand_in_a_row() -> None:
    groups = [(case.edit_type, case.category, case.fine_type) for case in Order("related").arrange(CASES)]
    changes = sum(one != other for one, other in pairwise(groups))
    assert changes == len(set(groups)) - 1


def users_of(cases: tuple[EditCase, ...]) -> list[str | None]:
    return [case.user_name for case in cases]


@pytest.mark.parametrize("in_a_row", [True, False])
def test_users_take_part_with_at_most_so_many_items(in_a_row: bool) -> None:
    names = users_of(Order("users", 3, users=3, items=2, in_a_row=in_a_row).arrange(CASES))
    assert sorted(map(names.count, set(names))) == [2, 2, 2]
    changes = sum(one != other for one, other in pairwise(names))
    assert changes == (2 if in_a_row else 5)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Order("alphabetical"),
        lambda: Order("users"),
        lambda: Order("users", users=100, items=1).arrange(CASES),
        lambda: lookback(0),
        lambda: lookback(5, checkpoints=[6]),
        lambda: lookback(10, gaps=[10]),
    ],
)
def test_what_cannot_be_run_is_refused(wrong: object) -> None:
    with pytest.raises(PrerequisiteError):
        wrong()  # type: ignore[operator]


def test_every_edit_of_a_short_run_is_a_checkpoint_and_a_long_run_thins_out() -> None:
    assert lookback(30).checkpoints == tuple(range(1, 31))
    assert lookback(230).checkpoints == (1, 2, 5, 10, 20, 50, 100, 200, 230)


@pytest.mark.parametrize(("tests", "gap"), [(5, 3), (200, 10), (200, 100)])
def test_a_run_of_tests_plus_gap_edits_tests_every_record_at_the_gap(tests: int, gap: int) -> None:
    run = lookback(tests + gap, gaps=[gap])
    lagged = [made - 1 - gap for made in range(1, run.edits + 1) if made - 1 - gap in run.positions(made)]
    assert lagged == list(range(tests))  # in the order of the edits, each once


def test_the_cells_of_a_full_matrix() -> None:
    assert lookback(30).cells == 30 * 31 // 2
    assert Lookback(4, (4,), (1,)).cells == 0 + 1 + 1 + 4
