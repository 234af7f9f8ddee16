"""KE's hyper-network: reads the edit as a text and says which part of a gradient to take."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm


class Condition(nn.Module):
    """A bidirectional LSTM over token embeddings; both last states through a linear layer and tanh."""

    def __init__(self, width: int, hidden: int, made: int) -> None:
        """Make the reader of embeddings [tokens, width] that returns a condition [1, made]."""
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, bidirectional=True, batch_first=True)
        self.linear = nn.Linear(2 * hidden, made)

    def forward(self, embeddings: Tensor) -> Tensor:
        """Return the condition [1, made] of embeddings [tokens, width]."""
        _, (last, _) = self.lstm(embeddings[None])
        read: Tensor = self.linear(torch.cat([last[0], last[1]], dim=-1))
        return read.tanh()


class Conditioner(nn.Module):
    """The change of one matrix: scale * sigmoid(c) * (gradient * A + B), A and B of rank one."""

    def __init__(self, outputs: int, inputs: int, condition: int, hidden: int, scale: float) -> None:
        """Make the conditioner of a matrix [outputs, inputs]; scale: the largest factor of all."""
        super().__init__()
        self._sizes, self._scale = [inputs, outputs, inputs, outputs, 1], scale
        self.first = weight_norm(nn.Linear(condition, hidden))
        self.second = weight_norm(nn.Linear(hidden, sum(self._sizes)))

    def forward(self, condition: Tensor, gradient: Tensor) -> Tensor:
        """Return the change [outputs, inputs] for condition [1, width] and gradient [outputs, inputs]."""
        made = self.second(self.first(condition).tanh())[0]
        column_a, row_a, column_b, row_b, gate = made.split(self._sizes)
        a = torch.outer(row_a.softmax(-1), column_a)
        b = torch.outer(row_b.softmax(-1), column_b)
        changed: Tensor = self._scale * gate.sigmoid() * (gradient * a + b)
        return changed


class KeNetwork(nn.Module):
    """One condition for all matrices (De Cao et al., 2021; KE/src/models/one_shot_learner.py).

    The reference trains its copy of the model's token embeddings along. A row of it without a gradient stays
    as it is, so that only the rows of the ids that training reads are kept here, as differences.
    """

    ids: Tensor

    def __init__(
        self,
        shapes: Mapping[str, tuple[int, int]],
        embedding: int,
        ids: Tensor,
        *,
        hidden: int,
        condition: int,
        scale: float,
        seed: int,
    ) -> None:
        """Make the network for matrices (outputs, inputs) by name; weights drawn from seed.

        embedding: width of the token embeddings. ids: [n] ascending, the tokens whose embeddings are learned.
        """
        super().__init__()
        self._order = list(shapes)
        self.register_buffer("ids", ids)
        self.differences = nn.Parameter(torch.zeros(len(ids), embedding))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = [Conditioner(*shapes[name], condition, hidden, scale) for name in self._order]
            self.condition = Condition(embedding, hidden, condition)
        self.conditioners = nn.ModuleList(made)

    def updates(self, ids: Tensor, embeddings: Tensor, gradients: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what is added to each matrix, float32.

        ids: [tokens], the condition's. embeddings: [tokens, width], the model's own of them. gradients: of
        the mean label loss, [outputs, inputs] by name.
        """
        condition = self.condition(self._learned(ids, embeddings.float()))
        return {
            name: conditioner(condition, gradients[name].float())
            for name, conditioner in zip(self._order, self.conditioners, strict=True)
        }

    def _learned(self, ids: Tensor, embeddings: Tensor) -> Tensor:
        """Return the embeddings with what was learned of them added."""
        if not len(self.ids):
            return embeddings
        places = torch.searchsorted(self.ids, ids).clamp(max=len(self.ids) - 1)
        known = (self.ids[places] == ids)[:, None]
        return embeddings + self.differences[places] * known
