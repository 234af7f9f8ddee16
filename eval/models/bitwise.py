"""The loss of one edit of the last MLP, on as few positions as give the bits that all of them give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from eval.models.decoder import Decoder
from eval.models.network import label_loss
from eval.models.port import Prompt

if TYPE_CHECKING:
    from torch import Tensor

# Where a matrix product's sum over positions may be begun without changing how it is cut into pieces: a
# register's width, and the pieces of larger sums. Each is tried, none is trusted.
_PIECES = (4, 384)


class BitwiseLoss:
    """A prompt's mean label loss as a function of the last MLP's matrices, bit for bit the plain model's.

    Positions before the first label have no gradient, but they are part of the sum over positions in a
    weight's gradient, whose rounding depends on where it begins; and Adam makes a step of any noise. So the
    first call finds the latest beginning that leaves every bit of the gradient, and later ones begin there.
    """

    def __init__(self, decoder: Decoder, prompt: Prompt, residual: Tensor) -> None:
        """residual: [1, ids, width] before the last MLP, of all of the prompt's ids."""
        self._decoder, self._prompt, self._residual = decoder, prompt, residual
        self._last = decoder.depth - 1
        self._given = decoder.normed(self._last, residual)
        self._gate = decoder.gate(self._last, self._given)
        self._start: int | None = None

    def __call__(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the loss [] under stand-ins, differentiable in them."""
        if self._start is None:
            self._start = self._latest(weights)
        return self._from(self._start, weights)

    def _from(self, start: int, weights: Mapping[str, Tensor]) -> Tensor:
        gate = None if self._gate is None else self._gate[:, start:]
        added = self._decoder.mlp(self._last, self._given[:, start:], gate, weights)
        hidden = self._residual[:, start:] + added
        read = [row - start for row in self._prompt.rows]
        return label_loss(self._prompt, self._decoder.finish(hidden[0, read]))

    def _latest(self, weights: Mapping[str, Tensor]) -> int:
        import torch

        trial = {name: tensor.detach().clone().requires_grad_() for name, tensor in weights.items()}

        def bits(start: int) -> tuple[Tensor, ...]:
            loss = self._from(start, trial)
            return (loss, *torch.autograd.grad(loss, list(trial.values())))

        return latest_equal(bits, self._prompt.rows[0])


def latest_equal(bits: Callable[[int], tuple[Tensor, ...]], first: int) -> int:
    """Return the latest beginning up to first at which bits gives what it gives at 0."""
    import torch

    whole = bits(0)
    for start in sorted({first // piece * piece for piece in _PIECES}, reverse=True):
        if start and all(torch.equal(one, other) for one, other in zip(bits(start), whole, strict=True)):
            return start
    return 0
