"""Small random-weight networks of the three architectures, for tests that need no trained model."""

from __future__ import annotations

import io
from functools import cache

import torch
from PIL import Image

from curation.ids import sha256_bytes
from eval.models.network import Loaded, PlainModel
from eval.models.port import Picture
from eval.models.split import SplitModel
from eval.models.tiny import Family, TinyShape, new_module, tiny_layout, tiny_pixels
from eval.models.tokens import TokenizerCodec, train_tokenizer

SHAPE = TinyShape(
    image_size=32, patch_size=16, vision_width=32, vision_layers=1, text_width=32, text_layers=4, text_mlp=64,
    heads=2, vocabulary=500, max_tokens=600, queries=4, qformer_layers=1,
)  # fmt: skip
TEXTS = (
    "What is the capital of Norway? Oslo",
    "Please introduce the building in the image. It is a concert hall in Peru, and dates from 1743.",
    "###Human: <Img></Img> What kind of thing is shown in the picture? A sign that forbids overtaking.",
    "New Fact: Who painted it? Harlow Tower\nPrompt: When was it built? 1974",
)


@cache
def codec() -> TokenizerCodec:
    """Return a byte-level tokeniser of 500 tokens."""
    return TokenizerCodec(train_tokenizer(TEXTS, SHAPE.vocabulary))


def loaded(family: Family, shape: TinyShape = SHAPE, seed: int = 7, gain: float = 6.0) -> Loaded:
    """Return an untrained model's parts; equal arguments give equal weights in a new module."""
    module = new_module(shape, family, seed, gain)
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            # As drawn, a layer hardly changes what passes it, and a model of such layers says its input.
            if tensor.dim() == 2 and ".layers." in name:
                tensor.mul_(gain)
    digest = sha256_bytes(f"{family.value} {shape} {seed} {gain}".encode())
    look = tiny_pixels(shape, family)
    return Loaded(module, tiny_layout(shape, family, codec()), codec(), look, family.value, digest)


def plain(family: Family, shape: TinyShape = SHAPE, seed: int = 7) -> PlainModel:
    """Return the oracle over an untrained model."""
    return PlainModel(loaded(family, shape, seed))


def split(family: Family, shape: TinyShape = SHAPE, seed: int = 7) -> SplitModel:
    """Return the split model with the weights that plain has."""
    return SplitModel(loaded(family, shape, seed))


def picture(number: int, side: int = 40) -> Picture:
    """Return a picture of stripes, another one for every number."""
    image = Image.new("RGB", (side, side + 10))
    pixels = [
        ((37 * number + 5 * x) % 256, (91 * number + 3 * y) % 256, (x * y + number) % 256)
        for y in range(side + 10)
        for x in range(side)
    ]
    image.putdata(pixels)
    file = io.BytesIO()
    image.save(file, "PNG")
    return Picture(sha256_bytes(file.getvalue()), file.getvalue())
