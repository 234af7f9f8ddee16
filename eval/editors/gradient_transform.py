"""MEND's network: turns a gradient's two factors into those of a better step (Mitchell et al., 2022)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from eval.models.port import Factors

# Added to the standard deviation that factors are divided by.
_TINY = 1e-7


class LowRank(nn.Module):
    """x + relu((U V x + bias) * scale + shift); scale and shift are each layer's own, the rest is shared.

    U is zero at first, so that the whole is the identity; V is drawn (easyeditor/trainer/algs/local_nn.py,
    LRLinear with init id).
    """

    def __init__(self, width: int, rank: int, layers: int) -> None:
        """Make the map of vectors [width] for so many layers."""
        super().__init__()
        middle = min(rank, width)
        self.u = nn.Parameter(torch.zeros(width, middle))
        self.v = nn.Parameter(torch.randn(middle, width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.scale = nn.Parameter(torch.ones(layers, width))
        self.shift = nn.Parameter(torch.zeros(layers, width))

    def forward(self, x: Tensor, layer: int) -> Tensor:
        """Return the mapped rows of x [rows, width]."""
        inner = (x @ self.v.T @ self.u.T + self.bias) * self.scale[layer] + self.shift[layer]
        # clamp, not relu: its gradient at 0, where every unit starts, is 1.
        return x + inner.clamp(min=0)


class Running(nn.Module):
    """Running mean and deviation of rows: those of all rows seen so far, however they came in."""

    mean: Tensor
    squares: Tensor
    count: Tensor

    def __init__(self, width: int) -> None:
        """Start with no rows, which normalises nothing."""
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("squares", torch.zeros(width))
        self.register_buffer("count", torch.zeros(()))

    def see(self, rows: Tensor) -> None:
        """Take rows [rows, width] in."""
        if not len(rows):
            return
        total = self.count + len(rows)
        own = rows.mean(0)
        gap = own - self.mean
        self.squares += ((rows - own) ** 2).sum(0) + gap**2 * self.count * len(rows) / total
        self.mean += gap * len(rows) / total
        self.count.copy_(total)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the rows less the mean, over the deviation; as they are while fewer than two were seen."""
        if self.count < 2:
            return rows
        deviation = (self.squares / (self.count - 1)).sqrt()
        return (rows - self.mean) / (deviation + _TINY)


class Transform(nn.Module):
    """Both factors of one shape of matrix, normalised, side by side through the maps, and apart again."""

    def __init__(self, inputs: int, outputs: int, layers: int, rank: int, hidden: int) -> None:
        """Make the transform for so many matrices [outputs, inputs]; hidden: maps before the last one."""
        super().__init__()
        self.inputs, self.deltas = Running(inputs), Running(outputs)
        self.maps = nn.ModuleList([LowRank(inputs + outputs, rank, layers) for _ in range(hidden + 1)])

    def forward(self, factors: Factors, layer: int, *, learn: bool) -> Factors:
        """Return the transformed factors of the rows in which neither is zero; learn: take them in first."""
        x, delta = factors.inputs.detach().float(), factors.deltas.detach().float()
        kept = (x != 0).any(-1) & (delta != 0).any(-1)
        x, delta = x[kept], delta[kept]
        if learn:
            self.inputs.see(x)
            self.deltas.see(delta)
        both = torch.cat([self.inputs(x), self.deltas(delta)], dim=-1)
        for one in self.maps:
            both = one(both, layer)
        width = x.shape[-1]
        return Factors(both[:, :width], both[:, width:])


class MendNetwork(nn.Module):
    """A transform for each shape of matrix, and for each matrix a learned rate (easyeditor's MEND.py)."""

    def __init__(
        self, shapes: Mapping[str, tuple[int, int]], rank: int, hidden: int, rate: float, seed: int
    ) -> None:
        """Make the network for matrices (outputs, inputs) by name; weights drawn from seed."""
        super().__init__()
        groups: dict[str, list[str]] = {}
        for name, shape in shapes.items():
            groups.setdefault("x".join(map(str, shape)), []).append(name)
        self._places = {name: (key, group.index(name)) for key, group in groups.items() for name in group}
        self._order = list(shapes)
        self.rates = nn.Parameter(torch.full((len(shapes),), rate))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = {
                key: Transform(shapes[group[0]][1], shapes[group[0]][0], len(group), rank, hidden)
                for key, group in groups.items()
            }
        self.transforms = nn.ModuleDict(made)

    def updates(self, factors: Mapping[str, Factors], *, learn: bool = False) -> dict[str, Tensor]:
        """Return what is added to each matrix [outputs, inputs], float32: rate * deltas^T inputs.

        learn: take the factors into the running statistics first, as in training.
        """
        found = {}
        for rate, name in zip(self.rates, self._order, strict=True):
            key, layer = self._places[name]
            step = self.transforms[key](factors[name], layer, learn=learn)
            found[name] = rate * (step.deltas.T @ step.inputs)
        return found
