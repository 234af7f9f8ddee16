"""Folders of tiny models in the layout of the hub, for the tests of loading and converting."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eval.models.tiny import Family, TinyShape, new_module
from eval.models.tokens import train_tokenizer
from tests.unit.tiny_networks import TEXTS

SHAPE = TinyShape(
    image_size=56, patch_size=14, vision_width=16, vision_layers=1, text_width=16, text_layers=2, text_mlp=32,
    heads=2, vocabulary=420, max_tokens=512, queries=4, qformer_layers=1,
)  # fmt: skip


def model_folder(folder: Path, family: Family, shape: TinyShape = SHAPE) -> Path:
    """Save an untrained module with its tokeniser, as on the hub, and return the folder."""
    module = new_module(shape, family, 5, 6.0)
    module.save_pretrained(folder)
    save_tokenizer(folder, shape.vocabulary)
    return folder


def save_tokenizer(folder: Path, vocabulary: int) -> None:
    """Save a byte-level tokeniser with the ids of the tiny models."""
    train_tokenizer(TEXTS, vocabulary).save(str(folder / "tokenizer.json"))


def change_config(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change config.json in place."""
    path = folder / "config.json"
    config = json.loads(path.read_bytes())
    change(config)
    path.write_text(json.dumps(config))
