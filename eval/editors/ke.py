"""KE: a hyper-network reads the edit and turns its gradient into new weights (MMKE-Bench, section 5)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from eval.editors.conditions import condition_ids, read_ids
from eval.editors.drills import Pictures, edit_prompt, fitting_cases
from eval.editors.fitting import Group, Progress, Schedule, fit
from eval.editors.port import EditRequest
from eval.editors.settings import settings_for
from eval.editors.trained_state import Notes, State, cached, identity_of
from eval.editors.weight_updates import added, edit_of, shapes
from eval.models.network import label_loss
from eval.models.port import DoesNotFitError, Edit, MultimodalModel, Part, Prompt
from eval.records import Dialect, EditCase, Unscored

if TYPE_CHECKING:
    from torch import Tensor

    from eval.editors.hyper_network import KeNetwork

# What the network's tensors are called in the trained state, beside multiplier and margin.
_OWN = "network."


@dataclass(frozen=True)
class KeSettings:
    """Sizes, rates and the training of KE; ke.toml says where each number comes from.

    condition: width of the condition. hidden: of the LSTM and the conditioners. max_scale: the largest factor
    of an update. rate: of the network; multiplier_rate: of the Lagrange multiplier. norm: p of the bound on
    the update. margin: the bound at first, shrunk by margin_factor to no less than margin_floor whenever
    more than margin_accuracy of the validation tokens are right. warmup: optimiser steps. The rest is the
    Schedule's, in cases; validation_cases: at most so many validate. held: keep the trunk of all train cases.
    """

    condition: int
    hidden: int
    max_scale: float
    rate: float
    multiplier_rate: float
    norm: float
    margin: float
    margin_factor: float
    margin_floor: float
    margin_accuracy: float
    steps: int
    warmup: int
    validate_every: int
    validation_cases: int
    patience: int
    checkpoint_every: int
    seed: int
    held: bool

    @property
    def schedule(self) -> Schedule:
        """Return the training's length and pace; centered RMSprop, rates that rise and then fall to 0."""
        return Schedule(
            steps=self.steps,
            validate_every=self.validate_every,
            checkpoint_every=self.checkpoint_every,
            patience=self.patience,
            warmup=self.warmup,
            decay=True,
            optimizer="rmsprop",
            seed=self.seed,
        )


class Ke:
    """The method KE with a trained network."""

    name = "KE"
    accumulates = False

    def __init__(self, settings: KeSettings, network: KeNetwork, dialect: Dialect, digest: str) -> None:
        """Take a network, the dialect it was trained in, and the sha256 of its trained state."""
        self._settings, self._dialect, self._digest = settings, dialect, digest
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
    ) -> Ke:
        """Return KE trained for a model on the cases of a release's TRAIN split, or as the cache has it.

        pictures: the bytes of a picture by its sha256. dialect: which labels training scores, and how much of
        the condition is read. identity: sha256 of the release. progress: called with 'train KE', cases seen,
        cases in all. A killed training goes on from its checkpoint in cache. Raises PrerequisiteError for a
        model without hyper-parameters, for fewer than two cases that fit it, and when training diverges.
        """
        settings = settings_for(KeSettings, "ke", model.name)
        network = new_network(model, settings, read_ids(model, cases, dialect))

        def train(checkpoint: Path) -> tuple[State, Notes]:
            apprentice = _Apprentice(settings, network, model, pictures, dialect)
            try:
                usable = fitting_cases(model, cases, pictures, dialect)
                apprentice.prepare(usable)
                return fit(apprentice, usable, settings.schedule, checkpoint, progress)
            finally:
                model.forget()

        state = cached(cache, cls.name, identity_of(identity, model, dialect, settings), train)
        kept = {name.removeprefix(_OWN): one for name, one in state.tensors.items() if name.startswith(_OWN)}
        network.load_state_dict(kept)
        return cls(settings, network, dialect, state.digest)

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return the settings, and the sha256 of the trained state."""
        return {**asdict(self._settings), "trained_sha256": self._digest}

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        """Return one edit a request: new float32 weights of the top MLPs, one gradient each.

        A request whose condition is longer than the model's positions is unscored.
        """
        import torch

        edits: list[Edit | Unscored] = []
        with torch.no_grad():
            for request in requests:
                try:
                    ids = condition_ids(model, request.case, self._dialect)
                except DoesNotFitError as error:
                    edits.append(error.reason)
                    continue
                found = updates(model, self._network, request.prompt, ids, onto.weights)
                edits.append(edit_of(model, onto, found))
        return edits


def new_network(model: MultimodalModel, settings: KeSettings, ids: Sequence[int]) -> KeNetwork:
    """Return the untrained network for a model's top MLPs, on its device; ids: with learned embeddings."""
    import torch

    from eval.editors.hyper_network import KeNetwork

    embedding = model.embeddings([0])
    network = KeNetwork(
        shapes(model),
        embedding.shape[-1],
        torch.tensor(list(ids), dtype=torch.long),
        hidden=settings.hidden,
        condition=settings.condition,
        scale=settings.max_scale,
        seed=settings.seed,
    )
    return network.to(embedding.device)


