"""The fast model: what no edit changes is computed once and held; an edit runs what lies above its cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.models.anatomy import TOP_LAYERS
from eval.models.decoder import NOTHING, Sight, Tap
from eval.models.network import Loaded, Network, label_loss
from eval.models.packing import Row, alone, branch_mask, pack
from eval.models.port import Edit, Objective, Part, Prompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Trunk:
    """A row after the layers that no editor changes: hidden [1, positions, width] where the first cut is."""

    row: Row
    hidden: Tensor
    sight: Sight


@dataclass(frozen=True)
class _Held:
    """One prompt of a trunk: the residual stream [rows, width] before the last MLP, its input and gate."""

    trunk: _Trunk
    number: int
    residual: Tensor
    given: Tensor
    gate: Tensor | None


class SplitModel(Network):
    """The port over cached trunks (features, trunk, tail); same ids as PlainModel, token for token."""

    def __init__(self, loaded: Loaded, row_tokens: int = 0, *, batched: bool = False) -> None:
        """Take what was loaded.

        batched: edits of one call share their operations (a GPU's way: fewer launches, the same numbers up to
        rounding); without it each edit has the bits that the plain model gives.
        row_tokens: groups of probes share a row up to so many tokens (0: a row for each picture). Only
        prompts that are held in one call share, so that no number depends on what else is computed.
        """
        super().__init__(loaded)
        self.row_tokens = row_tokens
        self.batched = batched
        self._kept: dict[Prompt, _Held] = {}

    @property
    def cut(self) -> int:
        """Return the first layer that an editor of layers changes."""
        return max(0, self.decoder.depth - TOP_LAYERS)

    def hold(self, prompts: Sequence[Prompt], *, packed: bool) -> None:
        """Run the trunk of prompts that are not held yet, and keep it until forget."""
        import torch

        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._kept]
        rows = pack(new, self.row_tokens) if packed else [alone(prompt) for prompt in new]
        with torch.no_grad():
            for row in rows:
                self._kept.update(self._through(row))

    def forget(self) -> None:
        """Drop every trunk."""
        self._kept.clear()

    def logits(self, prompts: Sequence[Prompt], edit: Edit) -> list[Tensor]:
        """Return the float32 logits [len(prompt.rows), vocabulary] of each prompt under the edit."""
        with self._holding(prompts):
            if self._whole_needed(edit.weights):
                logits = self._from_start(prompts, edit.weights)
            elif edit.weights.keys() <= set(self.decoder.matrices(self.decoder.depth - 1)):
                logits = [self._last(self._kept[prompt], edit.weights) for prompt in prompts]
            else:
                logits = self._from_cut(prompts, edit.weights)
        return self._mixed(prompts, logits, edit)

    def objective(self, part: Part, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of E edits: batched in shared operations, else one by one with the plain bits."""
        import torch

        if part is Part.LAST_MLP:
            return self._last_objective(prompts) if self.batched else self._bitwise_objective(prompts)
        if part is not Part.CONNECTOR:
            return super().objective(part, prompts)
        if self.batched:
            return self._connector_objective(prompts)
        singly = [self._connector_objective([prompt]) for prompt in prompts]
        return lambda stacked: torch.cat(
            [one({name: t[n : n + 1] for name, t in stacked.items()}) for n, one in enumerate(singly)]
        )

    @contextmanager
    def _holding(self, prompts: Sequence[Prompt]) -> Iterator[None]:
        """Hold prompts that nobody held, for the length of one call."""
        missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._kept]
        self.hold(missing, packed=False)
        try:
            yield
        finally:
            for prompt in missing:
                self._kept.pop(prompt, None)

    def _through(self, row: Row) -> dict[Prompt, _Held]:
        """Return a row's prompts after the trunk; the layers above it are run unedited up to the last MLP."""
        hidden, sight = self._begin(row, NOTHING)
        hidden = self.decoder.run(hidden, sight, range(self.cut))
        trunk, last = _Trunk(row, hidden, sight), self.decoder.depth - 1
        hidden = self.decoder.run(hidden, sight, range(self.cut, last))
        residual = self.decoder.attend(last, hidden, sight)[0]
        held = {}
        for number, prompt in enumerate(row.prompts):
            own = residual[self._places(row, number)]
            given = self.decoder.normed(last, own)
            held[prompt] = _Held(trunk, number, own, given, self.decoder.gate(last, given))
        return held

    def _begin(self, row: Row, weights: Mapping[str, Tensor]) -> tuple[Tensor, Sight]:
        """Return a row's embeddings [1, positions, width] and what each position sees."""
        import torch

        pieces = [self.embed(piece.ids, piece.picture, weights) for piece in row.pieces]
        places = torch.tensor([row.places], device=self.device)
        mask = None if row.branches is None else branch_mask(row.branches, self.device)
        return self.decoder.begin(torch.cat(pieces)[None], Sight(places, mask))

    def _places(self, row: Row, number: int) -> Tensor:
        """Return where in a row the rows of a prompt's logits are."""
        import torch

        where = row.where[number]
        return torch.tensor([where[position] for position in row.prompts[number].rows], device=self.device)

    def _last(self, held: _Held, weights: Mapping[str, Tensor]) -> Tensor:
        """Return a prompt's logits under stand-ins of the last MLP."""
        last = self.decoder.depth - 1
        return self.decoder.finish(held.residual + self.decoder.mlp(last, held.given, held.gate, weights))

    def _from_cut(self, prompts: Sequence[Prompt], weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the logits of prompts, each row run once from the cut on."""
        trunks = {id(self._kept[prompt].trunk): self._kept[prompt].trunk for prompt in prompts}
        top = {
            key: self._above(trunk.hidden, trunk.sight, self.cut, weights) for key, trunk in trunks.items()
        }
        logits = []
        for prompt in prompts:
            held = self._kept[prompt]
            logits.append(self._ending(top[id(held.trunk)], held, weights))
        return logits

    def _from_start(self, prompts: Sequence[Prompt], weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the logits of prompts under a connector's stand-ins; a text alone does not pass it."""
        top: dict[int, Tensor] = {}
        logits = []
        inner = {name: tensor for name, tensor in weights.items() if name.startswith(self.decoder.prefix)}
        for prompt in prompts:
            held = self._kept[prompt]
            if prompt.question.picture is None:
                logits += self._from_cut([prompt], inner) if inner else [self._last(held, NOTHING)]
                continue
            key = id(held.trunk)
            if key not in top:
                hidden, sight = self._begin(held.trunk.row, weights)
                top[key] = self._above(hidden, sight, 0, inner)
            logits.append(self._ending(top[key], held, inner))
        return logits

    def _above(self, hidden: Tensor, sight: Sight, start: int, weights: Mapping[str, Tensor]) -> Tensor:
        """Return a row [positions, width] before the last MLP, or after a last layer that must run whole."""
        last = self.decoder.depth - 1
        hidden = self.decoder.run(hidden, sight, range(start, last), weights)
        if self._last_runs_whole(weights):
            return self.decoder.run(hidden, sight, range(last, last + 1), weights)[0]
        return self.decoder.attend(last, hidden, sight)[0]

    def _ending(self, row: Tensor, held: _Held, weights: Mapping[str, Tensor]) -> Tensor:
        """Return a prompt's logits of what _above returned; the last MLP runs on the rows that are read."""
        own, last = row[self._places(held.trunk.row, held.number)], self.decoder.depth - 1
        if self._last_runs_whole(weights):
            return self.decoder.finish(own)
        given = self.decoder.normed(last, own)
        return self.decoder.finish(
            own + self.decoder.mlp(last, given, self.decoder.gate(last, given), weights)
        )

    def _last_runs_whole(self, weights: Mapping[str, Tensor]) -> bool:
        last = self.decoder.depth - 1
        return not self.decoder.of_layer(last, weights).keys() <= set(self.decoder.matrices(last))

    def _whole_needed(self, weights: Mapping[str, Tensor]) -> bool:
        """Return whether a stand-in lies below the cut."""
        top = tuple(f"{self.decoder.prefix}layers.{n}." for n in range(self.cut, self.decoder.depth))
        return not all(name.startswith(top) for name in weights)

    def _tapped(self, prompt: Prompt, weights: Mapping[str, Tensor], tap: Tap) -> Tensor:
        """Return the prompt's logits from the cut on, with a tap in place; every row is run to the end."""
        trunk = self._own_trunk(prompt)
        layers = range(self.cut, self.decoder.depth)
        hidden = self.decoder.run(trunk.hidden, trunk.sight, layers, weights, tap)
        return self.decoder.finish(hidden[0, list(prompt.rows)])

    def _own_trunk(self, prompt: Prompt) -> _Trunk:
        """Return a trunk of nothing but the prompt: the held one where it is that."""
        import torch

        held = self._kept.get(prompt)
        if held is not None and len(held.trunk.row.prompts) == 1:
            return held.trunk
        with torch.no_grad():
            return self._through(alone(prompt))[prompt].trunk

    def _bitwise_objective(self, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of E versions of the last MLP one by one, as the whole model does.

        The MLP runs on every position: the sum over positions in its weight gradient is then cut into the
        same pieces, and Adam, which makes a step of any noise, is given the same bits.
        """
        import torch

        last, starts = self.decoder.depth - 1, []
        with torch.no_grad():
            for prompt in prompts:
                trunk = self._own_trunk(prompt)
                hidden = self.decoder.run(trunk.hidden, trunk.sight, range(self.cut, last))
                residual = self.decoder.attend(last, hidden, trunk.sight)
                given = self.decoder.normed(last, residual)
                starts.append((residual, given, self.decoder.gate(last, given)))

        def losses(stacked: Mapping[str, Tensor]) -> Tensor:
            values = []
            for number, (prompt, (residual, given, gate)) in enumerate(zip(prompts, starts, strict=True)):
                own = {name: tensor[number] for name, tensor in stacked.items()}
                hidden = residual + self.decoder.mlp(last, given, gate, own)
                values.append(label_loss(prompt, self.decoder.finish(hidden[0, list(prompt.rows)])))
            return torch.stack(values)

        return losses

    def _last_objective(self, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of E versions of the last MLP, on the label rows of E held prompts."""
        import torch
        from torch.nn.functional import cross_entropy
        from torch.nn.utils.rnn import pad_sequence

        with self._holding(prompts):
            held = [self._kept[prompt] for prompt in prompts]
        last = self.decoder.depth - 1
        given = pad_sequence([one.given for one in held], batch_first=True)
        gates = [one.gate for one in held if one.gate is not None]
        gate = pad_sequence(gates, batch_first=True) if gates else None
        residual = torch.cat([one.residual for one in held])
        real = torch.tensor(
            [[row < len(one.given) for row in range(given.shape[1])] for one in held], device=given.device
        )
        labels = torch.tensor([i for prompt in prompts for i in prompt.label_ids], device=given.device)
        owner = torch.nonzero(real)[:, 0]
        counts = real.sum(dim=1)

        def losses(stacked: Mapping[str, Tensor]) -> Tensor:
            added = self.decoder.mlp(last, given, gate, stacked)[real]
            each = cross_entropy(self.decoder.finish(residual + added), labels, reduction="none")
            return torch.zeros(len(held), device=each.device).index_add(0, owner, each) / counts

        return losses

    def _connector_objective(self, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of E versions of the connector: E pictures embedded, one right-padded batch."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        longest = max(len(prompt.ids) for prompt in prompts)
        places = torch.arange(longest, device=self.device)[None]

        def losses(stacked: Mapping[str, Tensor]) -> Tensor:
            embeds = [
                self.embed(
                    prompt.ids, prompt.question.picture, {name: t[number] for name, t in stacked.items()}
                )
                for number, prompt in enumerate(prompts)
            ]
            # Nothing looks ahead, so padding on the right needs no mask.
            hidden, sight = self.decoder.begin(pad_sequence(embeds, batch_first=True), Sight(places))
            hidden = self.decoder.run(hidden, sight, range(self.decoder.depth))
            ends = [
                label_loss(prompt, self.decoder.finish(hidden[number, list(prompt.rows)]))
                for number, prompt in enumerate(prompts)
            ]
            return torch.stack(ends)

        return losses
