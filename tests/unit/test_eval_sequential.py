"""Sequential editing: the lag matrix, the true base, resuming after a kill, and nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch

from curation.errors import PrerequisiteError
from curation.records import ProbeKind
from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.editors.port import EditRequest
from eval.models.port import Edit, MultimodalModel, Prompt
from eval.models.split import SplitModel
from eval.models.tiny import Family, prepare_runtime
from eval.orders import Lookback, Order, lookback
from eval.plan import Encoder, Options
from eval.records import Dialect, EvalRecord, Unscored
from eval.sequential import SequentialRun, ordered_cases
from eval.storage import read_records
from tests.unit.eval_release import make_release
from tests.unit.tiny_networks import split
from warehouse.release import Release

prepare_runtime()
OPTIONS = Options(tokens=0)
ORDER = Order("shuffled", seed=5)
TUNED = FtLlm(FineTuning(2, 3e-2))


@cache
def release() -> Release:
    return make_release(6, 3, 3)


@cache
def model() -> SplitModel:
    return split(Family.LLAVA)


def sequence(out: Path, back: Lookback, editor: FtLlm = TUNED, order: Order = ORDER) -> SequentialRun:
    return SequentialRun(release(), model(), editor, order, back, OPTIONS, out)


def cells(out: Path) -> dict[tuple[int, int], EvalRecord]:
    """Return the records by (position, later)."""
    found = {(r.step.position, r.step.later): r for r in read_records(out) if r.step is not None}
    assert len(found) == len(list(read_records(out)))
    return found


def finished(run: SequentialRun, out: Path) -> dict[tuple[int, int], EvalRecord]:
    run.run(lambda *_: None)
    return cells(out)


def test_the_whole_lag_matrix_in_the_order_of_the_edits(tmp_path: Path) -> None:
    found = finished(sequence(tmp_path, lookback(5)), tmp_path)
    assert set(found) == {(place, later) for place in range(5) for later in range(5 - place)}
    cases = ordered_cases(release(), ORDER, 5)
    assert all(record.case == cases[place] for (place, _), record in found.items())
    assert {record.step.order for record in found.values() if record.step} == {"shuffled-5"}
    assert all(reading.unscored is None for r in found.values() for reading in r.readings)


def test_a_later_edit_changes_what_the_model_says_of_an_earlier_one(tmp_path: Path) -> None:
    found = finished(sequence(tmp_path, lookback(4)), tmp_path)
    told = [[reading.edited_top for reading in found[0, later].readings] for later in range(4)]
    assert all(one != told[0] for one in told[1:])


def test_locality_is_against_the_unedited_model_at_every_step(tmp_path: Path) -> None:
    found = finished(sequence(tmp_path, lookback(4)), tmp_path)
    encoder = Encoder(release(), model(), Dialect.CLEAN, 0)
    for (_, later), record in found.items():
        prompts = [p.prompt for p in encoder.case(record.case).probes if p.probe.kind is ProbeKind.I_LOC]
        (base,) = model().read(prompts, Edit())  # type: ignore[arg-type]
        (kept,) = [r.base_top for r in record.readings if r.kind is ProbeKind.I_LOC]
        assert kept == base.top_ids, later


def test_the_state_is_that_of_edits_made_one_on_the_other_by_hand(tmp_path: Path) -> None:
    found = finished(sequence(tmp_path, lookback(3)), tmp_path)
    encoder, state = Encoder(release(), model(), Dialect.CLEAN, 0), Edit()
    for case in ordered_cases(release(), ORDER, 3):
        prompt = encoder.case(case).request
        (state,) = TUNED.edit(model(), [EditRequest(case, prompt)], state)  # type: ignore[arg-type,assignment]
    first = found[0, 2]
    prompts = [probe.prompt for probe in encoder.case(first.case).probes]
    told = [reading.predicted_ids for reading in model().read(prompts, state)]  # type: ignore[arg-type]
    assert told == [reading.predicted_ids for reading in first.readings]


class Killed(FtLlm):
    """Is terminated in the middle of its nth edit."""

    def __init__(self, nth: int) -> None:
        super().__init__(FineTuning(2, 3e-2))
        self.left, self.made = nth, 0

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        self.left -= 1
        if self.left == 0:
            raise SystemExit(143)
        self.made += 1
        return super().edit(model, requests, onto)


@pytest.mark.parametrize("back", [lookback(5), Lookback(5, (2, 5), (1,))])
def test_a_killed_run_goes_on_from_its_last_checkpoint_with_the_same_records(
    tmp_path: Path, back: Lookback
) -> None:
    expected = finished(sequence(tmp_path / "whole", back), tmp_path / "whole")
    out, before = tmp_path / "killed", model().state_digest()
    with pytest.raises(SystemExit):
        sequence(out, back, Killed(4)).run(lambda *_: None)
    assert model().state_digest() == before
    assert 0 < len(cells(out)) < len(expected)
    rest = Killed(99)
    assert finished(sequence(out, back, rest), out) == expected
    assert rest.made == (2 if back.gaps == () else 3)


def test_a_damaged_state_or_a_lost_early_record_starts_the_chain_anew(tmp_path: Path) -> None:
    expected = finished(sequence(tmp_path, lookback(4)), tmp_path)
    (state,) = (tmp_path / "states").iterdir()
    for path in (tmp_path / "records").iterdir():
        path.unlink()
    state.write_bytes(state.read_bytes()[:-3])
    assert finished(sequence(tmp_path, lookback(4)), tmp_path) == expected


def test_a_finished_run_edits_nothing_and_a_longer_one_goes_on(tmp_path: Path) -> None:
    finished(sequence(tmp_path, lookback(3)), tmp_path)
    none, two = Killed(99), Killed(99)
    sequence(tmp_path, lookback(3), none).run(lambda *_: None)
    longer = finished(sequence(tmp_path, lookback(5), two), tmp_path)
    assert (none.made, two.made) == (0, 2)
    assert longer == finished(sequence(tmp_path / "at once", lookback(5)), tmp_path / "at once")


def test_tests_plus_gap_edits_hold_every_cell_of_the_gap(tmp_path: Path) -> None:
    tests, gap = 4, 2
    back = Lookback(tests + gap, (), (gap,))
    assert sorted(finished(sequence(tmp_path, back), tmp_path)) == [(place, gap) for place in range(tests)]


def test_an_edit_that_diverges_is_unscored_and_the_chain_goes_on_from_before(tmp_path: Path) -> None:
    class Diverges(FtLlm):
        def edit(
            self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
        ) -> list[Edit | Unscored]:
            second = requests[0].case == ordered_cases(release(), ORDER, 2)[1]
            return [Unscored.NOT_FINITE] if second else super().edit(model, requests, onto)

    found = finished(sequence(tmp_path, lookback(3), Diverges(FineTuning(2, 3e-2))), tmp_path)
    reasons = {cell: {r.unscored for r in record.readings} for cell, record in found.items()}
    assert {cell for cell, told in reasons.items() if told == {Unscored.NOT_FINITE}} == {(1, 0), (1, 1)}
    assert [found[0, 0].readings[n].predicted_ids for n in (0, 1)] == [
        found[0, 1].readings[n].predicted_ids for n in (0, 1)
    ]


def test_memory_that_ends_once_is_tried_again_and_memory_that_ends_always_is_unscored(tmp_path: Path) -> None:
    class Hungry(FtLlm):
        times = 0

        def edit(
            self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
        ) -> list[Edit | Unscored]:
            Hungry.times += 1
            if Hungry.times in {1, 3, 4}:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().edit(model, requests, onto)

    found = finished(sequence(tmp_path, Lookback(3, (3,)), Hungry(FineTuning(2, 3e-2))), tmp_path)
    reasons = {place: {r.unscored for r in record.readings} for (place, _), record in found.items()}
    assert reasons == {0: {None}, 1: {Unscored.OUT_OF_MEMORY}, 2: {None}}


def test_what_cannot_be_a_sequence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="FT-LLM, FT-Alignment and SERAC"):
        SequentialRun(release(), model(), NoEdit(), ORDER, lookback(3), OPTIONS, tmp_path)
    with pytest.raises(PrerequisiteError, match="has 7"):
        sequence(tmp_path, lookback(8))


@dataclass(frozen=True)
class Tally:
    """A memory that leans to other tokens with every entry."""

    entries: tuple[str, ...] = ()

    def mix(
        self, model: MultimodalModel, prompts: Sequence[Prompt], logits: Sequence[torch.Tensor]
    ) -> list[torch.Tensor]:
        lean = torch.linspace(-40, 40, logits[0].shape[-1]).roll(sum(map(len, self.entries)))
        return [(rows + lean).log_softmax(-1) for rows in logits]

    def generate(self, model: MultimodalModel, prompts: Sequence[Prompt], tokens: int) -> list[str]:
        return ["" for _ in prompts]


class Remembers:
    """An editor with a memory instead of weights, as SERAC; is terminated in its nth edit."""

    name, accumulates = "SERAC", True

    def __init__(self, nth: int = 99) -> None:
        self.left = nth

    def hyper_parameters(self) -> dict[str, float | int | str]:
        return {}

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        self.left -= 1
        if self.left == 0:
            raise SystemExit(143)
        before = onto.memory.entries if isinstance(onto.memory, Tally) else ()
        return [Edit(memory=Tally((*before, request.case.target))) for request in requests]


def test_a_memory_is_made_again_of_its_entries_when_a_killed_run_goes_on(tmp_path: Path) -> None:
    def run(out: Path, editor: Remembers) -> SequentialRun:
        return SequentialRun(release(), model(), editor, ORDER, lookback(4), OPTIONS, out)

    expected = finished(run(tmp_path / "whole", Remembers()), tmp_path / "whole")
    assert expected[0, 1].readings != expected[0, 3].readings
    with pytest.raises(SystemExit):
        run(tmp_path / "killed", Remembers(4)).run(lambda *_: None)
    assert 0 < len(cells(tmp_path / "killed")) < len(expected)
    rest = Remembers()
    assert finished(run(tmp_path / "killed", rest), tmp_path / "killed") == expected
    assert rest.left == 99 - 4  # three entries made again, one new