def updates(
    model: MultimodalModel,
    network: KeNetwork,
    prompt: Prompt,
    ids: Sequence[int],
    onto: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """Return what KE adds to each matrix for a prompt (request -> target) and a condition's ids."""
    import torch

    factors = model.factors(prompt, Part.TOP_MLPS, onto)
    gradients = {name: one.deltas.float().T @ one.inputs.float() for name, one in factors.items()}
    return network.updates(
        torch.tensor(list(ids), device=network.ids.device), model.embeddings(ids), gradients
    )


class _Apprentice:
    """KE in training (KE/src/models/ke_train.py): the target's loss, and a bound on the update's size."""

    name = Ke.name

    def __init__(
        self,
        settings: KeSettings,
        network: KeNetwork,
        model: MultimodalModel,
        pictures: Pictures,
        dialect: Dialect,
    ) -> None:
        import torch

        self._settings, self._network, self._model = settings, network.train(), model
        self._pictures, self._dialect = pictures, dialect
        device = network.ids.device
        self._multiplier = torch.ones((), device=device, requires_grad=True)
        # The multiplier climbs where all else descends.
        self._multiplier.register_hook(lambda gradient: -gradient)  # type: ignore[no-untyped-call]
        self._margin = torch.tensor(settings.margin, device=device, dtype=torch.float64)
        self._prompts: dict[str, Prompt | None] = {}

    def prepare(self, cases: Sequence[EditCase]) -> None:
        """Hold the trunks of all cases, where the settings say so."""
        if self._settings.held:
            self._prompts = {case.case_id: self._prompt(case) for case in cases}
            self._model.hold([prompt for prompt in self._prompts.values() if prompt], packed=False)

    @cached_property
    def _groups(self) -> list[Group]:
        network = [tensor for tensor in self._network.parameters() if tensor.requires_grad]
        return [
            Group(network, self._settings.rate),
            Group([self._multiplier], self._settings.multiplier_rate),
        ]

    def groups(self) -> Sequence[Group]:
        """Return the network and the Lagrange multiplier."""
        return self._groups

    def loss(self, case: EditCase) -> Tensor | None:
        """Return nll(request -> target) + multiplier * (norm of the update - margin)."""
        found = self._edited(case)
        if found is None:
            return None
        prompt, logits, changes = found
        p = self._settings.norm
        sizes = [(change.abs() ** p).mean() ** (1 / p) for change in changes.values()]
        size = sum(sizes[1:], start=sizes[0]) / len(sizes)
        return label_loss(prompt, logits) + self._multiplier * (size - float(self._margin))

    def validate(self, cases: Sequence[EditCase]) -> float:
        """Return the share of right target tokens over all cases; where it is high, tighten the bound."""
        import torch

        settings, right, total = self._settings, 0, 0
        with torch.no_grad():
            for case in cases[: settings.validation_cases]:
                found = self._edited(case)
                if found is not None:
                    prompt, logits, _ = found
                    labels = torch.tensor(prompt.label_ids, device=logits.device)
                    right += int((logits.argmax(-1) == labels).sum())
                    total += len(labels)
        accuracy = right / total if total else math.nan
        if accuracy > settings.margin_accuracy:
            self._margin.mul_(settings.margin_factor).clamp_(min=settings.margin_floor)
        return accuracy

    def stepped(self) -> None:
        """Keep the multiplier from going below 0."""
        import torch

        with torch.no_grad():
            self._multiplier.clamp_(min=0)

    def state(self) -> Mapping[str, Tensor]:
        """Return the network's tensors, the multiplier and the margin."""
        extra = {"multiplier": self._multiplier, "margin": self._margin}
        return {**{_OWN + name: one for name, one in self._network.state_dict().items()}, **extra}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Set them in place."""
        import torch

        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(state[name])

    def _edited(self, case: EditCase) -> tuple[Prompt, Tensor, dict[str, Tensor]] | None:
        """Return a case's prompt, its logits after the edit, and the update; None when it does not fit."""
        model, prompt = self._model, self._prompt(case)
        if prompt is None:
            return None
        if not self._settings.held:
            model.forget()
            model.hold([prompt], packed=False)
        try:
            ids = condition_ids(model, case, self._dialect)
        except DoesNotFitError:
            return None
        changes = updates(model, self._network, prompt, ids, {})
        logits = model.logits([prompt], Edit(weights=added(model, {}, changes)))[0]
        return prompt, logits, changes

    def _prompt(self, case: EditCase) -> Prompt | None:
        if case.case_id in self._prompts:
            return self._prompts[case.case_id]
        return edit_prompt(self._model, case, self._pictures, self._dialect)
