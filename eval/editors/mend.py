"""MEND: a trained network turns one edit's gradient into weights of the top MLPs (MMKE-Bench, section 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from eval.editors.drills import Drill, Pictures, base_logits, drill, fitting_cases, locality_loss
from eval.editors.fitting import Group, Progress, Schedule, fit
from eval.editors.port import EditRequest
from eval.editors.settings import settings_for
from eval.editors.trained_state import Notes, State, cached, identity_of
from eval.editors.weight_updates import added, edit_of, shapes
from eval.models.network import label_loss
from eval.models.port import Edit, MultimodalModel, Part
from eval.records import Dialect, EditCase, Unscored

if TYPE_CHECKING:
    from torch import Tensor

    from eval.editors.gradient_transform import MendNetwork


@dataclass(frozen=True)
class MendSettings:
    """Sizes, rates and the training of MEND; mend.toml says where each number comes from.

    rank, hidden: of the transform. inner_rate: what each matrix's learned rate starts from. rate: learning
    rate of the transform, rate_rate of the learned rates. text_weight, picture_weight, locality_weight: of
    the losses on the rephrased request, on the rephrase picture, and of both localities. The rest is the
    Schedule's, in cases; validation_cases: at most so many validate. held: keep the trunks of all train
    cases, not of one at a time.
    """

    rank: int
    hidden: int
    inner_rate: float
    rate: float
    rate_rate: float
    text_weight: float
    picture_weight: float
    locality_weight: float
    steps: int
    accumulate: int
    clip: float
    validate_every: int
    validation_cases: int
    patience: int
    checkpoint_every: int
    seed: int
    held: bool

    @property
    def schedule(self) -> Schedule:
        """Return the training's length and pace; Adam at constant rates."""
        return Schedule(
            steps=self.steps,
            validate_every=self.validate_every,
            checkpoint_every=self.checkpoint_every,
            accumulate=self.accumulate,
            clip=self.clip,
            patience=self.patience,
            seed=self.seed,
        )


class Mend:
    """The method MEND with a trained network."""

    name = "MEND"
    accumulates = False

    def __init__(self, settings: MendSettings, network: MendNetwork, digest: str) -> None:
        """Take a network and the sha256 of its trained state."""
        self._settings, self._digest = settings, digest
        self._network = network.eval().requires_grad_(False)

    @classmethod
    def trained(
        cls,
        cases: Sequence[EditCase],
        pictures: Pictures,
        model: MultimodalModel,
        dialect: Dialect,
        cache: Path,
        identity: str,
        progress: Progress,
    ) -> Mend:
        """Return MEND trained for a model on the cases of a release's TRAIN split, or as the cache has it.

        pictures: the bytes of a picture by its sha256. dialect: which labels and positions training scores.
        identity: sha256 of the release. progress: called with 'train MEND', cases seen, cases in all. A
        killed training goes on from its checkpoint in cache. Raises PrerequisiteError for a model without
        hyper-parameters, for fewer than two cases that fit it, and when training diverges.
        """
        settings = settings_for(MendSettings, "mend", model.name)
        network = new_network(model, settings)

        def train(checkpoint: Path) -> tuple[State, Notes]:
            apprentice = _Apprentice(settings, network, model, pictures, dialect)
            try:
                usable = fitting_cases(model, cases, pictures, dialect)
                apprentice.prepare(usable)
                return fit(apprentice, usable, settings.schedule, checkpoint, progress)
            finally:
                model.forget()

        state = cached(cache, cls.name, identity_of(identity, model, dialect, settings), train)
        network.load_state_dict(state.tensors)
        return cls(settings, network, state.digest)

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return the settings, and the sha256 of the trained state."""
        return {**asdict(self._settings), "trained_sha256": self._digest}

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        """Return one edit a request: new float32 weights of the top MLPs, one gradient each."""
        import torch

        with torch.no_grad():
            return [
                edit_of(
                    model,
                    onto,
                    self._network.updates(model.factors(request.prompt, Part.TOP_MLPS, onto.weights)),
                )
                for request in requests
            ]


def new_network(model: MultimodalModel, settings: MendSettings) -> MendNetwork:
    """Return the untrained network for a model's top MLPs, on its device: with zero U the identity."""
    from eval.editors.gradient_transform import MendNetwork

    network = MendNetwork(shapes(model), settings.rank, settings.hidden, settings.inner_rate, settings.seed)
    return network.to(model.embeddings([0]).device)


