"""Makes of MiniGPT-4's three original checkpoints and Vicuna-7B v0 one folder that transformers loads."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.atomic import sync_folder
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import canonical_json
from eval.models.real import UNREADABLE, VICUNA_POSITIONS, config_of, tokenizer_of
from eval.models.weights import tensors_of, weight_files

if TYPE_CHECKING:
    from torch import Tensor

# EVA-CLIP-g without its last block, as BLIP-2 takes it (LAVIS, models/eva_vit.py), and BERT-base.
_VIT_LAYERS, _VIT_HEADS, _VIT_WIDTH = 39, 16, 1408
_QFORMER_HEADS = 12
_PATCHES_JOINED = 4
_VIT = {
    "cls_token": "embeddings.class_embedding",
    "pos_embed": "embeddings.position_embedding",
    "patch_embed.proj.weight": "embeddings.patch_embedding.weight",
    "patch_embed.proj.bias": "embeddings.patch_embedding.bias",
}
_VIT_BLOCK = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.proj": "self_attn.projection",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
# In the files, and not used: the Q-Former's text half, the projection to T5, the tower's head.
_UNUSED = re.compile(
    r"Qformer\.cls\.|Qformer\.bert\.embeddings\.(word_embeddings|position_embeddings|position_ids)|"
    r"Qformer\.bert\.encoder\.layer\.\d+\.(intermediate|output)\.|t5_proj\.|norm\.|fc_norm\.|head\.|"
    r"attn\.relative_position"
)


@dataclass(frozen=True)
class Converted:
    """What a conversion made; unexpected: tensors of the checkpoints that it does not know, and left out."""

    folder: Path
    unexpected: tuple[str, ...]


def convert(vit: Path, qformer: Path, projection: Path, vicuna: Path, out: Path) -> Converted:
    """Write a Blip2ForConditionalGeneration with a Llama text model to the folder out, in safetensors.

    vit: eva_vit_g.pth. qformer: blip2_pretrained_flant5xxl.pth. projection: pretrained_minigpt4_7b.pth, of
    which llama_proj alone is taken. vicuna: folder of Vicuna-7B v0. Every tensor keeps its own number
    format. out appears complete or not at all. The key map is that of Vision-CAIR/MiniGPT-4,
    minigpt4/models/minigpt4.py, to transformers' names; a pickle is read as tensors only.

    Raises PrerequisiteError when a file is not there, out is, or the parts do not belong together (Llama 2's
    projection; another width), IntegrityError when a file is damaged or lacks a tensor.
    """
    if out.exists():
        raise PrerequisiteError(f"{out} is already there; remove it, or name another folder")
    language = _language_config(vicuna)
    tokenizer = tokenizer_of(vicuna)
    seen, strange = _tower(tensors_of(vit), vit)
    asked, more = _qformer(tensors_of(qformer), qformer)
    strange += more
    projected, more = _projection(tensors_of(projection), projection, seen, asked, language)
    strange += more
    config = _config({**seen, **asked}, language, tokenizer, vicuna)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".converting-") as temporary:
        made = Path(temporary) / "model"
        made.mkdir()
        parts = _parts({**seen, **asked, **projected}, vicuna)
        _write(made, parts, config)
        tokenizer.save(str(made / "tokenizer.json"))
        made.rename(out)
        sync_folder(out.parent)
    return Converted(out, tuple(strange))


def _tower(state: Mapping[str, Tensor], file: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tower's tensors under transformers' names, and the keys that nobody knows."""
    import torch

    numbers = {int(found[1]) for key in state if (found := re.match(r"blocks\.(\d+)\.", key))}
    depth = min(len(numbers), _VIT_LAYERS)
    width = state["cls_token"].shape[-1] if "cls_token" in state else 0
    if width == _VIT_WIDTH and depth < _VIT_LAYERS:
        raise IntegrityError(f"{file} has {depth} blocks of {_VIT_LAYERS}; download it again")
    tensors = {f"vision_model.{new}": _taken(state, old, file) for old, new in _VIT.items()}
    known = set(_VIT)
    for layer in range(depth):
        old, new = f"blocks.{layer}.", f"vision_model.encoder.layers.{layer}."
        for one, other in _VIT_BLOCK.items():
            for kind in ("weight", "bias"):
                tensors[f"{new}{other}.{kind}"] = _taken(state, f"{old}{one}.{kind}", file)
                known.add(f"{old}{one}.{kind}")
        tensors[f"{new}self_attn.qkv.weight"] = _taken(state, f"{old}attn.qkv.weight", file)
        query, value = (_taken(state, f"{old}attn.{name}_bias", file) for name in "qv")
        # Keys have no bias.
        tensors[f"{new}self_attn.qkv.bias"] = torch.cat([query, torch.zeros_like(value), value])
        known |= {f"{old}attn.{name}" for name in ("qkv.weight", "q_bias", "v_bias")}
    dropped = tuple(f"blocks.{layer}." for layer in numbers - set(range(depth)))
    return tensors, _strange(state, known, file, dropped)


