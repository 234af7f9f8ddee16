"""The fast model: what no edit changes is computed once and held; an edit runs what lies above its cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eval.models.anatomy import TOP_LAYERS
from eval.models.bitwise import BitwiseLoss
from eval.models.decoder import NOTHING, Sight, Tap
from eval.models.network import Loaded, Network, label_loss
from eval.models.packing import Row, alone, pack
from eval.models.port import Edit, Objective, Part, Prompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Pair:
    """A row's lead [1, ids, width] and its branches, None where there is none; with what each sees."""

    lead: Tensor
    branches: Tensor | None
    lead_sight: Sight
    branch_sight: Sight | None


@dataclass(frozen=True)
class _Trunk:
    """A row after the layers that no editor changes."""

    row: Row
    hidden: _Pair


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

    def __init__(self, loaded: Loaded, *, batched: bool = False) -> None:
        """Take what was loaded.

        batched: edits of one call share their operations (a GPU's way: fewer launches, the same numbers up to
        rounding); without it each edit has the bits that the plain model gives.
        """
        super().__init__(loaded)
        self.batched = batched
        self._kept: dict[Prompt, _Held] = {}

    @property
    def cut(self) -> int:
        """Return the first layer that an editor of layers changes."""
        return max(0, self.decoder.depth - TOP_LAYERS)

    def hold(self, prompts: Sequence[Prompt], *, packed: bool) -> None:
        """Run the trunk of prompts that are not held yet, and keep it until forget.

        packed: one row a picture; the first prompt on a picture is read bit for bit as by itself.
        """
        import torch

        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._kept]
        with torch.no_grad():
            for row in pack(new) if packed else map(alone, new):
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
        self.hold(missing, packed=True)
        try:
            yield
        finally:
            for prompt in missing:
                self._kept.pop(prompt, None)

    def _through(self, row: Row) -> dict[Prompt, _Held]:
        """Return a row's prompts after the trunk; the layers above it are run unedited up to the last MLP."""
        trunk, last = (
            _Trunk(row, self._run(self._begin(row, NOTHING), range(self.cut))),
            self.decoder.depth - 1,
        )
        residual = self._above(trunk.hidden, self.cut, NOTHING)
        held = {}
        for number, prompt in enumerate(row.prompts):
            own = residual[row.where(number)]
            given = self.decoder.normed(last, own)
            held[prompt] = _Held(trunk, number, own, given, self.decoder.gate(last, given))
        return held

    def _begin(self, row: Row, weights: Mapping[str, Tensor]) -> _Pair:
        """Return a row's embeddings and what its positions see."""
        import torch

        lead = self.embed(row.lead.ids, row.lead.question.picture, weights)[None]
        places = torch.arange(len(row.lead.ids), device=self.device)[None]
        lead, lead_sight = self.decoder.begin(lead, Sight(places))
        if not row.branches:
            return _Pair(lead, None, lead_sight, None)
        places = torch.tensor([row.branch_places], device=self.device)
        sight = Sight(places, row.branch_mask(self.device))
        branches, sight = self.decoder.begin(self.embed(row.branches, None, weights)[None], sight)
        return _Pair(lead, branches, lead_sight, sight)

    def _run(
        self,
        pair: _Pair,
        layers: range,
        weights: Mapping[str, Tensor] = NOTHING,
        *,
        attend: int | None = None,
    ) -> _Pair:
        """Return a row after some layers, and with attend after one more layer's attention.

        The lead goes first and leaves its keys and values, of which the branches see the stem's.
        """
        from transformers import DynamicCache

        past = DynamicCache() if pair.branches is not None else None

        def through(hidden: Tensor, sight: Sight) -> Tensor:
            sight = replace(sight, past=past)
            hidden = self.decoder.run(hidden, sight, layers, weights)
            return hidden if attend is None else self.decoder.attend(attend, hidden, sight)

        lead = through(pair.lead, pair.lead_sight)
        if pair.branches is None or pair.branch_sight is None:
            return replace(pair, lead=lead)
        return replace(pair, lead=lead, branches=through(pair.branches, pair.branch_sight))

    def _above(self, pair: _Pair, start: int, weights: Mapping[str, Tensor]) -> Tensor:
        """Return lead and branches end to end [ids, width] before the last MLP.

        Or after the last layer, where that has to run whole.
        """
        import torch

        last = self.decoder.depth - 1
        whole = self._last_runs_whole(weights)
        layers = range(start, last + whole)
        pair = self._run(pair, layers, weights, attend=None if whole else last)
        return pair.lead[0] if pair.branches is None else torch.cat([pair.lead[0], pair.branches[0]])

    def _last(self, held: _Held, weights: Mapping[str, Tensor]) -> Tensor:
        """Return a prompt's logits under stand-ins of the last MLP."""
        last = self.decoder.depth - 1
        return self.decoder.finish(held.residual + self.decoder.mlp(last, held.given, held.gate, weights))

    def _from_cut(self, prompts: Sequence[Prompt], weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the logits of prompts, each row run once from the cut on."""
        trunks = {id(self._kept[prompt].trunk): self._kept[prompt].trunk for prompt in prompts}
        top = {key: self._above(trunk.hidden, self.cut, weights) for key, trunk in trunks.items()}
        held = [self._kept[prompt] for prompt in prompts]
        return [self._ending(top[id(one.trunk)], one, weights) for one in held]

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
                top[key] = self._above(self._begin(held.trunk.row, weights), 0, inner)
            logits.append(self._ending(top[key], held, inner))
        return logits

    def _ending(self, row: Tensor, held: _Held, weights: Mapping[str, Tensor]) -> Tensor:
        """Return a prompt's logits of what _above returned; the last MLP runs on the rows that are read."""
        own, last = row[held.trunk.row.where(held.number)], self.decoder.depth - 1
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
        """Return the prompt's logits from the cut on, with a tap in place; every id is run to the end."""
        pair = self._lead_of(prompt)
        layers = range(self.cut, self.decoder.depth)
        hidden = self.decoder.run(pair.lead, pair.lead_sight, layers, weights, tap)
        return self.decoder.finish(hidden[0, list(prompt.rows)])

    def _lead_of(self, prompt: Prompt) -> _Pair:
        """Return a trunk in which the prompt leads: the held one where it does."""
        import torch

        held = self._kept.get(prompt)
        if held is not None and held.number == 0:
            return held.trunk.hidden
        with torch.no_grad():
            return self._through(alone(prompt))[prompt].trunk.hidden

    def _bitwise_objective(self, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of E versions of the last MLP one by one, with the whole model's bits."""
        import torch

        last, losses = self.decoder.depth - 1, []
        with torch.no_grad():
            for prompt in prompts:
                pair = replace(self._lead_of(prompt), branches=None)
                residual = self._run(pair, range(self.cut, last), attend=last).lead
                losses.append(BitwiseLoss(self.decoder, prompt, residual))
        return lambda stacked: torch.stack(
            [one({name: t[n] for name, t in stacked.items()}) for n, one in enumerate(losses)]
        )

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
