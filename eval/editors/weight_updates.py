"""From what a hyper-network adds to the top MLPs to an edit: what MEND and KE share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from eval.models.port import Edit, MultimodalModel, Part
from eval.records import Unscored

if TYPE_CHECKING:
    from torch import Tensor


def shapes(model: MultimodalModel) -> dict[str, tuple[int, int]]:
    """Return (outputs, inputs) of each matrix of the top MLPs, in the model's order."""
    return {name: (one.shape[0], one.shape[1]) for name, one in model.tensors(Part.TOP_MLPS).items()}


def added(
    model: MultimodalModel, onto: Mapping[str, Tensor], updates: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the top MLPs' weights with updates added, in float32: half precision would round them away.

    onto: weights that stand in for the model's before the update.
    """
    own = model.tensors(Part.TOP_MLPS)
    return {name: onto.get(name, own[name]).detach().float() + update for name, update in updates.items()}


def edit_of(model: MultimodalModel, onto: Edit, updates: Mapping[str, Tensor]) -> Edit | Unscored:
    """Return onto with updates added to its weights, or Unscored.NOT_FINITE."""
    weights = added(model, onto.weights, updates)
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        return Unscored.NOT_FINITE
    return replace(onto, weights={**onto.weights, **weights})
