"""Opens LLaVA-1.5, BLIP-2 and MiniGPT-4 from a folder or the hub, in the reference's input layout."""

from __future__ import annotations

import json
import pickle
from enum import StrEnum
from pathlib import Path
from typing import Any

from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import sha256_json
from eval.models.layout import Layout
from eval.models.network import Loaded
from eval.models.pictures import Pixels, cropped, stretched
from eval.models.precision import Precision, trunk_type
from eval.models.tiny import WRAPPER
from eval.models.tokens import TokenizerCodec
from eval.models.weights import folder_of, revision_of, sha256_of_file, weight_files

# BLIP-2 and MiniGPT-4 see pictures of this size (easyeditor/trainer/models.py); their towers learnt at 224.
EVA_SIDE = 364
# Vicuna v0, which MiniGPT-4's projection was trained with, has 2,048 positions, Llama 2 has 4,096.
VICUNA_POSITIONS = 2048
# What transformers raises for a folder that is not as its configuration says.
UNREADABLE = (OSError, ValueError, RuntimeError, TypeError, AttributeError, KeyError, ArithmeticError)


class Architecture(StrEnum):
    """The models of the paper, by their keys in the hyper-parameter files."""

    LLAVA = "llava-1.5-7b"
    BLIP2 = "blip2-opt-2.7b"
    MINIGPT4 = "minigpt4-vicuna-7b"


def open_model(source: str, cache: Path, precision: Precision, device: str = "cpu") -> Loaded:
    """Return the model in a folder, or of a hub name such as llava-hf/llava-1.5-7b-hf@revision.

    Its weights are of the precision's trunk type; SplitModel raises the tail itself. No code of the model's
    folder is run, and pickled weights are read as tensors only. cache: keeps the hashes of large files.

    Raises PrerequisiteError, which names the fix, when there is no such folder or hub model, the
    architecture is none of the three, or tokeniser or weights are missing; IntegrityError when a file is
    damaged or the weights are not those of the configuration.
    """
    folder = folder_of(source)
    config = config_of(folder)
    architecture = architecture_of(config, str(folder))
    files = weight_files(folder)
    tokenizer = tokenizer_of(folder)
    module = _module(folder, architecture, files, precision).to(device)
    codec = TokenizerCodec(tokenizer)
    layout = _layout(module, architecture, tokenizer, codec)
    digest = _digest(folder, files, cache, precision)
    return Loaded(module, layout, codec, _pixels(module, architecture), architecture.value, digest)


def sketch_model(source: str) -> Loaded:
    """Return a model without its weights, to plan with: its module is on the meta device, its digest empty.

    Raises as open_model does, but asks for no weights.
    """
    import torch
    import transformers

    folder = folder_of(source)
    config = config_of(folder)
    architecture = architecture_of(config, str(folder))
    name = "Llava" if architecture is Architecture.LLAVA else "Blip2"
    shape = getattr(transformers, f"{name}Config").from_dict(config)
    shape.name_or_path = str(folder)
    with torch.device("meta"):
        module = getattr(transformers, f"{name}ForConditionalGeneration")(shape).eval()
    tokenizer = tokenizer_of(folder)
    codec = TokenizerCodec(tokenizer)
    layout = _layout(module, architecture, tokenizer, codec)
    return Loaded(module, layout, codec, _pixels(module, architecture), architecture.value, "")


def architecture_of(config: dict[str, Any], where: str) -> Architecture:
    """Return which of the three models a config.json describes. Raises PrerequisiteError for another one."""
    kind = config.get("model_type")
    text = config.get("text_config")
    language = text.get("model_type") if isinstance(text, dict) else None
    if kind == "llava" and "vision_config" not in config:
        raise PrerequisiteError(
            f"{where} is in LLaVA's own layout; "
            "take the one of transformers, such as llava-hf/llava-1.5-7b-hf"
        )
    if kind == "llava" and language == "llama":
        return Architecture.LLAVA
    if kind == "blip-2" and language == "opt":
        return Architecture.BLIP2
    if kind == "blip-2" and language == "llama" and isinstance(text, dict):
        positions = text.get("max_position_embeddings")
        if isinstance(positions, int) and positions > VICUNA_POSITIONS:
            raise PrerequisiteError(
                f"{where} is a MiniGPT-4 on Llama 2; the benchmark's is on Vicuna-7B v0: "
                "convert that one with `mmke model convert-minigpt4`"
            )
        return Architecture.MINIGPT4
    told = f"{kind} with {language}" if language else str(kind)
    raise PrerequisiteError(
        f"{where} is of the architecture {told}; the evaluator knows llava with llama (LLaVA-1.5), "
        "blip-2 with opt (BLIP-2) and blip-2 with llama (a converted MiniGPT-4)"
    )


