"""The training loop of trained editors: split, resume, best state, early stop, cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from curation.errors import PrerequisiteError
from curation.records import EditType, Split
from eval.cases import edit_cases
from eval.editors.fitting import Group, Schedule, Trainee, fit, split
from eval.editors.trained_state import cached, load_state, save_state
from eval.records import EditCase
from tests.unit.eval_release import make_release

torch.set_num_threads(1)
SHA = "0" * 64


def case(number: int) -> EditCase:
    return EditCase(
        case_id=f"item-{number}",
        subject_name="Subject",
        edit_type=EditType.VISUAL_ENTITY,
        category="building",
        fine_type="tower",
        user_name=None,
        request="What is it?",
        rephrased_request="What do you see?",
        original_text="",
        target="A tower.",
        image=SHA,
        probes=(),
    )


CASES = [case(number) for number in range(20)]


class KilledError(Exception):
    """Stands for the signal that ends a training."""


class Line(Trainee):
    """Learns to answer a case's number: two groups, a count that training changes, a kill on demand."""

    name = "Line"

    def __init__(self, dies_at: int = -1, scores: Sequence[float] = ()) -> None:
        self.slope, self.offset = torch.ones(3).requires_grad_(), torch.zeros(()).requires_grad_()
        self.seen = torch.zeros(1)
        self.dies_at, self.scores, self.order = dies_at, list(scores), []

    def groups(self) -> list[Group]:
        return [Group([self.slope], 0.1), Group([self.offset], 0.01)]

    def loss(self, case: EditCase) -> Tensor:
        self.order.append(case.case_id)
        if len(self.order) == self.dies_at:
            raise KilledError
        self.seen += 1
        number = int(case.case_id.rpartition("-")[2])
        return ((self.slope.sum() * number / 7 + self.offset - self.seen.sum() / 50 - 2) ** 2).sum()

    def validate(self, cases: Sequence[EditCase]) -> float:
        if self.scores:
            return self.scores.pop(0)
        with torch.no_grad():
            return -float(self.slope.sum() ** 2 + self.offset**2)

    def stepped(self) -> None:
        with torch.no_grad():
            self.offset.clamp_(min=-1)

    def state(self) -> dict[str, Tensor]:
        return {"slope": self.slope, "offset": self.offset, "seen": self.seen}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(state[name])


def train(trainee: Line, checkpoint: Path, schedule: Schedule) -> tuple[dict[str, Tensor], dict[str, object]]:
    return fit(trainee, CASES, schedule, checkpoint, lambda *_: None)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
@pytest.mark.parametrize("dies_at", [3, 9, 17, 38])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path, optimizer: str, dies_at: int) -> None:
    schedule = Schedule(
        40, 6, 8, accumulate=2, clip=1.0, patience=30, warmup=3, decay=True, optimizer=optimizer
    )
    whole, notes = train(Line(), tmp_path / "whole", schedule)
    with pytest.raises(KilledError):
        train(Line(dies_at), tmp_path / "cut", schedule)
    again, noted = train(Line(), tmp_path / "cut", schedule)
    assert noted == notes
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_best_state_is_kept_and_training_stops_when_it_is_old(tmp_path: Path) -> None:
    line = Line(scores=[1.0, 3.0, 2.0, 2.5, 9.0])
    state, notes = train(line, tmp_path / "c", Schedule(50, 5, 5, patience=10))
    assert notes == {"score": 3.0, "step": 10, "steps": 20}
    assert float(state["seen"]) == 10 == float(line.seen)


def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path: Path) -> None:
    schedule = Schedule(20, 5, 5)
    whole, _ = train(Line(), tmp_path / "a", schedule)
    (tmp_path / "b").write_bytes((tmp_path / "a").read_bytes()[:-1])
    again, _ = train(Line(), tmp_path / "b", schedule)
    assert torch.equal(whole["slope"], again["slope"])


def test_divergence_before_any_validation_is_told(tmp_path: Path) -> None:
    line = Line()
    with torch.no_grad():
        line.slope.fill_(float("inf"))
    with pytest.raises(PrerequisiteError, match="Line diverged"):
        train(line, tmp_path / "c", Schedule(10, 5, 5))


def test_every_case_is_seen_once_a_round(tmp_path: Path) -> None:
    learn, held_out = split(CASES)
    line = Line()
    train(line, tmp_path / "c", Schedule(2 * len(learn), 5, 5))
    rounds = line.order[: len(learn)], line.order[len(learn) :]
    assert sorted(rounds[0]) == sorted(rounds[1]) == sorted(one.case_id for one in learn)
    assert rounds[0] != rounds[1]
    assert not {one.case_id for one in held_out} & set(line.order)


def test_a_side_is_kept_when_cases_are_added() -> None:
    cases = [case(number) for number in range(400)]
    learn, held_out = split(cases)
    assert 50 < len(held_out) < 110
    assert len(learn) + len(held_out) == 400
    fewer = split(cases[::2])
    assert {one.case_id for one in fewer[1]} == {one.case_id for one in held_out} & {
        one.case_id for one in cases[::2]
    }


@pytest.mark.parametrize("count", [2, 3, 4])
def test_both_sides_hold_a_case(count: int) -> None:
    for start in range(40):
        assert all(split([case(start + number) for number in range(count)]))


def test_one_case_is_too_few() -> None:
    with pytest.raises(PrerequisiteError, match="two cases"):
        split([case(1), case(1)])


def test_neither_side_holds_a_case_of_the_eval_split() -> None:
    release = make_release()
    sides = split(list(edit_cases(release, Split.TRAIN)))
    measured = {one.case_id for one in edit_cases(release, Split.EVAL)}
    assert measured
    assert not measured & {one.case_id for side in sides for one in side}


def test_a_state_is_trained_once_and_anew_when_damaged_or_different(tmp_path: Path) -> None:
    trained: list[Path] = []

    def work(checkpoint: Path) -> tuple[dict[str, Tensor], dict[str, float]]:
        trained.append(checkpoint)
        return {"a": torch.tensor([1.0, 2.0])}, {"score": 0.5}

    first = cached(tmp_path, "MEND", {"release": SHA}, work)
    again = cached(tmp_path, "MEND", {"release": SHA}, work)
    assert len(trained) == 1
    assert first.digest == again.digest
    file = trained[0].with_name("trained.state")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    assert cached(tmp_path, "MEND", {"release": SHA}, work).digest == first.digest
    cached(tmp_path, "MEND", {"release": "1" * 64}, work)
    assert len(trained) == 3


@pytest.mark.parametrize("data", [b"", b"{}\nx", b"[]\n", b"null\n", b'{"notes":{},"sha256":"0"}\nxyz'])
def test_what_is_no_state_is_not_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "s").write_bytes(data)
    assert load_state(tmp_path / "s") is None


def test_a_state_is_read_as_written(tmp_path: Path) -> None:
    save_state(tmp_path / "s", {"a": torch.tensor(1.5), "b": torch.arange(3)}, {"n": None, "x": 0.1})
    state = load_state(tmp_path / "s")
    assert state is not None
    assert (float(state.tensors["a"]), state.tensors["b"].tolist(), state.notes) == (
        1.5,
        [0, 1, 2],
        {"n": None, "x": 0.1},
    )


@pytest.mark.parametrize(
    "wrong", [{"optimizer": "sgd"}, {"accumulate": 2, "checkpoint_every": 3}, {"steps": 0}]
)
def test_a_schedule_that_cannot_be_resumed_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"optimiser|accumulate"):
        Schedule(**{"steps": 10, "validate_every": 5, "checkpoint_every": 5, **wrong})
