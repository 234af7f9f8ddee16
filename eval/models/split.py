"""The fast model: what no edit changes is computed once and held; an edit runs what lies above its cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.models.anatomy import TOP_LAYERS
from eval.models.bitwise import BitwiseLoss
from eval.models.decoder import NOTHING, Sight, Tap
from eval.models.network import Loaded, Network, label_loss
from eval.models.packing import Row, alone, pack
from eval.models.passes import Pass, use_pieces
from eval.models.port import Edit, Objective, Part, Prompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class _Trunk:
    """A row after the layers that no editor changes, [ids, width]: lead and branches end to end.

    top: the exact lead [ids, width] before the last MLP, None where the lead is not what it is alone, bit for
    bit.
    """

    row: Row
    hidden: Tensor
    top: Tensor | None


@dataclass(frozen=True)
class _Held:
    """One prompt of a trunk: the residual stream [rows, width] before the last MLP, its input and gate."""

    trunk: _Trunk
    number: int
    residual: Tensor
    given: Tensor
    gate: Tensor | None

    @property
    def prompt(self) -> Prompt:
        """Return the prompt."""
        return self.trunk.row.prompts[self.number]


class SplitModel(Network):
    """The port over cached trunks (features, trunk, tail); same ids as PlainModel, token for token."""

    def __init__(self, loaded: Loaded, *, batched: bool = False) -> None:
        """Take what was loaded.

        batched: edits of one call share their operations (a GPU's way: fewer launches, the same numbers up to
        rounding); without it each edit has the bits that the plain model gives.
        """
        super().__init__(loaded)
        self.batched = batched
        use_pieces(self.decoder)
        self._kept: dict[Prompt, _Held] = {}

    @property
    def cut(self) -> int:
        """Return the first layer that an editor of layers changes."""
        return max(0, self.decoder.depth - TOP_LAYERS)

    def hold(self, prompts: Sequence[Prompt], *, packed: bool) -> None:
        """Run the trunk of prompts that are not held yet, and keep it until forget.

        packed: one row a picture, all in one pass; the first prompt is read bit for bit as by itself. Without
        it every prompt is.
        """
        import torch

        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._kept]
        if not new:
            return
        with torch.no_grad():
            for rows in [pack(new)] if packed else [[alone(prompt)] for prompt in new]:
                for held in self._through(rows):
                    self._kept[held.prompt] = held

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

    def _through(self, rows: Sequence[Row]) -> list[_Held]:
        """Return the prompts of rows after the trunk; what is above is run unedited to the last MLP."""
        last = self.decoder.depth - 1
        way = Pass(self.decoder, rows, apart=not self.batched)
        trunks = way.run(self._begin(way, rows, NOTHING), range(self.cut))
        tops = way.run(trunks, range(self.cut, last), attend=last)
        held = []
        for place, (row, hidden, top) in enumerate(zip(rows, trunks, tops, strict=True)):
            exact = place == 0 and not self.batched
            trunk = _Trunk(row, hidden, top[: len(row.lead.ids)] if exact else None)
            for number in range(len(row.prompts)):
                own = top[row.where(number)]
                given = self.decoder.normed(last, own)
                held.append(_Held(trunk, number, own, given, self.decoder.gate(last, given)))
        return held

    def _begin(self, way: Pass, rows: Sequence[Row], weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the first layer's input of rows, pictures seen through a connector's stand-ins."""
        import torch

        embeds = []
        for row in rows:
            lead = self.embed(row.lead.ids, row.lead.question.picture, weights)
            embeds.append(
                torch.cat([lead, self.embed(row.branches, None, weights)]) if row.branches else lead
            )
        return way.begin(embeds)

    def _above(
        self, way: Pass, hidden: Sequence[Tensor], start: int, weights: Mapping[str, Tensor]
    ) -> list[Tensor]:
        """Return rows [ids, width] before the last MLP; after the last layer where that has to run whole."""
        last = self.decoder.depth - 1
        whole = self._last_runs_whole(weights)
        return way.run(hidden, range(start, last + whole), weights, attend=None if whole else last)

    def _last(self, held: _Held, weights: Mapping[str, Tensor]) -> Tensor:
        """Return a prompt's logits under stand-ins of the last MLP."""
        last = self.decoder.depth - 1
        return self.decoder.finish(held.residual + self.decoder.mlp(last, held.given, held.gate, weights))

    def _from_cut(self, prompts: Sequence[Prompt], weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the logits of prompts from the cut on."""
        return self._rerun(prompts, weights, None)

    def _from_start(self, prompts: Sequence[Prompt], weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the logits of prompts under a connector's stand-ins; a text alone does not pass it."""
        inner = {name: tensor for name, tensor in weights.items() if name.startswith(self.decoder.prefix)}
        seeing = [prompt for prompt in prompts if prompt.question.picture]
        texts = [prompt for prompt in prompts if not prompt.question.picture]
        found = dict(zip(seeing, self._rerun(seeing, inner, weights), strict=True))
        if inner:
            found |= zip(texts, self._from_cut(texts, inner), strict=True)
        else:
            found |= {prompt: self._last(self._kept[prompt], NOTHING) for prompt in texts}
        return [found[prompt] for prompt in prompts]

    def _rerun(
        self, prompts: Sequence[Prompt], weights: Mapping[str, Tensor], connector: Mapping[str, Tensor] | None
    ) -> list[Tensor]:
        """Return the logits of prompts, their rows in one pass; connector: run anew from its stand-ins on."""
        if not prompts:
            return []
        held = [self._kept[prompt] for prompt in prompts]
        trunks = list({id(one.trunk): one.trunk for one in held}.values())
        rows = [trunk.row for trunk in trunks]
        way = Pass(self.decoder, rows, apart=False)
        if connector is None:
            above = self._above(way, [trunk.hidden for trunk in trunks], self.cut, weights)
        else:
            above = self._above(way, self._begin(way, rows, connector), 0, weights)
        top = {id(trunk): made for trunk, made in zip(trunks, above, strict=True)}
        return [self._ending(top[id(one.trunk)], one, weights) for one in held]

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
        import torch

        trunk = self._exact(prompt)
        hidden = trunk.hidden[: len(prompt.ids)][None]
        sight = self.decoder.look(hidden, Sight(torch.arange(len(prompt.ids), device=self.device)[None]))
        hidden = self.decoder.run(hidden, sight, range(self.cut, self.decoder.depth), weights, tap)
        return self.decoder.finish(hidden[0, list(prompt.rows)])

    def _exact(self, prompt: Prompt) -> _Trunk:
        """Return a trunk whose lead is the prompt as it is alone, bit for bit: the held one where it is."""
        import torch

        held = self._kept.get(prompt)
        if held is not None and held.number == 0 and held.trunk.top is not None:
            return held.trunk
        with torch.no_grad():
            return self._through([alone(prompt)])[0].trunk

    def _bitwise_objective(self, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of E versions of the last MLP one by one, with the whole model's bits."""
        import torch

        losses = []
        with torch.no_grad():
            for prompt in prompts:
                top = self._exact(prompt).top
                if top is None:
                    raise RuntimeError("a lead that ran apart has its top")
                losses.append(BitwiseLoss(self.decoder, prompt, top[None]))
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
