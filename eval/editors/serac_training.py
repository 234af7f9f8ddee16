"""Trains SERAC's scope classifier and counterfactual model on train cases (MMKE-Bench, section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from curation.records import ProbeKind
from eval.editors.counterfactual import Counterfactual
from eval.editors.demonstrations import fact_of
from eval.editors.drills import Pictures, base_logits, drill, locality_loss
from eval.editors.fitting import Group
from eval.editors.scope import Key, Scope, similarity
from eval.editors.serac_memory import behind, mixture
from eval.models.network import Network, label_loss
from eval.models.port import DoesNotFitError, Picture, Prompt, Question
from eval.records import CaseProbe, Dialect, EditCase

if TYPE_CHECKING:
    from torch import Tensor

_IN_SCOPE = {ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.I_GEN}
_OUT_OF_SCOPE = {ProbeKind.T_LOC, ProbeKind.I_LOC}
# Other cases with which one step compares its own, the squared distance at which it lets them be, and how
# much being apart counts beside being near: a silent edit harms less than one that answers for others.
_OTHERS, _FAR, _APART = 11, 20.0, 4.0


@dataclass(frozen=True)
class SeracSettings:
    """A table of serac.toml, which says what the fields are."""

    classifier: str
    counterfactual: str
    learning_rate: float
    classifier_rate: float
    steps: int
    validate_every: int
    checkpoint_every: int
    clip: float
    rephrase: float
    image_rephrase: float
    locality: float
    probes: float
    held: bool
    seed: int


@dataclass(frozen=True)
class Pair:
    """A prompt, and what the counterfactual model reads for it."""

    prompt: Prompt
    longer: Prompt


@dataclass(frozen=True)
class Lesson:
    """What one case teaches; None: it has no such prompt, or it does not fit.

    answers: the questions in scope, as the counterfactual model reads them.
    """

    edit: Key
    rephrased: Pair | None
    elsewhere: Pair | None
    locality: Pair | None
    answers: tuple[Prompt, ...]

    @property
    def pairs(self) -> list[Pair]:
        """Return the pairs that there are."""
        return [pair for pair in (self.rephrased, self.elsewhere, self.locality) if pair is not None]


@dataclass(frozen=True)
class Bounds:
    """Keys of one case: its edit, the questions in its scope, and those that are not."""

    edit: Key
    inside: tuple[Key, ...]
    outside: tuple[Key, ...]


class SeracTrainee:
    """The port Trainee: both models, on the edit of one case at a time.

    The loss is the reference's, weighed as it is there: likelihood of the target after the rephrased request
    and on the rephrase picture, divergence from the base on the text locality question, all of the mixture
    (easyeditor/trainer/MultimodalTrainer.py). With settings.probes, further losses that it does not have.
    """

    name = "SERAC"

    def __init__(
        self,
        model: Network,
        scope: Scope,
        counterfactual: Counterfactual,
        settings: SeracSettings,
        learned_from: Sequence[EditCase],
        pictures: Pictures,
        dialect: Dialect,
    ) -> None:
        """learned_from: whose questions serve as out of scope of other cases."""
        import torch

        self._model, self._scope, self._counterfactual = model, scope, counterfactual
        self._settings, self._pictures, self._dialect = settings, pictures, dialect
        self._bounds = {case.case_id: self._bounds_of(case) for case in learned_from}
        self._lessons: dict[str, Lesson | None] = {}
        self._count = torch.zeros(1, dtype=torch.long)
        self._learned = [counterfactual.tensors[name] for name in counterfactual.learned]
        for tensor in (*self._learned, *scope.parameters().values()):
            tensor.requires_grad_()

    def groups(self) -> Sequence[Group]:
        """Return the classifier's and the counterfactual model's tensors."""
        settings = self._settings
        return [
            Group(list(self._scope.parameters().values()), settings.classifier_rate),
            Group(self._learned, settings.learning_rate),
        ]

    def loss(self, case: EditCase) -> Tensor | None:
        """Return the loss [] of a case, None when nothing of it fits the model."""
        number = int(self._count)
        self._count += 1
        return self._loss(case, Random(f"{self._settings.seed}:{number}"))

    def validate(self, cases: Sequence[EditCase]) -> float:
        """Return minus the mean loss of cases, as the reference's early_stop_key has it."""
        import torch

        with torch.no_grad():
            losses = [self._loss(case, Random(case.case_id)) for case in cases]
        told = [float(loss) for loss in losses if loss is not None]
        return -sum(told) / len(told) if told else 0.0

    def stepped(self) -> None:
        """Forget what the classifier knew."""
        self._scope.changed()

    def state(self) -> Mapping[str, Tensor]:
        """Return both models' tensors, and how many losses were drawn."""
        return {**models(self._scope, self._counterfactual), "count": self._count}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set every tensor of state(), in place."""
        set_models(self._scope, self._counterfactual, state)
        self._count.copy_(state["count"])

    def _loss(self, case: EditCase, draw: Random) -> Tensor | None:
        import torch

        lesson = self._lesson(case)
        if lesson is None:
            return None
        settings, pairs = self._settings, lesson.pairs
        base = base_logits(self._model, [pair.prompt for pair in pairs])
        asked = [pair.longer for pair in pairs]
        extra = lesson.answers if settings.probes else ()
        other = self._counterfactual.logits(self._model, [*asked, *extra])
        keys = [self._scope.of_question(pair.prompt.question, scored=True) for pair in pairs]
        states = self._scope.together([lesson.edit, *keys])
        shares = similarity(states[1:], states[0])
        total = shares.new_zeros(())
        for number, pair in enumerate(pairs):
            mixed = mixture(base[number], other[number], shares[number])
            total = total + self._weighed(lesson, pair, base[number], mixed)
        if not settings.probes:
            return total
        answered = [
            label_loss(prompt, logits) for prompt, logits in zip(extra, other[len(pairs) :], strict=True)
        ]
        answers = torch.stack(answered).mean() if answered else total.new_zeros(())
        return total + settings.probes * (answers + self._contrast(case, draw))

    def _weighed(self, lesson: Lesson, pair: Pair, base: Tensor, mixed: Tensor) -> Tensor:
        settings = self._settings
        if pair is lesson.locality:
            return settings.locality * locality_loss(pair.prompt, base, mixed)
        weight = settings.rephrase if pair is lesson.rephrased else settings.image_rephrase
        return weight * label_loss(pair.prompt, mixed)

    def _contrast(self, case: EditCase, draw: Random) -> Tensor:
        """Return how far the questions in a case's scope are, and how near those that are not.

        Squared distances of edits and questions, of the case and of some others that it learns from: a
        question is out of scope of every edit but its own.
        """
        import torch

        others = sorted(self._bounds.keys() - {case.case_id})
        drawn = draw.sample(others, min(_OTHERS, len(others)))
        every = [self._bounds_of(case), *(self._bounds[name] for name in drawn)]
        questions = list(dict.fromkeys(key for one in every for key in (*one.inside, *one.outside)))
        if not questions:
            return torch.zeros(())
        states = self._scope.together([*(one.edit for one in every), *questions])
        edits, asked = states[: len(every)], states[len(every) :]
        squared = (edits[:, None] - asked[None]).square().sum(-1)
        own = torch.tensor([[key in one.inside for key in questions] for one in every], device=squared.device)
        far = squared[~own]
        apart = -(1 - (-far).exp() + 1e-6).log() + (_FAR - far).relu() / _FAR
        return _mean(squared[own]) + _APART * _mean(apart)

    def _bounds_of(self, case: EditCase) -> Bounds:
        inside, outside = self._keys(case, _IN_SCOPE), self._keys(case, _OUT_OF_SCOPE)
        return Bounds(self._scope.of_edit(fact_of(case)), inside, outside)

    def _keys(self, case: EditCase, kinds: set[ProbeKind]) -> tuple[Key, ...]:
        asked = [Question(probe.question, probe.answer) for probe in case.probes if probe.kind in kinds]
        return tuple(dict.fromkeys(self._scope.of_question(one, scored=True) for one in asked))

    def _lesson(self, case: EditCase) -> Lesson | None:
        if case.case_id not in self._lessons:
            lesson = self._made(case)
            self._lessons[case.case_id] = lesson
            if lesson is not None and self._settings.held:
                every = [prompt for pair in lesson.pairs for prompt in (pair.prompt, pair.longer)]
                self._model.hold([*every, *lesson.answers], packed=False)
        return self._lessons[case.case_id]

    def _made(self, case: EditCase) -> Lesson | None:
        drilled, text = drill(self._model, case, self._pictures, self._dialect), fact_of(case)
        if drilled is None:
            return None
        answers = [self._answered(probe, text) for probe in case.probes if probe.kind in _IN_SCOPE]
        return Lesson(
            self._scope.of_edit(text),
            self._pair(drilled.rephrased, text),
            self._pair(drilled.elsewhere, text),
            self._pair(drilled.text_locality, text),
            tuple(answer for answer in answers if answer is not None),
        )

    def _pair(self, prompt: Prompt | None, text: str) -> Pair | None:
        if prompt is None:
            return None
        try:
            return Pair(prompt, behind(self._model, prompt, text, self._dialect, asked_only=False))
        except DoesNotFitError:
            return None

    def _answered(self, probe: CaseProbe, text: str) -> Prompt | None:
        """Return a probe behind the edit's text, None when it has no picture or does not fit."""
        if probe.image_role is not None and probe.image is None:
            return None
        picture = Picture(probe.image, self._pictures(probe.image)) if probe.image else None
        question = Question(probe.question, probe.answer, picture, f"{text} ")
        try:
            return self._model.encode(question, self._dialect)
        except DoesNotFitError:
            return None


def models(scope: Scope, counterfactual: Counterfactual) -> dict[str, Tensor]:
    """Return the tensors of both models by name."""
    told = {f"scope/{name}": tensor for name, tensor in scope.parameters().items()}
    return told | {f"counterfactual/{name}": tensor for name, tensor in counterfactual.tensors.items()}


def set_models(scope: Scope, counterfactual: Counterfactual, state: Mapping[str, Tensor]) -> None:
    """Set the tensors of both models, in place."""
    import torch

    with torch.no_grad():
        for name, tensor in models(scope, counterfactual).items():
            tensor.copy_(state[name])
    scope.changed()


def _mean(values: Tensor) -> Tensor:
    """Return the mean, 0 of no values."""
    return values.mean() if values.numel() else values.sum()
