"""SERAC: keeps edits in a memory; a second model answers what is in their scope (MMKE-Bench, section 5)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from eval.editors.counterfactual import Counterfactual, LastLayer, SmallModel, small_copy, small_pretrained
from eval.editors.demonstrations import fact_of
from eval.editors.drills import Pictures
from eval.editors.fitting import Progress, Schedule, fit, split
from eval.editors.port import EditRequest
from eval.editors.room import has_room, questions_of
from eval.editors.scope import Scope, pretrained_scope, tiny_scope
from eval.editors.serac_memory import SeracMemory
from eval.editors.serac_training import SeracSettings, SeracTrainee, models, set_models
from eval.editors.settings import settings_for
from eval.editors.trained_state import Notes, State, cached
from eval.models.network import Network
from eval.models.port import Edit, MultimodalModel
from eval.records import Dialect, EditCase, Unscored

if TYPE_CHECKING:
    from torch import Tensor

TINY, LAST_LAYER, OWN = "tiny", "last-layer", "own"


class Serac:
    """The method SERAC (SERAC_MULTI of easyeditor/trainer/algs/SERAC.py); the base is never changed."""

    name = "SERAC"
    accumulates = True

    def __init__(self, memory: SeracMemory, settings: SeracSettings, digest: str, dialect: Dialect) -> None:
        """memory: an empty one, over trained models. digest: the sha256 of their tensors."""
        self.memory = memory
        self._settings, self._digest, self._dialect = settings, digest, dialect

    @classmethod
    def trained(
        cls,
        cases: Sequence[EditCase],
        pictures: Pictures,
        model: Network,
        dialect: Dialect,
        cache: Path,
        identity: str,
        progress: Progress,
        *,
        classifier: str | None = None,
        counterfactual: str | None = None,
    ) -> Self:
        """Return SERAC with both models trained on the cases of the TRAIN split, or read from the cache.

        pictures: the file of a picture by its digest. identity: names all that cases and pictures come from,
        such as a release's digest. classifier, counterfactual: directories or hub names that stand in for
        those of serac.toml. A killed training goes on from its checkpoint. Raises PrerequisiteError for a
        model that serac.toml lacks, models that cannot be loaded, or fewer than two cases.
        """
        settings = settings_for(SeracSettings, "serac", model.name)
        settings = replace(
            settings,
            classifier=classifier or settings.classifier,
            counterfactual=counterfactual or settings.counterfactual,
        )
        scope, other = untrained_models(model, settings, dialect)

        def train(checkpoint: Path) -> tuple[State, Notes]:
            learned_from = split(cases)[0]
            trainee = SeracTrainee(model, scope, other, settings, learned_from, pictures, dialect)
            try:
                return fit(trainee, cases, _schedule(settings), checkpoint, progress)
            finally:
                model.forget()

        told: Mapping[str, object] = {
            "method": "SERAC",
            "trained_on": identity,
            "model": model.digest,
            "dialect": dialect.value,
            "settings": asdict(settings),
            # A folder's name does not tell what is in it.
            "untrained": digest_of(models(scope, other)),
        }
        state = cached(cache, "SERAC", told, train)
        set_models(scope, other, state.tensors)
        for tensor in models(scope, other).values():
            tensor.requires_grad_(False)
        return cls(SeracMemory(scope, other, dialect), settings, state.digest, dialect)

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return the settings of the training, and the digest of what it made."""
        return {**asdict(self._settings), "trained_sha256": self._digest}

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        """Return each request's text as the newest in onto's memory.

        Unscored.TOO_LONG where one of the case's questions does not fit behind that text.
        """
        held = onto.memory if isinstance(onto.memory, SeracMemory) else self.memory
        return [
            replace(onto, memory=held.grown(fact_of(request.case)))
            if has_room(model, questions_of(request), f"{fact_of(request.case)} ", self._dialect)
            else Unscored.TOO_LONG
            for request in requests
        ]


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of names and bytes of tensors."""
    import torch

    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def untrained_models(
    model: Network, settings: SeracSettings, dialect: Dialect
) -> tuple[Scope, Counterfactual]:
    """Return both models before their training."""
    if settings.classifier == TINY:
        scope = tiny_scope(model, dialect, settings.seed)
    else:
        scope = pretrained_scope(settings.classifier, model, dialect)
    if settings.counterfactual == LAST_LAYER:
        return scope, LastLayer(model)
    own = settings.counterfactual == OWN
    module = small_copy(model) if own else small_pretrained(settings.counterfactual)
    return scope, SmallModel(module, model, settings.seed, trained_linear=dialect is Dialect.CLEAN)


def _schedule(settings: SeracSettings) -> Schedule:
    return Schedule(
        steps=settings.steps,
        validate_every=settings.validate_every,
        checkpoint_every=settings.checkpoint_every,
        clip=settings.clip,
        seed=settings.seed,
    )