def _qformer(state: Mapping[str, Tensor], file: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Return queries, Q-Former and the norm before it under transformers' names, and unknown keys."""
    start = "Qformer.bert.encoder.layer."
    tensors = {"query_tokens": _taken(state, "query_tokens", file)}
    known = {"query_tokens"}
    for kind in ("weight", "bias"):
        for old, new in (
            ("ln_vision", "vision_model.post_layernorm"),
            ("Qformer.bert.embeddings.LayerNorm", "qformer.layernorm"),
        ):
            tensors[f"{new}.{kind}"] = _taken(state, f"{old}.{kind}", file)
            known.add(f"{old}.{kind}")
    for key, tensor in state.items():
        if key.startswith(start) and not _UNUSED.match(key):
            new = "qformer.encoder.layer." + key.removeprefix(start)
            tensors[new.replace("attention.self.", "attention.attention.")] = tensor
            known.add(key)
    return tensors, _strange(state, known, file)


def _projection(
    state: Mapping[str, Tensor],
    file: Path,
    seen: Mapping[str, Tensor],
    asked: Mapping[str, Tensor],
    language: Mapping[str, Any],
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the layer from queries to Vicuna, and every other key of its file."""
    weight, bias = (_taken(state, f"llama_proj.{kind}", file) for kind in ("weight", "bias"))
    rows, columns = weight.shape if weight.dim() == 2 else (0, 0)
    tower = seen["vision_model.embeddings.class_embedding"].shape[-1]
    width = asked["query_tokens"].shape[-1]
    if columns == _PATCHES_JOINED * tower and columns != width:
        raise PrerequisiteError(
            f"{file} is MiniGPT-4's projection for Llama 2 ({rows}, {columns}), which has no Q-Former; "
            "the benchmark's model is the one for Vicuna-7B v0: pretrained_minigpt4_7b.pth"
        )
    if (rows, columns) != (language["hidden_size"], width):
        raise PrerequisiteError(
            f"{file} projects {columns} to {rows}, the Q-Former gives {width} and the language model takes "
            f"{language['hidden_size']}; take pretrained_minigpt4_7b.pth and a Vicuna-7B v0"
        )
    tensors = {"language_projection.weight": weight, "language_projection.bias": bias}
    return tensors, _strange(state, {"llama_proj.weight", "llama_proj.bias"}, file)


def _config(
    tensors: Mapping[str, Tensor],
    language: Mapping[str, Any],
    tokenizer: Any,  # noqa: ANN401
    vicuna: Path,
) -> Any:  # noqa: ANN401
    """Return the Blip2Config of these tensors' sizes."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import Blip2Config

    patches = tensors["vision_model.embeddings.patch_embedding.weight"]
    grid = round((tensors["vision_model.embeddings.position_embedding"].shape[1] - 1) ** 0.5)
    depth = _count(tensors, "vision_model.encoder.layers.")
    vision = {
        "hidden_size": patches.shape[0],
        "patch_size": patches.shape[-1], "image_size": grid * patches.shape[-1],
        "num_hidden_layers": depth, "num_attention_heads": _VIT_HEADS, "layer_norm_eps": 1e-6,
        "intermediate_size": tensors["vision_model.encoder.layers.0.mlp.fc1.weight"].shape[0] if depth else 1,
    }  # fmt: skip
    queries = tensors["query_tokens"]
    between = tensors.get("qformer.encoder.layer.0.intermediate_query.dense.weight")
    qformer = {
        "hidden_size": queries.shape[-1], "num_hidden_layers": _count(tensors, "qformer.encoder.layer."),
        "num_attention_heads": _QFORMER_HEADS, "encoder_hidden_size": patches.shape[0],
        "intermediate_size": 1 if between is None else between.shape[0],
    }  # fmt: skip
    for name, part in (("tower", vision), ("Q-Former", qformer)):
        if part["hidden_size"] % part["num_attention_heads"] or not part["num_hidden_layers"]:
            raise IntegrityError(
                f"the {name} has a width of {part['hidden_size']} and no such heads or layers"
            )
    words, rows = tokenizer.get_vocab_size(with_added_tokens=False), language["vocab_size"]
    # An id that no text has: the row that Vicuna v0 has beyond the words, else that of the unknown word.
    placeholder = words if words < rows else tokenizer.token_to_id("<unk>")
    try:
        return Blip2Config(
            vision_config=vision, qformer_config=qformer, text_config=dict(language),
            num_query_tokens=queries.shape[1], image_token_index=placeholder or 0,
            architectures=["Blip2ForConditionalGeneration"], tie_word_embeddings=False,
        )  # fmt: skip
    except (*UNREADABLE, StrictDataclassError) as error:
        raise IntegrityError(f"{vicuna / 'config.json'} describes no Llama: {error}") from error


def _language_config(vicuna: Path) -> dict[str, Any]:
    """Return Vicuna's configuration as a text_config. Raises PrerequisiteError for another model."""
    if not vicuna.is_dir():
        raise PrerequisiteError(f"there is no folder {vicuna}; it should hold Vicuna-7B v0")
    config = config_of(vicuna)
    positions = config.get("max_position_embeddings") or VICUNA_POSITIONS
    if config.get("model_type") != "llama" or not isinstance(positions, int) or positions > VICUNA_POSITIONS:
        raise PrerequisiteError(
            f"{vicuna} is a {config.get('model_type')} with {positions} positions, not Vicuna-7B v0, "
            f"a llama with {VICUNA_POSITIONS}; MiniGPT-4's projection fits no other"
        )
    if not all(isinstance(config.get(key), int) for key in ("hidden_size", "vocab_size")):
        raise IntegrityError(f"{vicuna / 'config.json'} tells no hidden_size or no vocab_size")
    told = {key: value for key, value in config.items() if key not in {"architectures", "auto_map"}}
    return {**told, "max_position_embeddings": positions}


def _parts(seeing: dict[str, Tensor], vicuna: Path) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors of the folder to be, one file's worth at a time: Vicuna is read file by file."""
    yield seeing
    for file in weight_files(vicuna):
        # Older folders keep the rotation tables, which are computed.
        yield {
            f"language_model.{key}": one for key, one in tensors_of(file).items() if "rotary_emb" not in key
        }


def _write(folder: Path, parts: Iterator[dict[str, Tensor]], config: Any) -> None:  # noqa: ANN401
    """Write the files with their index. Raises IntegrityError unless they hold the config's model, wholly."""
    import torch
    from safetensors.torch import save_file
    from transformers import Blip2ForConditionalGeneration

    with torch.device("meta"):
        wanted = {name: one.shape for name, one in Blip2ForConditionalGeneration(config).state_dict().items()}
    places: dict[str, str] = {}
    size = 0
    for number, tensors in enumerate(parts, start=1):
        name = f"model-{number:05d}.safetensors"
        for key, tensor in tensors.items():
            if wanted.get(key) != tensor.shape:
                told = "no part of the model" if key not in wanted else f"not {tuple(wanted[key])}"
                raise IntegrityError(f"{key} {tuple(tensor.shape)} is {told}; these files are no MiniGPT-4's")
        save_file({key: one.contiguous() for key, one in tensors.items()}, folder / name, {"format": "pt"})
        places |= dict.fromkeys(tensors, name)
        size += sum(one.numel() * one.element_size() for one in tensors.values())
    lacking = sorted(wanted.keys() - places.keys())
    if lacking:
        raise IntegrityError(f"the files lack {len(lacking)} of the model's tensors, {lacking[0]} first")
    index = {"metadata": {"total_size": size}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(canonical_json(index), encoding="utf-8")
    config.save_pretrained(folder)


def _taken(state: Mapping[str, Tensor], key: str, file: Path) -> Tensor:
    if key not in state:
        raise IntegrityError(f"{file} lacks {key}; is it the right file?")
    return state[key]


def _strange(
    state: Mapping[str, Tensor], known: set[str], file: Path, dropped: tuple[str, ...] = ()
) -> list[str]:
    """Return the keys that are neither known nor known to be of no use."""
    return [
        f"{file.name}: {key}"
        for key in state
        if key not in known and not _UNUSED.match(key) and not key.startswith(dropped)
    ]


def _count(tensors: Mapping[str, Tensor], start: str) -> int:
    return len({key.removeprefix(start).split(".")[0] for key in tensors if key.startswith(start)})
