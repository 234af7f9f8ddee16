"""Fine-tunes copies of one part's tensors on a single edit: what FT-LLM and FT-Alignment share."""

from __future__ import annotations

from dataclasses import dataclass

from eval.models.port import Edit, MultimodalModel, Part, Question
from eval.records import EditCase


@dataclass(frozen=True)
class FineTuning:
    """AdamW on one example: steps of a constant learning rate, no clipping, no early stop.

    weight_decay 0.01 is what the reference really runs with (its own 0 never reaches the optimiser:
    easyeditor/trainer/algs/FT.py).
    """

    steps: int
    learning_rate: float
    weight_decay: float = 0.01


def fine_tune(
    model: MultimodalModel, case: EditCase, picture: bytes, part: Part, settings: FineTuning
) -> Edit:
    """Return the part's tensors after descending the loss of request -> target, asked about picture.

    Raises DoesNotFitError when the case does not fit the model.
    """
    import torch

    question = Question(case.request, case.target, picture)
    weights = {name: tensor.detach().clone().requires_grad_() for name, tensor in model.tensors(part).items()}
    optimizer = torch.optim.AdamW(
        list(weights.values()), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    for _ in range(settings.steps):
        optimizer.zero_grad()
        model.loss(question, weights).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return Edit(weights={name: tensor.detach() for name, tensor in weights.items()})
