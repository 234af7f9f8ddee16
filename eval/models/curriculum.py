"""How a tiny model is trained: sizes, phases, rates, as one frozen value."""

from __future__ import annotations

from dataclasses import dataclass, field

from eval.models.tiny import TinyShape


@dataclass(frozen=True)
class Phase:
    """A stretch of training: how many lessons of each kind a step has, and the rate that it starts with.

    copying: rows of random tokens said twice. The rate runs in a line to that of the next phase.
    """

    steps: int
    rate: float
    copying: int = 0
    naming: int = 0
    seeing: int = 0
    reading: int = 0
    telling: int = 0
    in_context: int = 0


@dataclass(frozen=True)
class TinyTraining:
    """Everything that the trained weights depend on beside the lessons.

    The vision tower learns alone to tell the release's subjects apart, and is frozen, as LLaVA starts
    from a frozen CLIP and BLIP-2 from a frozen EVA-CLIP. The language model learns to copy: a new fact in
    the context is of no use to a model that cannot repeat a word it has just read, and with larger steps it
    does not learn that in any reasonable time; a few rows in every later step keep it. Then pictures come
    before texts: a model that may answer from the text alone never learns to look. New facts in the context
    come last, when there is knowledge to overrule.

    gain: factor on the initial matrices of connector and token embeddings, which at 0.02 are too small
    to be heard. demonstrations: as many as IKE shows, in one in-context step of four, and then a quarter
    as many lessons, because they are four times as long. checkpoint_every: steps that a kill can cost.
    checked: at most so many lessons of a kind are asked for the quality log.
    """

    shape: TinyShape = field(default_factory=TinyShape)
    tower_steps: int = 60
    tower_rate: float = 1e-3
    phases: tuple[Phase, ...] = (
        Phase(420, 1e-3, copying=32),
        Phase(100, 2e-3, copying=6, naming=12, seeing=8),
        Phase(120, 2e-3, copying=6, naming=4, seeing=8, reading=10, in_context=4),
        Phase(400, 2e-3, copying=6, naming=3, seeing=6, reading=8, telling=1, in_context=8),
    )
    warm_up: int = 30
    weight_decay: float = 0.01
    gain: float = 3.0
    demonstrations: int = 3  # IKE's two and its own copy
    seed: int = 20_250
    checkpoint_every: int = 100
    checked: int = 150

    @property
    def steps(self) -> int:
        """Return the length of the training after the tower's."""
        return sum(phase.steps for phase in self.phases)

    def phase(self, step: int) -> Phase:
        """Return the phase that a step belongs to, counted from 0."""
        return self.phases[self._place(step)[0]]

    def rate(self, step: int) -> float:
        """Return the learning rate of a step: up from nothing, then from phase to phase, to nothing."""
        place, done = self._place(step)
        phase, following = self.phases[place], self.phases[place + 1 :]
        end = following[0].rate if following else 0.0
        rate = phase.rate + (end - phase.rate) * done / phase.steps
        return rate * min(1.0, (step + 1) / self.warm_up)

    def _place(self, step: int) -> tuple[int, int]:
        """Return the number of a step's phase and the steps done in it. Raises IndexError past the end."""
        for number, phase in enumerate(self.phases):
            if step < phase.steps:
                return number, step
            step -= phase.steps
        raise IndexError(step)
