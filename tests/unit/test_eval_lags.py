"""The lag matrix of a sequential run and what is read from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import IntegrityError
from curation.records import EditType, ProbeKind
from eval.lags import LagMatrix, Sequential, read_sequential, summarise_lags, write_sequential
from eval.orders import lookback
from eval.records import EvalRecord, Step, Unscored
from eval.storage import write_block
from eval.summary import rescore, write_background
from tests.unit.eval_records import BACKGROUND, record_of

T_REL = ProbeKind.T_REL


def stream(edits: int, checkpoints: tuple[int, ...] = (), gaps: tuple[int, ...] = ()) -> list[EvalRecord]:
    """Return a run that forgets: after l later edits, 10 - l of 10 tokens are right."""
    back = lookback(edits, gaps, checkpoints)
    return [
        record_of(
            f"c{place}", "FT-LLM", {T_REL: [(max(0, 10 - (made - 1 - place)), 10)]},
            step=Step(order="shuffled-1", position=place, later=made - 1 - place),
        )
        for made in range(1, edits + 1)
        for place in back.positions(made)
    ]  # fmt: skip


def summed(records: list[EvalRecord]) -> Sequential:
    found = summarise_lags(records)
    assert found is not None
    return found


def matrix(records: list[EvalRecord]) -> LagMatrix:
    return summed(records).matrix("FT-LLM", "shuffled-1", T_REL)


def test_the_matrix_has_every_cell_that_was_probed() -> None:
    found = matrix(stream(8))
    assert (found.edits, len(found.cells)) == (8, 36)
    assert summed(stream(8)).case_ids == {"shuffled-1": tuple(f"c{n}" for n in range(8))}
    assert [found.value(2, later) for later in (0, 5, 6)] == [1.0, 0.5, None]


def test_a_gap_is_the_mean_over_the_positions_that_have_it() -> None:
    gaps = {mean.at: mean for mean in matrix(stream(8)).gaps}
    assert [(gaps[g].mean, gaps[g].n) for g in (1, 3, 6)] == [(0.9, 7), (0.7, 5), (0.4, 2)]
    assert gaps[10].mean is None
    assert gaps[10].reason == "the run has 8 edits; a gap of 10 needs at least 11"
    assert set(gaps) == {1, 3, 6, 10, 20, 50, 100}


def test_tests_plus_gap_edits_give_the_gap_of_every_test() -> None:
    # VLKEB: 200 tests at gap g need 200 + g edits; here 20 at gap 10.
    gaps = {mean.at: mean for mean in matrix(stream(30, (30,), (10,))).gaps}
    assert (gaps[10].n, gaps[10].mean) == (20, 0.0)
    assert gaps[3].n == 1  # only the last checkpoint has it
    assert gaps[100].reason.startswith("the run has 30 edits")


def test_a_gap_that_was_not_probed_or_not_scored_says_so() -> None:
    sparse = [r for r in stream(12, (1, 12)) if r.step and r.step.later != 3]
    assert next(m for m in matrix(sparse).gaps if m.at == 3).reason == "nothing was probed there"
    step = Step(order="shuffled-1", position=0, later=1)
    lost = matrix([record_of("a", "FT-LLM", {T_REL: [Unscored.NOT_FINITE]}, step=step)])
    gap = next(m for m in lost.gaps if m.at == 1)
    assert (gap.mean, gap.n, gap.reason) == (None, 0, "nothing has a score there")
    assert gap.unscored == {Unscored.NOT_FINITE: 1}


def test_decay_goes_by_later_edits_and_by_all_edits() -> None:
    found = matrix(stream(4))
    assert [(m.at, m.mean, m.n) for m in found.decay] == [(0, 1.0, 4), (1, 0.9, 3), (2, 0.8, 2), (3, 0.7, 1)]
    assert [(m.at, m.mean, m.n) for m in found.by_edits] == [
        (1, 1, 1),
        (2, 0.95, 2),
        (3, 0.9, 3),
        (4, 0.85, 4),
    ]


def test_user_runs_tell_users_items_and_the_end_of_the_run() -> None:
    owners = ["Ana", "Bo", "Ana"]
    records = [
        record_of(
            f"c{place}", "SERAC", {T_REL: [(1 + place, 4)]}, edit_type=EditType.USER_SPECIFIC,
            user=owners[place],
            step=Step(order="users-2x2-turns-1", position=place, later=made - 1 - place),
        )
        for made in (1, 2, 3)
        for place in range(made)
    ]  # fmt: skip
    run = next(run for run in summed(records).users if run.kind is T_REL)
    assert (run.users, run.items, run.edits, run.mean, run.n) == (2, 2, 3, 0.5, 3)
    assert summed(stream(3)).users == ()


def test_single_editing_is_left_out_and_order_does_not_matter() -> None:
    records = stream(5)
    assert summarise_lags([record_of("a", "FT-LLM", {T_REL: [(1, 1)]})]) is None
    assert summed(records[::-1] + records[:2]) == summed(records)


def test_two_cases_cannot_have_one_place() -> None:
    step = Step(order="o", position=0, later=0)
    with pytest.raises(IntegrityError, match="same place"):
        summarise_lags(
            [record_of(*of, {T_REL: [(1, 1)]}, step=step) for of in (("a", "SERAC"), ("b", "MEND"))]
        )
    with pytest.raises(IntegrityError, match="probed twice"):
        summarise_lags([record_of(case, "SERAC", {T_REL: [(1, 1)]}, step=step) for case in "ab"])


def test_it_survives_its_file_and_is_made_again_from_the_records(tmp_path: Path) -> None:
    assert read_sequential(tmp_path) is None
    records = [*stream(4), record_of("a", "none", {T_REL: [(1, 1)]})]
    write_block(tmp_path, records)
    write_background(tmp_path, BACKGROUND)
    rescore(tmp_path)
    assert read_sequential(tmp_path) == summed(records)
    data = (tmp_path / "sequential.json").read_bytes()
    write_sequential(tmp_path, summed(records))
    assert (tmp_path / "sequential.json").read_bytes() == data
    (tmp_path / "sequential.json").write_text("{}")
    with pytest.raises(IntegrityError, match="damaged"):
        read_sequential(tmp_path)
