"""MiniGPT-4's original checkpoints, made up in tiny sizes, become one folder that computes the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import conv2d, gelu, layer_norm, linear

from curation.errors import IntegrityError, PrerequisiteError
from eval.models.minigpt4_checkpoint import convert
from eval.models.network import PlainModel
from eval.models.port import Edit, Question
from eval.models.precision import Precision
from eval.models.real import open_model
from eval.models.tiny import prepare_runtime
from eval.records import Dialect
from tests.unit.model_folders import change_config, save_tokenizer
from tests.unit.tiny_networks import picture

State = dict[str, torch.Tensor]
WIDTH, BETWEEN, WORDS, SIDE, PATCH = 32, 24, 40, 42, 14
SMALL_LAYERS = 3


def pair(name: str, rows: int, *columns: int) -> State:
    """Return a layer's weight and bias."""
    spread = 0.3 if columns else 1.0
    return {f"{name}.weight": spread * torch.randn(rows, *columns), f"{name}.bias": torch.randn(rows)}


def tower(layers: int, width: int = WIDTH) -> State:
    """Return a made-up eva_vit_g.pth: as many blocks, and the head that nobody uses."""
    state = {
        "cls_token": torch.randn(1, 1, width),
        "pos_embed": torch.randn(1, (SIDE // PATCH) ** 2 + 1, width),
        **pair("patch_embed.proj", width, 3, PATCH, PATCH),
        **pair("norm", width),
        **pair("head", 5, width),
    }
    for layer in range(layers):
        block = f"blocks.{layer}."
        state |= pair(f"{block}norm1", width) | pair(f"{block}norm2", width)
        state |= pair(f"{block}attn.proj", width, width) | pair(f"{block}mlp.fc1", 40, width)
        state |= pair(f"{block}mlp.fc2", width, 40)
        state[f"{block}attn.qkv.weight"] = torch.randn(3 * width, width) / 5
        state |= {f"{block}attn.{name}_bias": torch.randn(width) for name in "qv"}
    return state


def bert() -> State:
    """Return a made-up blip2_pretrained_flant5xxl.pth, its unused text half included."""
    state = {
        "query_tokens": torch.randn(1, 5, BETWEEN),
        **pair("ln_vision", WIDTH),
        **pair("Qformer.bert.embeddings.LayerNorm", BETWEEN),
        "Qformer.bert.embeddings.word_embeddings.weight": torch.randn(9, BETWEEN),
        "Qformer.bert.embeddings.position_ids": torch.arange(9)[None],
        **pair("Qformer.cls.predictions.transform.dense", BETWEEN, BETWEEN),
        **pair("t5_proj", 64, BETWEEN),
    }
    for layer in range(3):
        start = f"Qformer.bert.encoder.layer.{layer}."
        for name in ("attention", "crossattention") if layer % 2 == 0 else ("attention",):
            seen = WIDTH if name == "crossattention" else BETWEEN
            state |= pair(f"{start}{name}.self.query", BETWEEN, BETWEEN)
            state |= pair(f"{start}{name}.self.key", BETWEEN, seen)
            state |= pair(f"{start}{name}.self.value", BETWEEN, seen)
            state |= pair(f"{start}{name}.output.dense", BETWEEN, BETWEEN)
            state |= pair(f"{start}{name}.output.LayerNorm", BETWEEN)
        for kind in ("", "_query"):
            state |= pair(f"{start}intermediate{kind}.dense", 30, BETWEEN)
            state |= pair(f"{start}output{kind}.dense", BETWEEN, 30)
            state |= pair(f"{start}output{kind}.LayerNorm", BETWEEN)
    return state


def projection() -> State:
    """Return a made-up pretrained_minigpt4_7b.pth."""
    return pair("llama_proj", WORDS, BETWEEN)


def vicuna(folder: Path, rows: int = 421) -> Path:
    """Save a tiny Llama with its tokeniser."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=rows, hidden_size=WORDS, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=300, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    save_tokenizer(folder, 420)
    return folder


def sources(folder: Path, **changed: State) -> tuple[Path, Path, Path, Path]:
    """Write the three files, some of them changed, and Vicuna; return their paths in convert's order."""
    prepare_runtime()
    torch.manual_seed(4)
    folder.mkdir(parents=True, exist_ok=True)
    made = {"vit": tower(SMALL_LAYERS), "qformer": bert(), "projection": projection()} | changed
    for name, state in made.items():
        torch.save(state if name == "vit" else {"model": state}, folder / f"{name}.pth")
    return (*(folder / f"{name}.pth" for name in ("vit", "qformer", "projection")), vicuna(folder / "vicuna"))  # type: ignore[return-value]


def attended(query: Any, key: Any, value: Any, heads: int) -> torch.Tensor:
    """Return attention head by head, without transformers."""
    parts = []
    for q, k, v in zip(*(one.chunk(heads, dim=-1) for one in (query, key, value)), strict=True):
        parts.append((q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1) @ v)
    return torch.cat(parts, dim=-1)


def original_features(state: State, pixels: torch.Tensor) -> torch.Tensor:
    """Return what the original tower gives before ln_vision (LAVIS, models/eva_vit.py)."""
    patches = conv2d(pixels, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=PATCH)
    seen = torch.cat([state["cls_token"], patches.flatten(2).transpose(1, 2)], dim=1) + state["pos_embed"]

    def layer(name: str, given: torch.Tensor) -> torch.Tensor:
        return linear(given, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name: str, given: torch.Tensor) -> torch.Tensor:
        return layer_norm(given, (WIDTH,), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)

    for number in range(SMALL_LAYERS):
        block = f"blocks.{number}."
        given = norm(f"{block}norm1", seen)
        query, key, value = (linear(given, one) for one in state[f"{block}attn.qkv.weight"].chunk(3))
        query, value = query + state[f"{block}attn.q_bias"], value + state[f"{block}attn.v_bias"]
        seen = seen + layer(f"{block}attn.proj", attended(query, key, value, 16))
        inner = gelu(layer(f"{block}mlp.fc1", norm(f"{block}norm2", seen)))
        seen = seen + layer(f"{block}mlp.fc2", inner)
    return seen


def original_queries(state: State, features: torch.Tensor) -> torch.Tensor:
    """Return what the original Q-Former gives (LAVIS, models/blip2_models/Qformer.py)."""

    def layer(name: str, given: torch.Tensor) -> torch.Tensor:
        return linear(given, state[f"{name}.weight"], state[f"{name}.bias"])

    def norm(name: str, given: torch.Tensor, eps: float = 1e-12) -> torch.Tensor:
        return layer_norm(given, given.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps=eps)

    def attention(name: str, asked: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        query, (key, value) = (
            layer(f"{name}.self.query", asked),
            (layer(f"{name}.self.{k}", seen) for k in ("key", "value")),
        )
        found = layer(f"{name}.output.dense", attended(query, key, value, 12))
        return norm(f"{name}.output.LayerNorm", found + asked)

    features = norm("ln_vision", features, 1e-6)
    asked = norm("Qformer.bert.embeddings.LayerNorm", state["query_tokens"])
    for number in range(3):
        start = f"Qformer.bert.encoder.layer.{number}."
        asked = attention(f"{start}attention", asked, asked)
        if number % 2 == 0:
            asked = attention(f"{start}crossattention", asked, features)
        inner = gelu(layer(f"{start}intermediate_query.dense", asked))
        asked = norm(f"{start}output_query.LayerNorm", layer(f"{start}output_query.dense", inner) + asked)
    return asked


def test_the_folder_computes_what_the_originals_do(tmp_path: Path) -> None:
    files = sources(tmp_path / "files")
    made = convert(*files, tmp_path / "made" / "minigpt4")
    assert made.unexpected == ()
    loaded = open_model(str(made.folder), tmp_path, Precision.EXACT)
    pixels = torch.randn(1, 3, SIDE, SIDE)
    vit, qformer, projected = (torch.load(file) for file in files[:3])
    model = PlainModel(loaded)
    with torch.no_grad():
        features = original_features(vit, pixels)
        queries = original_queries(qformer["model"], features)
        expected = linear(queries, *projected["model"].values())
        got = model.anatomy.connect(model.anatomy.features(pixels), {})
    assert got.shape == (1, 5, WORDS)
    assert torch.allclose(got, expected, atol=1e-4), float((got - expected).abs().max())


def test_the_language_model_is_vicuna_bit_for_bit(tmp_path: Path) -> None:
    from transformers import LlamaForCausalLM

    files = sources(tmp_path / "files")
    loaded = open_model(str(convert(*files, tmp_path / "made").folder), tmp_path, Precision.EXACT)
    original = LlamaForCausalLM.from_pretrained(files[3]).state_dict()
    converted = loaded.module.language_model.state_dict()
    assert all(torch.equal(converted[name], tensor) for name, tensor in original.items())
    assert (loaded.name, loaded.layout.max_tokens) == ("minigpt4-vicuna-7b", 300)
    model = PlainModel(loaded)
    prompt = model.encode(Question("What is it?", "A sign.", picture(1)), Dialect.KE, locality=True)
    assert prompt.ids[0] == 1
    assert model.read([prompt], Edit())[0].unscored is None


def test_the_fortieth_block_is_dropped_and_strangers_are_told(tmp_path: Path) -> None:
    changed = {
        "projection": {**projection(), "other": torch.zeros(1)},
        "vit": {**tower(40), "odd": torch.zeros(1)},
    }
    made = convert(*sources(tmp_path / "files", **changed), tmp_path / "made")
    config = json.loads((made.folder / "config.json").read_bytes())
    assert config["vision_config"]["num_hidden_layers"] == 39
    assert set(made.unexpected) == {"vit.pth: odd", "projection.pth: other"}


def test_vicuna_in_pickled_shards_with_old_tables(tmp_path: Path) -> None:
    files = sources(tmp_path / "files")
    from safetensors.torch import load_file

    state = load_file(files[3] / "model.safetensors")
    (files[3] / "model.safetensors").unlink()
    state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.zeros(10)
    names = sorted(state)
    places = {name: f"pytorch_model-{number % 2}.bin" for number, name in enumerate(names)}
    for file in set(places.values()):
        torch.save({name: state[name] for name in names if places[name] == file}, files[3] / file)
    (files[3] / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    made = convert(*files, tmp_path / "made")
    assert len(list(made.folder.glob("*.safetensors"))) == 3
    opened = open_model(str(made.folder), tmp_path, Precision.EXACT).module.language_model
    assert torch.equal(opened.lm_head.weight, state["lm_head.weight"])


def without(state: State, key: str) -> State:
    """Return a state without a key."""
    return {name: tensor for name, tensor in state.items() if name != key}


@pytest.mark.parametrize(
    ("name", "state", "told"),
    [
        ("vit", lambda: without(tower(3), "blocks.1.attn.q_bias"), "q_bias"),
        ("vit", lambda: without(tower(3), "pos_embed"), "pos_embed"),
        ("vit", lambda: tower(2, 1408), "39"),
        ("qformer", lambda: without(bert(), "query_tokens"), "query_tokens"),
        (
            "qformer",
            lambda: without(bert(), "Qformer.bert.encoder.layer.1.output_query.dense.bias"),
            "output_query",
        ),
        ("projection", lambda: {"other": torch.zeros(1)}, "llama_proj"),
        ("projection", lambda: pair("llama_proj", WORDS, 4 * WIDTH), "Llama 2"),
        ("projection", lambda: pair("llama_proj", 99, BETWEEN), "pretrained_minigpt4_7b"),
    ],
)
def test_wrong_files_are_refused_and_leave_nothing(tmp_path: Path, name: str, state: Any, told: str) -> None:
    files = sources(tmp_path / "files", **{name: state()})
    with pytest.raises((IntegrityError, PrerequisiteError), match=told):
        convert(*files, tmp_path / "made" / "out")
    assert not (tmp_path / "made" / "out").exists()
    assert not list((tmp_path / "made").glob("*")) if (tmp_path / "made").exists() else True


class Trap:
    """Unpickled without care, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_of_more_than_tensors_is_not_run(tmp_path: Path) -> None:
    files = sources(tmp_path / "files")
    torch.save({"model": {"llama_proj.weight": Trap(tmp_path / "sprung")}}, files[2])
    with pytest.raises(IntegrityError):
        convert(*files, tmp_path / "made")
    files[2].write_bytes(b"not a checkpoint")
    with pytest.raises(IntegrityError):
        convert(*files, tmp_path / "made")
    assert not (tmp_path / "sprung").exists()


def test_llama_2_an_existing_folder_and_missing_files_are_refused(tmp_path: Path) -> None:
    files = sources(tmp_path / "files")
    with pytest.raises(PrerequisiteError, match="no file"):
        convert(tmp_path / "none.pth", *files[1:], tmp_path / "made")
    with pytest.raises(PrerequisiteError, match="already there"):
        convert(*files, tmp_path / "files")
    for broken in ({"hidden_act": 3}, {"vocab_size": "many"}, {"num_attention_heads": 0}):
        change_config(vicuna(tmp_path / "broken"), lambda config, broken=broken: config.update(broken))
        with pytest.raises(IntegrityError):
            convert(*files[:3], tmp_path / "broken", tmp_path / "made")
    change_config(files[3], lambda config: config.update(max_position_embeddings=4096))
    with pytest.raises(PrerequisiteError, match="Vicuna-7B v0"):
        convert(*files, tmp_path / "made")
