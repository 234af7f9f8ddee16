"""Runs a language model of transformers half a layer at a time, so that a run can begin at an edit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Sight:
    """What each position sees, and where it stands.

    places: [rows, positions], the position ids. mask: bool [1 or rows, 1, positions, keys], None: all before.
    rotary: cosine and sine tables, for models that rotate. past: keys and values of earlier positions.
    pieces: what eval.models.passes lays end to end, each for itself; None: one text.
    """

    places: Tensor
    mask: Tensor | None = None
    rotary: Any = None
    past: Any = None
    pieces: Any = None


@dataclass
class Tap:
    """Records the inputs of linear layers, and lets a gradient be taken at what they give.

    inputs: by matrix name, [rows, in]. zeros: by matrix name, added to what the layer gives: its gradient is
    the layer's output gradient. Adding zero changes no bit.
    """

    names: frozenset[str]
    inputs: dict[str, Tensor] = field(default_factory=dict)
    zeros: dict[str, Tensor] = field(default_factory=dict)

    def through(self, name: str, given: Tensor, made: Tensor) -> Tensor:
        """Return made with the tap in place."""
        import torch

        if name not in self.names:
            return made
        self.inputs[name] = given.detach()
        self.zeros[name] = torch.zeros_like(made, requires_grad=True)
        return made + self.zeros[name]


class Decoder:
    """A text decoder in steps: embed, begin, then per layer attend and mlp, then finish.

    The same operations in the same order as transformers' own forward, so that a run of all of them gives
    the same bits. A layer casts to its own dtype: the top may be float32 over a bfloat16 trunk.
    """

    def __init__(self, body: Any, head: Any, prefix: str) -> None:  # noqa: ANN401 - transformers is untyped here
        """body: the module that holds layers; head: the layer to the vocabulary; prefix: of body's names."""
        self.body = body
        self.head = head
        self.prefix = prefix
        self.depth = len(body.layers)

    @property
    def width(self) -> int:
        """Return the size of a hidden state."""
        return int(self.body.config.hidden_size)

    def embed(self, ids: Tensor) -> Tensor:
        """Return the token embeddings of ids."""
        embedded: Tensor = self.body.embed_tokens(ids)
        return embedded

    def begin(self, embeds: Tensor, sight: Sight) -> tuple[Tensor, Sight]:
        """Return the first layer's input, and the sight with what all layers need of the positions."""
        return embeds, self.look(embeds, sight)

    def look(self, hidden: Tensor, sight: Sight) -> Sight:
        """Return the sight with what all layers need of the positions, in a dtype of hidden states."""
        raise NotImplementedError

    def attend(self, layer: int, hidden: Tensor, sight: Sight) -> Tensor:
        """Return the residual stream after a layer's attention."""
        raise NotImplementedError

    def normed(self, layer: int, residual: Tensor) -> Tensor:
        """Return what a layer's MLP is given."""
        raise NotImplementedError

    def gate(self, layer: int, given: Tensor) -> Tensor | None:
        """Return what of the MLP no edit changes: the activated gate of Llama, None for OPT."""
        raise NotImplementedError

    def mlp(
        self,
        layer: int,
        given: Tensor,
        gate: Tensor | None,
        weights: Mapping[str, Tensor],
        tap: Tap | None = None,
    ) -> Tensor:
        """Return what a layer's MLP adds to the residual.

        weights: stand-ins by the module's names; one of shape [E, out, in] takes given [E, rows, in].
        """
        raise NotImplementedError

    def matrices(self, layer: int) -> tuple[str, str]:
        """Return the names of the two matrices of a layer's MLP that editors change: up, then down."""
        raise NotImplementedError

    def finish(self, hidden: Tensor) -> Tensor:
        """Return the float32 logits of hidden states."""
        raise NotImplementedError

    def run(
        self,
        hidden: Tensor,
        sight: Sight,
        layers: range,
        weights: Mapping[str, Tensor] = NOTHING,
        tap: Tap | None = None,
    ) -> Tensor:
        """Return the hidden states after some layers.

        weights: stand-ins by the module's names; a layer with one beside its MLP's two matrices runs whole.
        """
        for layer in layers:
            own = self.of_layer(layer, weights)
            if not own.keys() <= set(self.matrices(layer)):
                hidden = self.whole(layer, hidden, sight, own)
                continue
            residual = self.attend(layer, hidden, sight)
            given = self.normed(layer, residual)
            hidden = residual + self.mlp(layer, given, self.gate(layer, given), weights, tap)
        return hidden

    def of_layer(self, layer: int, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the stand-ins that belong to a layer."""
        start = f"{self.prefix}layers.{layer}."
        return {name: weight for name, weight in weights.items() if name.startswith(start)}

    def whole(self, layer: int, hidden: Tensor, sight: Sight, own: Mapping[str, Tensor]) -> Tensor:
        """Return the hidden states after one layer under any stand-ins of it."""
        from torch.func import functional_call

        block, start = self.body.layers[layer], f"{self.prefix}layers.{layer}."
        kind = next(block.parameters()).dtype
        asked: dict[str, Any] = {
            "attention_mask": sight.mask,
            "past_key_values": sight.past,
            "pieces": sight.pieces,
        }
        if sight.rotary is not None:
            asked["position_embeddings"] = tuple(table.to(kind) for table in sight.rotary)
        given = {name.removeprefix(start): weight for name, weight in own.items()}
        after: Tensor = functional_call(block, given, (hidden.to(kind),), asked)
        return after

    def _linear(
        self,
        name: str,
        module: Any,  # noqa: ANN401
        given: Tensor,
        weights: Mapping[str, Tensor],
        tap: Tap | None,
    ) -> Tensor:
        import torch
        from torch.nn.functional import linear

        weight = weights.get(name, module.weight)
        if weight.dim() == 3:
            made = torch.bmm(given, weight.transpose(1, 2))
            made = made if module.bias is None else made + module.bias
        else:
            made = linear(given, weight, module.bias)
        return tap.through(name, given, made) if tap else made


class LlamaDecoder(Decoder):
    """LlamaModel with its head."""

    def look(self, hidden: Tensor, sight: Sight) -> Sight:
        """Return the sight with rotary tables, made in the dtype of hidden, as in transformers."""
        return replace(sight, rotary=self.body.rotary_emb(hidden, position_ids=sight.places))

    def attend(self, layer: int, hidden: Tensor, sight: Sight) -> Tensor:
        """Return the residual stream after a layer's attention."""
        block = self.body.layers[layer]
        hidden = hidden.to(block.mlp.up_proj.weight.dtype)
        attended, _ = block.self_attn(
            hidden_states=block.input_layernorm(hidden),
            attention_mask=sight.mask,
            position_embeddings=tuple(table.to(hidden.dtype) for table in sight.rotary),
            past_key_values=sight.past,
            pieces=sight.pieces,
        )
        residual: Tensor = hidden + attended
        return residual

    def normed(self, layer: int, residual: Tensor) -> Tensor:
        """Return what a layer's MLP is given."""
        given: Tensor = self.body.layers[layer].post_attention_layernorm(residual)
        return given

    def gate(self, layer: int, given: Tensor) -> Tensor | None:
        """Return the activated gate."""
        mlp = self.body.layers[layer].mlp
        gate: Tensor = mlp.act_fn(mlp.gate_proj(given))
        return gate

    def mlp(
        self,
        layer: int,
        given: Tensor,
        gate: Tensor | None,
        weights: Mapping[str, Tensor],
        tap: Tap | None = None,
    ) -> Tensor:
        """Return down(gate * up(given))."""
        mlp, (up, down) = self.body.layers[layer].mlp, self.matrices(layer)
        raised = self._linear(up, mlp.up_proj, given, weights, tap)
        gated = raised if gate is None else gate * raised
        return self._linear(down, mlp.down_proj, gated, weights, tap)

    def matrices(self, layer: int) -> tuple[str, str]:
        """Return the names of up_proj and down_proj."""
        mlp = f"{self.prefix}layers.{layer}.mlp."
        return f"{mlp}up_proj.weight", f"{mlp}down_proj.weight"

    def finish(self, hidden: Tensor) -> Tensor:
        """Return the float32 logits."""
        normed = self.body.norm(hidden)
        logits: Tensor = self.head(normed.to(self.head.weight.dtype))
        return logits.float()


class OptDecoder(Decoder):
    """OPTDecoder with its head; the pre-norm sizes only, which are all but OPT-350m."""

    def begin(self, embeds: Tensor, sight: Sight) -> tuple[Tensor, Sight]:
        """Return the embeddings with the learned positions added."""
        places = self.body.embed_positions(None, 0, position_ids=sight.places)
        return embeds + places, sight

    def look(self, hidden: Tensor, sight: Sight) -> Sight:
        """Return the sight itself: positions are in the embeddings."""
        return sight

    def attend(self, layer: int, hidden: Tensor, sight: Sight) -> Tensor:
        """Return the residual stream after a layer's attention."""
        block = self.body.layers[layer]
        hidden = hidden.to(block.fc1.weight.dtype)
        attended, _ = block.self_attn(
            hidden_states=block.self_attn_layer_norm(hidden),
            attention_mask=sight.mask,
            past_key_values=sight.past,
            pieces=sight.pieces,
        )
        residual: Tensor = hidden + attended
        return residual

    def normed(self, layer: int, residual: Tensor) -> Tensor:
        """Return what a layer's MLP is given."""
        given: Tensor = self.body.layers[layer].final_layer_norm(residual)
        return given

    def gate(self, layer: int, given: Tensor) -> Tensor | None:
        """Return None: OPT has no gate."""
        return None

    def mlp(
        self,
        layer: int,
        given: Tensor,
        gate: Tensor | None,
        weights: Mapping[str, Tensor],
        tap: Tap | None = None,
    ) -> Tensor:
        """Return fc2(act(fc1(given)))."""
        block, (up, down) = self.body.layers[layer], self.matrices(layer)
        raised = block.activation_fn(self._linear(up, block.fc1, given, weights, tap))
        return self._linear(down, block.fc2, raised, weights, tap)

    def matrices(self, layer: int) -> tuple[str, str]:
        """Return the names of fc1 and fc2."""
        block = f"{self.prefix}layers.{layer}."
        return f"{block}fc1.weight", f"{block}fc2.weight"

    def finish(self, hidden: Tensor) -> Tensor:
        """Return the float32 logits."""
        normed = self.body.final_layer_norm(hidden)
        logits: Tensor = self.head(normed.to(self.head.weight.dtype))
        return logits.float()
