"""Fine-tunes copies of one part's tensors, several edits side by side: what FT-LLM and FT-Alignment share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from eval.editors.port import EditRequest
from eval.models.port import Edit, MultimodalModel, Part
from eval.records import Unscored

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class FineTuning:
    """AdamW on one example: steps of a constant learning rate, no clipping, no early stop.

    weight_decay 0.01 is torch's own: the reference's 0 never reaches its optimiser
    (easyeditor/trainer/algs/FT.py).
    """

    steps: int
    learning_rate: float
    weight_decay: float = 0.01


class FineTuningEditor:
    """Fine-tunes a part of the model on one edit."""

    name: str
    part: Part
    accumulates = True

    def __init__(self, settings: FineTuning) -> None:
        self._settings = settings

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return steps, learning rate and weight decay."""
        return asdict(self._settings)

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        """Return new tensors of the part for each request; Unscored.NOT_FINITE where they diverged.

        Each edit keeps its own tensors, two moments and gradient, 16 bytes a parameter, as long as all of
        them are made: fewer requests need less memory.
        """
        import torch

        stacked: dict[str, Tensor] = {}
        for name, tensor in model.tensors(self.part).items():
            start = onto.weights.get(name, tensor).detach().float()
            stacked[name] = start.expand(len(requests), *start.shape).clone().requires_grad_()
        losses = model.objective(self.part, [request.prompt for request in requests])
        settings = self._settings
        optimizer = torch.optim.AdamW(
            list(stacked.values()), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        for _ in range(settings.steps):
            optimizer.zero_grad()
            # A sum: each edit's tensors meet only its own loss, so its gradient is that of its mean.
            losses(stacked).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        edits: list[Edit | Unscored] = []
        for number in range(len(requests)):
            own = {name: tensor.detach()[number].clone() for name, tensor in stacked.items()}
            finite = all(bool(tensor.isfinite().all()) for tensor in own.values())
            edits.append(Edit(weights={**onto.weights, **own}) if finite else Unscored.NOT_FINITE)
        return edits
