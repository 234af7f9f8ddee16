"""Small models of the LLaVA, BLIP-2 and MiniGPT-4 architectures, in transformers' own classes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from eval.models.layout import Layout
from eval.models.pictures import Pixels, cropped, stretched
from eval.models.tokens import END, IMAGE, PAD, START, TokenizerCodec

# What MiniGPT-4 reads on either side of a picture (easyeditor/trainer/blip2_models/mini_gpt4.py).
WRAPPER = ("###Human: <Img>", "</Img> ")


class Family(StrEnum):
    """The architectures, by the name of their tiny model."""

    LLAVA = "tiny-llava"
    BLIP2 = "tiny-blip2"
    MINIGPT4 = "tiny-minigpt4"


@dataclass(frozen=True)
class TinyShape:
    """Sizes of a model, about one million parameters in all; lengths in pixels and tokens.

    queries and qformer_layers: of BLIP-2 and MiniGPT-4 alone, whose Q-Former is as wide as the tower.
    """

    image_size: int = 48
    patch_size: int = 16
    vision_width: int = 96
    vision_layers: int = 2
    text_width: int = 128
    text_layers: int = 3
    text_mlp: int = 384
    heads: int = 4
    vocabulary: int = 1000
    max_tokens: int = 1024
    queries: int = 8
    qformer_layers: int = 2

    def picture_tokens(self, family: Family) -> int:
        """Return how many tokens stand for a picture."""
        return (self.image_size // self.patch_size) ** 2 if family is Family.LLAVA else self.queries


def prepare_runtime() -> None:
    """Keep transformers quiet, and torch on one thread, which makes runs repeatable."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()


def new_module(shape: TinyShape, family: Family, seed: int, gain: float) -> Any:  # noqa: ANN401 - transformers is untyped here
    """Return an untrained module in evaluation mode, float32 weights drawn from seed.

    LlavaForConditionalGeneration, or Blip2ForConditionalGeneration with an OPT (BLIP-2) or a Llama
    (MiniGPT-4) text model. gain: factor on the initial matrices of connector and token embeddings.
    """
    prepare_runtime()
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = (_llava if family is Family.LLAVA else _blip2)(shape, family).eval()
        if family is not Family.LLAVA:
            # transformers leaves them all zero, and so equal.
            torch.nn.init.normal_(module.query_tokens)
    amplified = ("multi_modal_projector", "language_projection", "embed_tokens")
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if tensor.dim() == 2 and any(part in name for part in amplified):
                tensor.mul_(gain)
    return module


def tiny_layout(shape: TinyShape, family: Family, codec: TokenizerCodec) -> Layout:
    """Return the order in which a family reads picture and text, with the tiny tokeniser's ids."""
    before: tuple[int, ...] = (START,)
    after: tuple[int, ...] = ()
    text_lead, ke_lead = before, after
    if family is Family.BLIP2:
        # OPT begins a text with its end mark.
        before, after, text_lead = (), (END,), (END,)
    elif family is Family.MINIGPT4:
        before, after = tuple(codec.encode(WRAPPER[0])[0]), tuple(codec.encode(WRAPPER[1])[0])
        text_lead, ke_lead = (), (START,)
    return Layout(
        before, after, text_lead, shape.picture_tokens(family), IMAGE, END, shape.max_tokens, ke_lead
    )


def tiny_pixels(shape: TinyShape, family: Family) -> Pixels:
    """Return the family's preparation of pictures, at the tiny size."""
    return (cropped if family is Family.LLAVA else stretched)(shape.image_size)


def _llava(shape: TinyShape, _: Family) -> Any:  # noqa: ANN401
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=shape.vision_width, intermediate_size=4 * shape.vision_width,
        num_hidden_layers=shape.vision_layers, num_attention_heads=shape.heads, image_size=shape.image_size,
        patch_size=shape.patch_size, )  # fmt: skip
    # A two-layer tower has no useful layer before its last.
    config = LlavaConfig(
        vision_config=vision,
        text_config=_llama_config(shape),
        image_token_id=IMAGE,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    return LlavaForConditionalGeneration(config)


def _blip2(shape: TinyShape, family: Family) -> Any:  # noqa: ANN401
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2QFormerConfig,
        Blip2VisionConfig,
    )

    # transformers' own initial range, 1e-10, is for weights that are loaded.
    vision = Blip2VisionConfig(
        hidden_size=shape.vision_width, intermediate_size=4 * shape.vision_width,
        num_hidden_layers=shape.vision_layers, num_attention_heads=shape.heads, image_size=shape.image_size,
        patch_size=shape.patch_size, initializer_range=0.02, )  # fmt: skip
    # With less than 0.1 the queries hardly hear the picture, and the text model learns to do without it.
    qformer = Blip2QFormerConfig(
        hidden_size=shape.vision_width, intermediate_size=4 * shape.vision_width,
        num_hidden_layers=shape.qformer_layers, num_attention_heads=shape.heads, initializer_range=0.1,
        cross_attention_frequency=1, encoder_hidden_size=shape.vision_width, vocab_size=8,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, )  # fmt: skip
    config = Blip2Config(
        vision_config=vision,
        qformer_config=qformer,
        text_config=_opt_config(shape) if family is Family.BLIP2 else _llama_config(shape),
        num_query_tokens=shape.queries,
        image_token_index=IMAGE,
        tie_word_embeddings=True,
    )
    return Blip2ForConditionalGeneration(config)


def _llama_config(shape: TinyShape) -> Any:  # noqa: ANN401
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.text_width, intermediate_size=shape.text_mlp,
        num_hidden_layers=shape.text_layers, num_attention_heads=shape.heads, num_key_value_heads=shape.heads,
        max_position_embeddings=shape.max_tokens, pad_token_id=PAD, bos_token_id=START, eos_token_id=END,
        tie_word_embeddings=True,
    )  # fmt: skip


def _opt_config(shape: TinyShape) -> Any:  # noqa: ANN401
    from transformers import OPTConfig

    return OPTConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.text_width, word_embed_proj_dim=shape.text_width,
        ffn_dim=shape.text_mlp, num_hidden_layers=shape.text_layers, num_attention_heads=shape.heads,
        max_position_embeddings=shape.max_tokens, dropout=0.0, pad_token_id=PAD, bos_token_id=END,
        eos_token_id=END, tie_word_embeddings=True,
    )  # fmt: skip