class _Apprentice:
    """MEND in training (easyeditor/trainer/MultimodalTrainer.py, edit_step)."""

    name = Mend.name

    def __init__(
        self,
        settings: MendSettings,
        network: MendNetwork,
        model: MultimodalModel,
        pictures: Pictures,
        dialect: Dialect,
    ) -> None:
        self._settings, self._network, self._model = settings, network.train(), model
        self._pictures, self._dialect = pictures, dialect
        self._drills: dict[str, Drill | None] = {}

    def prepare(self, cases: Sequence[EditCase]) -> None:
        """Hold the trunks of all cases, where the settings say so."""
        if self._settings.held:
            self._drills = {case.case_id: self._drill(case) for case in cases}
            prompts = [prompt for one in self._drills.values() if one for prompt in one.prompts]
            self._model.hold(prompts, packed=False)

    @cached_property
    def _groups(self) -> list[Group]:
        rates = self._network.rates
        others = [tensor for tensor in self._network.parameters() if tensor is not rates]
        return [Group(others, self._settings.rate), Group([rates], self._settings.rate_rate)]

    def groups(self) -> Sequence[Group]:
        """Return the transform and the learned rates."""
        return self._groups

    def loss(self, case: EditCase) -> Tensor | None:
        """Return the weighted losses of a case's prompts after its edit."""
        return self._loss(case, learn=True)

    def validate(self, cases: Sequence[EditCase]) -> float:
        """Return minus the mean loss (the reference's early_stop_key is loss/total_edit_val)."""
        import torch

        with torch.no_grad():
            losses = [self._loss(case, learn=False) for case in cases[: self._settings.validation_cases]]
        values = [float(loss) for loss in losses if loss is not None]
        return -sum(values) / len(values) if values else math.nan

    def stepped(self) -> None:
        """Do nothing: nothing has bounds."""

    def state(self) -> Mapping[str, Tensor]:
        """Return the network's parameters and running statistics."""
        return self._network.state_dict()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set them in place."""
        self._network.load_state_dict(state)

    def _loss(self, case: EditCase, *, learn: bool) -> Tensor | None:
        settings, model, one = self._settings, self._model, self._drill(case)
        if one is None:
            return None
        if not settings.held:
            model.forget()
            model.hold(one.prompts, packed=False)
        factors = model.factors(one.edit, Part.TOP_MLPS, {})
        edit = Edit(weights=added(model, {}, self._network.updates(factors, learn=learn)))
        taught = [
            (prompt, weight)
            for prompt, weight in (
                (one.rephrased, settings.text_weight),
                (one.elsewhere, settings.picture_weight),
            )
            if prompt is not None
        ]
        local = [prompt for prompt in (one.text_locality, one.image_locality) if prompt is not None]
        after = model.logits([*(prompt for prompt, _ in taught), *local], edit)
        losses = [
            weight * label_loss(prompt, logits)
            for (prompt, weight), logits in zip(taught, after[: len(taught)], strict=True)
        ]
        before = base_logits(model, local)
        losses += [
            settings.locality_weight * locality_loss(prompt, base, logits)
            for prompt, base, logits in zip(local, before, after[len(taught) :], strict=True)
        ]
        return sum(losses[1:], start=losses[0]) if losses else None

    def _drill(self, case: EditCase) -> Drill | None:
        if case.case_id in self._drills:
            return self._drills[case.case_id]
        return drill(self._model, case, self._pictures, self._dialect)
