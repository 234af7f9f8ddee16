"""Where the parts of a LLaVA, BLIP-2 or MiniGPT-4 module of transformers lie, and how a picture enters it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from eval.models.decoder import Decoder, LlamaDecoder, OptDecoder
from eval.models.port import Part

if TYPE_CHECKING:
    from torch import Tensor

# The reference's MEND and KE edit the last three layers (hparams/TRAINING/MEND, KE).
TOP_LAYERS = 3


class Anatomy:
    """The parts of one module; features are what no editor changes, the connector is what follows them."""

    connector: str

    def __init__(self, module: Any, decoder: Decoder) -> None:  # noqa: ANN401 - transformers is untyped here
        self.module = module
        self.decoder = decoder

    def names(self, part: Part) -> list[str]:
        """Return the names of a part's tensors, lowest layer first."""
        if part is Part.CONNECTOR:
            return [name for name, _ in self.module.named_parameters() if name.startswith(self.connector)]
        layers = 1 if part is Part.LAST_MLP else min(TOP_LAYERS, self.decoder.depth)
        top = range(self.decoder.depth - layers, self.decoder.depth)
        return [name for layer in top for name in self.decoder.matrices(layer)]

    def features(self, pixels: Tensor) -> Tensor:
        """Return the frozen features [pictures, patches, width] of pixels [pictures, 3, height, width]."""
        raise NotImplementedError

    def connect(self, features: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the picture's embeddings [pictures, picture tokens, text width] under stand-in weights."""
        raise NotImplementedError

    def full(self, ids: Tensor, pixels: Tensor | None, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [1, positions, vocabulary] of the whole module, as transformers runs it."""
        raise NotImplementedError

    def _within(self, weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): weight for name, weight in weights.items() if name.startswith(prefix)
        }


class LlavaAnatomy(Anatomy):
    """LlavaForConditionalGeneration: CLIP, a two-layer projector, Llama."""

    connector = "model.multi_modal_projector."

    def __init__(self, module: Any) -> None:  # noqa: ANN401
        prefix = "model.language_model."
        super().__init__(module, LlamaDecoder(module.model.language_model, module.lm_head, prefix))

    def features(self, pixels: Tensor) -> Tensor:
        """Return the tower's states at vision_feature_layer, without the class token."""
        config = self.module.config
        states = self.module.model.vision_tower(pixels, output_hidden_states=True).hidden_states
        chosen: Tensor = states[config.vision_feature_layer]
        return chosen[:, 1:] if config.vision_feature_select_strategy == "default" else chosen

    def connect(self, features: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the projected features; weights: the module's names."""
        from torch.func import functional_call

        projector = self.module.model.multi_modal_projector
        projected: Tensor = functional_call(projector, self._within(weights, self.connector), (features,))
        return projected

    def full(self, ids: Tensor, pixels: Tensor | None, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [1, positions, vocabulary]."""
        from torch.func import functional_call

        asked = {"input_ids": ids, "pixel_values": pixels, "use_cache": False}
        logits: Tensor = functional_call(self.module, dict(weights), (), asked, tie_weights=False).logits
        return logits


class Blip2Anatomy(Anatomy):
    """Blip2ForConditionalGeneration with OPT (BLIP-2) or Llama (MiniGPT-4) behind EVA tower and Q-Former."""

    connector = "qformer."

    def __init__(self, module: Any) -> None:  # noqa: ANN401
        language, head = module.language_model, module.language_model.lm_head
        if module.config.text_config.model_type == "opt":
            decoder: Decoder = OptDecoder(language.model.decoder, head, "language_model.model.decoder.")
        else:
            decoder = LlamaDecoder(language.model, head, "language_model.model.")
        super().__init__(module, decoder)

    def features(self, pixels: Tensor) -> Tensor:
        """Return the tower's last states; its positions are interpolated to the picture's size."""
        states: Tensor = self.module.vision_model(
            pixels, interpolate_pos_encoding=self._stretched(pixels)
        ).last_hidden_state
        return states

    def connect(self, features: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the projected queries."""
        queries = self.queries(features, weights)
        projected: Tensor = self.module.language_projection(queries.to(features.dtype))
        return projected

    def queries(self, features: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Return what the Q-Former makes of features [pictures, queries, width], in its own dtype."""
        import torch
        from torch.func import functional_call

        module, qformer = self.module, self.module.qformer
        asked = {
            "query_embeds": module.query_tokens.expand(len(features), -1, -1),
            "encoder_hidden_states": features,
            "encoder_attention_mask": torch.ones(
                features.shape[:-1], dtype=torch.long, device=features.device
            ),
        }
        queries: Tensor = functional_call(
            qformer, self._within(weights, self.connector), (), asked
        ).last_hidden_state
        return queries

    def full(self, ids: Tensor, pixels: Tensor | None, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [1, positions, vocabulary]; a text alone goes to the language model."""
        from torch.func import functional_call

        if pixels is None:
            language = self._within(weights, "language_model.")
            asked: dict[str, Any] = {"input_ids": ids, "use_cache": False}
            alone: Tensor = functional_call(
                self.module.language_model, language, (), asked, tie_weights=False
            ).logits
            return alone
        asked = {
            "input_ids": ids,
            "pixel_values": pixels,
            "interpolate_pos_encoding": self._stretched(pixels),
            "use_cache": False,
        }
        logits: Tensor = functional_call(self.module, dict(weights), (), asked, tie_weights=False).logits
        return logits

    def _stretched(self, pixels: Tensor) -> bool:
        return bool(pixels.shape[-1] != self.module.config.vision_config.image_size)


def anatomy_of(module: Any) -> Anatomy:  # noqa: ANN401
    """Return the anatomy of a module of transformers. Raises ValueError for an architecture without one."""
    kind = module.config.model_type
    if kind == "llava":
        return LlavaAnatomy(module)
    if kind == "blip-2":
        return Blip2Anatomy(module)
    raise ValueError(f"no anatomy for {kind}; there are llava and blip-2")