def config_of(folder: Path) -> dict[str, Any]:
    """Return a folder's config.json.

    Raises PrerequisiteError when there is none, IntegrityError when it is broken.
    """
    path = folder / "config.json"
    if not path.is_file():
        hint = ""
        if list(folder.glob("*.pth")):
            hint = "; convert MiniGPT-4's checkpoints with `mmke model convert-minigpt4`"
        raise PrerequisiteError(f"{folder} has no config.json, so it holds no model of transformers{hint}")
    try:
        config = json.loads(path.read_bytes())
    except ValueError as error:
        raise IntegrityError(f"{path} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise IntegrityError(f"{path} is no JSON object")
    return config


def _module(folder: Path, architecture: Architecture, files: list[Path], precision: Precision) -> Any:  # noqa: ANN401
    """Return the module with every weight from the files. Raises IntegrityError when one is not there."""
    import transformers
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    name = "Llava" if architecture is Architecture.LLAVA else "Blip2"
    try:
        module, report = getattr(transformers, f"{name}ForConditionalGeneration").from_pretrained(
            folder,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=files[0].suffix == ".safetensors",
            weights_only=True,
            dtype=trunk_type(precision),
            output_loading_info=True,
        )
    except pickle.UnpicklingError as error:
        raise IntegrityError(f"{folder} holds a pickle of more than tensors, which is not read") from error
    except (*UNREADABLE, SafetensorError, StrictDataclassError) as error:
        raise IntegrityError(f"{folder} cannot be loaded: {error}") from error
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise IntegrityError(
            f"{folder} lacks {len(lacking)} of the model's weights, {lacking[0]} first; download it again"
        )
    return module.eval()


def tokenizer_of(folder: Path) -> Any:  # noqa: ANN401 - the library has no types
    """Return a folder's fast tokeniser, a tokenizers.Tokenizer.

    Raises PrerequisiteError when there is none, IntegrityError when it cannot be read.
    """
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            return Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more special
            raise IntegrityError(f"{path} cannot be read: {error}") from error
    try:
        made = AutoTokenizer.from_pretrained(
            folder, use_fast=True, local_files_only=True, trust_remote_code=False
        ).backend_tokenizer
    except (OSError, ValueError, ImportError, AttributeError, KeyError, TypeError) as error:
        raise PrerequisiteError(
            f"{folder} has no tokenizer.json, and none can be made of what is there; copy the tokenizer.json "
            "of the same model on the hub into it, or install sentencepiece and protobuf"
        ) from error
    return made


def _layout(module: Any, architecture: Architecture, tokenizer: Any, codec: TokenizerCodec) -> Layout:  # noqa: ANN401
    """Return the reference's input order (easyeditor/trainer/blip2_models, llava/model)."""
    config = module.config
    positions = int(config.text_config.max_position_embeddings)
    start, end = _marks(tokenizer, config.name_or_path)
    placeholder = _placeholder(module, tokenizer)
    if architecture is Architecture.LLAVA:
        side = config.vision_config.image_size // config.vision_config.patch_size
        tokens = side * side + (config.vision_feature_select_strategy != "default")
        lead = (start,)
        return Layout(lead, (), lead, tokens, placeholder, end, positions)
    tokens = int(config.num_query_tokens)
    if architecture is Architecture.BLIP2:
        # OPT begins a text with </s>; LAVIS ends an answer at a new line (models/blip2_models/blip2_opt.py).
        lead, line = (end,), codec.encode("\n")[0]
        return Layout((), lead, lead, tokens, placeholder, line[0] if len(line) == 1 else end, positions)
    before, after = (tuple(codec.encode(text)[0]) for text in WRAPPER)
    return Layout(before, after, (), tokens, placeholder, end, positions, (start,))


def _marks(tokenizer: Any, where: str) -> tuple[int, int]:  # noqa: ANN401
    """Return the ids of <s> and </s>; a tokeniser without the first begins a text with the second."""
    end = tokenizer.token_to_id("</s>")
    if end is None:
        raise IntegrityError(f"the tokeniser of {where} has no </s>, so it is none of the three models'")
    start = tokenizer.token_to_id("<s>")
    return (end if start is None else start), end


def _placeholder(module: Any, tokenizer: Any) -> int:  # noqa: ANN401
    """Return the id that stands for a picture; older BLIP-2 folders name none: the first unused one."""
    rows = module.get_input_embeddings().weight.shape[0]
    told = module.config.image_token_id
    if told is None:
        told = tokenizer.get_vocab_size()
        module.config.image_token_id = told
    if not 0 <= told < rows:
        raise IntegrityError(
            f"{module.config.name_or_path} has {rows} token embeddings, and stands {told} for a picture"
        )
    return int(told)


def _pixels(module: Any, architecture: Architecture) -> Pixels:  # noqa: ANN401
    if architecture is Architecture.LLAVA:
        return cropped(int(module.config.vision_config.image_size))
    return stretched(EVA_SIDE)


def _digest(folder: Path, files: list[Path], cache: Path, precision: Precision) -> str:
    """Return the sha256 of weights, configuration, tokeniser and precision."""
    told = {".json", ".model", ".txt"}
    small = [path for path in sorted(folder.iterdir()) if path.suffix in told and path.is_file()]
    content = {path.name: sha256_of_file(path, cache) for path in small}
    revision = revision_of(folder)
    weights = revision or {path.name: sha256_of_file(path, cache) for path in files}
    return sha256_json({"small": content, "weights": weights, "precision": precision.value})
