"""What the benches run: models of random weights at tiny or at real shapes, and the six methods untrained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.bench.items import WordCodec
from eval.editors.counterfactual import Counterfactual, LastLayer, SmallModel
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.ike import Ike, sentence_encoder
from eval.editors.port import Editor
from eval.editors.scope import Scope, Words
from eval.editors.settings import settings_for
from eval.models.layout import Layout
from eval.models.network import Loaded, Network
from eval.models.pictures import cropped, stretched
from eval.models.precision import Precision, raise_tail, trunk_type
from eval.models.tiny import Family, TinyShape, new_module, tiny_pixels
from eval.records import Dialect, EditCase

MODELS = ("blip2-opt-2.7b", "minigpt4-vicuna-7b", "llava-1.5-7b")
# Ids below are marks; the picture's is one of them.
_MARKS, _PICTURE = 8, 4


def tiny_llava(layers: int, side: int = 336) -> Loaded:
    """Return a LLaVA of so many layers, the tiny one's widths; side: 336 gives LLaVA-1.5's 576 tokens."""
    shape = TinyShape(image_size=side, patch_size=14, text_layers=layers, max_tokens=4096)
    module = new_module(shape, Family.LLAVA, seed=7, gain=3.0)
    layout = Layout((1,), (), (1,), shape.picture_tokens(Family.LLAVA), 3, 2, shape.max_tokens)
    codec = WordCodec(_MARKS, shape.vocabulary)
    return Loaded(module, layout, codec, tiny_pixels(shape, Family.LLAVA), Family.LLAVA.value, "0" * 64)


def real_shape(name: str, precision: Precision, device: str, layers: int | None = None) -> Loaded:
    """Return random weights in the shapes of a real model, on a device; layers: fewer for a trial run."""
    import torch
    from transformers import AutoModelForImageTextToText

    config, layout = (_llava if name == "llava-1.5-7b" else _blip2)(name, layers)
    kind = trunk_type(precision)
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    torch.manual_seed(7)
    try:
        with torch.device(device):
            module = AutoModelForImageTextToText.from_config(config, dtype=kind).eval()
    finally:
        torch.set_default_dtype(before)
    if hasattr(module, "qformer"):
        module.qformer.float()
        module.query_tokens.data = torch.randn_like(module.query_tokens, dtype=torch.float32)
    raise_tail(module, precision)
    look = cropped(336) if name == "llava-1.5-7b" else stretched(364)
    codec = WordCodec(_MARKS, config.text_config.vocab_size - 64)
    return Loaded(module, layout, codec, look, name, "0" * 64)


def _llava(name: str, layers: int | None) -> tuple[Any, Layout]:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig

    vision = CLIPVisionConfig(
        hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16,
        image_size=336, patch_size=14, projection_dim=768,
    )  # fmt: skip
    text = LlamaConfig(
        vocab_size=32064, hidden_size=4096, intermediate_size=11008, num_hidden_layers=layers or 32,
        num_attention_heads=32, num_key_value_heads=32, max_position_embeddings=4096,
    )  # fmt: skip
    config = LlavaConfig(vision_config=vision, text_config=text, image_token_id=_PICTURE)
    return config, Layout((1,), (), (1,), 576, _PICTURE, 2, 4096)


def _blip2(name: str, layers: int | None) -> tuple[Any, Layout]:
    from transformers import Blip2Config, Blip2QFormerConfig, Blip2VisionConfig, LlamaConfig, OPTConfig

    if name == "blip2-opt-2.7b":
        text: Any = OPTConfig(
            vocab_size=50304, hidden_size=2560, word_embed_proj_dim=2560, ffn_dim=10240,
            num_hidden_layers=layers or 32, num_attention_heads=32, max_position_embeddings=2048, dropout=0.0,
        )  # fmt: skip
        layout = Layout((), (2,), (2,), 32, _PICTURE, 2, 2048)
    else:
        text = LlamaConfig(
            vocab_size=32064, hidden_size=4096, intermediate_size=11008, num_hidden_layers=layers or 32,
            num_attention_heads=32, num_key_value_heads=32, max_position_embeddings=2048,
        )  # fmt: skip
        # As many ids as "###Human: <Img>" and "</Img> " have.
        layout = Layout((5, 5, 5, 5, 5, 5, 5), (6, 6, 6, 6), (), 32, _PICTURE, 2, 2048)
    config = Blip2Config(
        vision_config=Blip2VisionConfig(initializer_range=0.02),
        qformer_config=Blip2QFormerConfig(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0),
        text_config=text,
        num_query_tokens=32,
        image_token_index=_PICTURE,
    )
    return config, layout


def editors(model: Network, train: Sequence[EditCase], dialect: Dialect, cache: Path) -> dict[str, Editor]:
    """Return the six methods with a model's own hyper-parameters; those that are trained, untrained.

    The tiny LLaVA is fine-tuned as the real one is, with the reference's 40 and 30 steps.
    """
    fine_tuned = model.name if model.name in MODELS else "llava-1.5-7b"
    made: dict[str, Editor] = {
        "FT-LLM": FtLlm.for_model(fine_tuned),
        "FT-Alignment": FtAlignment.for_model(fine_tuned),
        "IKE": Ike.prepared(train, dialect, model, cache, sentence_encoder()),
    }
    return made | {name: untrained(name, model, train, dialect) for name in ("SERAC", "MEND", "KE")}


def untrained(method: str, model: Network, train: Sequence[EditCase], dialect: Dialect) -> Editor:
    """Return SERAC, MEND or KE as it is before its training on some cases."""
    if method == "SERAC":
        return _serac(model, dialect)
    return _mend(model) if method == "MEND" else _ke(model, train, dialect)


def _mend(model: Network) -> Editor:
    from eval.editors.mend import Mend, MendSettings, new_network

    settings = settings_for(MendSettings, "mend", model.name)
    return Mend(settings, new_network(model, settings), "untrained")


def _ke(model: Network, train: Sequence[EditCase], dialect: Dialect) -> Editor:
    from eval.editors.conditions import read_ids
    from eval.editors.ke import Ke, KeSettings, new_network

    settings = settings_for(KeSettings, "ke", model.name)
    return Ke(settings, new_network(model, settings, read_ids(model, train, dialect)), dialect, "untrained")


def _serac(model: Network, dialect: Dialect) -> Editor:
    from eval.editors.serac import TINY, Serac, untrained_models
    from eval.editors.serac_memory import SeracMemory
    from eval.editors.serac_training import SeracSettings

    settings = settings_for(SeracSettings, "serac", model.name)
    if settings.classifier == TINY:
        scope, counterfactual = untrained_models(model, settings, dialect)
    else:
        scope = _large_scope(model, dialect)
        counterfactual = _large_counterfactual(model, settings.counterfactual)
    return Serac(SeracMemory(scope, counterfactual, dialect), settings, "untrained", dialect)


def _large_scope(model: Network, dialect: Dialect) -> Scope:
    """Return a classifier of DistilBERT's shapes, weights drawn, over the bench's words."""
    from transformers import DistilBertConfig, DistilBertModel

    module = DistilBertModel(DistilBertConfig()).eval().to(model.device)
    words = WordCodec(_MARKS, module.config.vocab_size)
    return Scope(module, Words(lambda text: words.encode(text)[0], 1, 2, 512), dialect)


def _large_counterfactual(model: Network, kind: str) -> Counterfactual:
    """Return a counterfactual model of the real one's shapes: a last layer, or an OPT-125M, weights drawn."""
    from transformers import OPTConfig, OPTForCausalLM

    from eval.editors.serac import LAST_LAYER

    if kind == LAST_LAYER:
        return LastLayer(model)
    return SmallModel(OPTForCausalLM(OPTConfig()), model, 0, trained_linear=False)
