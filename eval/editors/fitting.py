"""Trains an editor on the train cases: split, loop, validation, checkpoints, and going on after a kill."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from curation.errors import PrerequisiteError
from curation.ids import sha256_bytes
from eval.editors.trained_state import Notes, State, load_state, save_state
from eval.records import EditCase

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[str, int, int], None]
# About one train case in so many validates.
SHARE = 5


@dataclass(frozen=True)
class Group:
    """Tensors that are learned with one learning rate."""

    tensors: Sequence[Tensor]
    rate: float


class Trainee(Protocol):
    """What is trained: a loss over learned tensors, and everything else that its training changes."""

    @property
    def name(self) -> str:
        """Return the method's name, for progress and messages."""

    def groups(self) -> Sequence[Group]:
        """Return the learned tensors; the same objects in the same order on every call."""

    def loss(self, case: EditCase) -> Tensor | None:
        """Return the loss [] of one case with its graph, None for a case that cannot be learned from."""

    def validate(self, cases: Sequence[EditCase]) -> float:
        """Return how good the trainee is on cases it does not learn from; higher is better."""

    def stepped(self) -> None:
        """Follow a step of the optimiser: put tensors back into their bounds."""

    def state(self) -> Mapping[str, Tensor]:
        """Return every tensor that training changes, learned ones included."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set every tensor of state(), in place."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a trainee learns.

    steps: cases seen in all. accumulate: cases an optimiser step. clip: bound on the gradient's norm (inf:
    none). validate_every, patience, checkpoint_every: in cases; training ends at a validation that is
    patience cases after the best one, 0: never. warmup: optimiser steps over which the rates rise from 0;
    with decay they fall to 0 over the rest. optimizer: adam, or rmsprop (centered).
    """

    steps: int
    validate_every: int
    checkpoint_every: int
    accumulate: int = 1
    clip: float = math.inf
    patience: int = 0
    warmup: int = 0
    decay: bool = False
    optimizer: str = "adam"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers with which a resumed training would not be the uninterrupted one."""
        if min(self.steps, self.validate_every, self.checkpoint_every, self.accumulate) < 1:
            raise ValueError("steps, validate_every, checkpoint_every and accumulate must be at least 1")
        if self.checkpoint_every % self.accumulate:
            raise ValueError("checkpoint_every must be a multiple of accumulate")
        if self.optimizer not in {"adam", "rmsprop"}:
            raise ValueError(f"no optimiser {self.optimizer!r}: adam or rmsprop")

    def factor(self, update: int) -> float:
        """Return what optimiser step number update, from 0, multiplies the learning rates by."""
        if update < self.warmup:
            return update / self.warmup
        updates = self.steps // self.accumulate
        if not self.decay:
            return 1.0
        return max(0.0, (updates - update) / max(1, updates - self.warmup))


def split(cases: Sequence[EditCase]) -> tuple[list[EditCase], list[EditCase]]:
    """Return the cases to learn from and those to validate with, of a release's TRAIN split.

    A case's side is told by the hash of its id alone, so that it keeps it when cases are added; only when one
    side would be empty does the nearest case change over. Raises PrerequisiteError for fewer than two cases.
    """
    if len({case.case_id for case in cases}) < 2:
        raise PrerequisiteError(
            "training an editor needs at least two cases in the release's train split that fit the model"
        )
    ranked = sorted(cases, key=_rank)
    count = sum(_rank(case)[0] < 1 / SHARE for case in ranked)
    held_out = {case.case_id for case in ranked[: min(max(count, 1), len(ranked) - 1)]}
    return (
        [case for case in cases if case.case_id not in held_out],
        [case for case in cases if case.case_id in held_out],
    )


@dataclass
class Fit:
    """One training. Which case a step learns from depends on the seed and the step's number alone."""

    trainee: Trainee
    learn: Sequence[EditCase]
    held_out: Sequence[EditCase]
    schedule: Schedule
    checkpoint: Path
    progress: Progress
    step: int = 0
    best: State = field(default_factory=dict)
    best_score: float | None = None
    best_step: int = 0

    def run(self) -> tuple[State, Notes]:
        """Train from the last checkpoint on; leave the best state in the trainee, and return it with notes.

        Raises PrerequisiteError when training diverges before its first validation.
        """
        self._groups = self.trainee.groups()
        self._optimizer = _optimizer(self._groups, self.schedule.optimizer)
        self._resume()
        while self.step < self.schedule.steps and not self._stale():
            if not self._learn():
                break
            self.step += 1
            if self.step % self.schedule.validate_every == 0 or self.step == self.schedule.steps:
                self._validate()
            if self.step % self.schedule.checkpoint_every == 0:
                self._keep()
            self.progress(f"train {self.trainee.name}", self.step, self.schedule.steps)
        if self.best_score is None:
            name = self.trainee.name
            told = f"training {name} diverged, or no case that validates fits the model; "
            raise PrerequisiteError(f"{told}see the rates in eval/editors/{name.lower()}.toml")
        self.trainee.restore(self.best)
        return self.best, {"score": self.best_score, "step": self.best_step, "steps": self.step}

    def _stale(self) -> bool:
        """Return whether a validation has just been, and the best one is patience cases old."""
        schedule, age = self.schedule, self.step - self.best_step
        at_validation = self.step % schedule.validate_every == 0
        return bool(schedule.patience and at_validation and self.best and age >= schedule.patience)

    def _learn(self) -> bool:
        """Add one case's gradient, and descend where due. Return False when it is not finite."""
        import torch

        schedule = self.schedule
        loss = self.trainee.loss(self._case())
        if loss is not None:
            (loss / schedule.accumulate).backward()  # type: ignore[no-untyped-call]
        if (self.step + 1) % schedule.accumulate:
            return True
        tensors = [tensor for group in self._groups for tensor in group.tensors]
        if not bool(torch.nn.utils.clip_grad_norm_(tensors, schedule.clip).isfinite()):
            return False
        factor = schedule.factor(self.step // schedule.accumulate)
        for group, settings in zip(self._groups, self._optimizer.param_groups, strict=True):
            settings["lr"] = group.rate * factor
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.trainee.stepped()
        return True

    def _case(self) -> EditCase:
        """Return the case of this step: every case once in a shuffled round, then the next round."""
        turn, place = divmod(self.step, len(self.learn))
        order = list(range(len(self.learn)))
        Random(f"{self.schedule.seed}:{turn}").shuffle(order)
        return self.learn[order[place]]

    def _validate(self) -> None:
        score = self.trainee.validate(self.held_out)
        if math.isfinite(score) and (self.best_score is None or score > self.best_score):
            self.best_score, self.best_step = score, self.step
            self.best = _copies(self.trainee.state())

    def _keep(self) -> None:
        tensors = {f"now/{name}": tensor for name, tensor in self.trainee.state().items()}
        tensors |= {f"best/{name}": tensor for name, tensor in self.best.items()}
        for number, moments in self._optimizer.state_dict()["state"].items():
            tensors |= {f"moment/{number}/{name}": tensor for name, tensor in moments.items()}
        notes: Notes = {"step": self.step, "best_score": self.best_score, "best_step": self.best_step}
        save_state(self.checkpoint, tensors, notes)

    def _resume(self) -> None:
        kept = load_state(self.checkpoint)
        if kept is None:
            return
        parts: dict[str, State] = {"now": {}, "best": {}, "moment": {}}
        for name, tensor in kept.tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        self.trainee.restore(parts["now"])
        self.best = parts["best"]
        score = kept.notes["best_score"]
        self.best_score = None if score is None else float(score)
        self.step, self.best_step = int(kept.notes["step"] or 0), int(kept.notes["best_step"] or 0)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts["moment"].items():
            number, _, kind = name.partition("/")
            moments.setdefault(int(number), {})[kind] = tensor
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": moments})


def fit(
    trainee: Trainee, cases: Sequence[EditCase], schedule: Schedule, checkpoint: Path, progress: Progress
) -> tuple[State, Notes]:
    """Train on the cases of a release's TRAIN split; return the best state by validation, with notes.

    cases: split here into those learned from and those that validate. checkpoint: the file a killed
    training goes on from, with the same result. progress: called with name, cases seen, cases in all.
    Raises PrerequisiteError for fewer than two cases, and when training diverges.
    """
    learn, held_out = split(cases)
    return Fit(trainee, learn, held_out, schedule, checkpoint, progress).run()


def _rank(case: EditCase) -> tuple[float, str]:
    """Return a number from 0 to 1 that depends on the case's id alone, and the id."""
    return int(sha256_bytes(case.case_id.encode())[:12], 16) / 16**12, case.case_id


def _copies(state: Mapping[str, Tensor]) -> State:
    return {name: tensor.detach().clone() for name, tensor in state.items()}


def _optimizer(groups: Sequence[Group], name: str) -> Any:  # noqa: ANN401 - two classes of torch's
    import torch

    settings = [{"params": list(group.tensors), "lr": group.rate} for group in groups]
    return torch.optim.Adam(settings) if name == "adam" else torch.optim.RMSprop(settings, centered=True)
