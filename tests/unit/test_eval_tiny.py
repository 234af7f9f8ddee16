"""The tiny models before training: shapes, layouts, tokens and pictures."""

from __future__ import annotations

import io

import numpy
import pytest
import torch
from PIL import Image

from curation.errors import IntegrityError
from eval.models.pictures import MAX_BYTES, cropped, stretched
from eval.models.port import Edit, Part, Question
from eval.models.tiny import WRAPPER, Family, TinyShape, new_module
from eval.models.tokens import END, IMAGE, START, Segment, TokenizerCodec, encode, train_tokenizer
from eval.records import Dialect
from tests.unit.tiny_networks import SHAPE, codec, picture, plain

FAMILIES = pytest.mark.parametrize("family", list(Family))


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@FAMILIES
def test_any_depth_and_number_of_picture_tokens(family: Family) -> None:
    tokens = 64 if family is Family.LLAVA else 16
    model = plain(family, TinyShape(
        image_size=32, patch_size=4, vision_width=16, vision_layers=1, text_width=16, text_layers=5,
        text_mlp=32, heads=2, vocabulary=500, max_tokens=200, queries=16, qformer_layers=2,
    ))  # fmt: skip
    prompt = model.encode(Question("What?", "A sign.", picture(1)), Dialect.CLEAN)
    assert prompt.ids.count(IMAGE) == tokens == model.layout.picture_tokens
    assert len(model.tensors(Part.TOP_MLPS)) == 6
    assert len(model.read([prompt], Edit())[0].predicted_ids) == len(prompt.label_ids) > 0


@FAMILIES
def test_equal_seeds_give_equal_weights_and_leave_torch_alone(family: Family) -> None:
    torch.manual_seed(3)
    following = torch.rand(1)
    torch.manual_seed(3)
    one, other, third = (new_module(SHAPE, family, seed, 3.0).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), following)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not all(torch.equal(one[name], third[name]) for name in one)


@FAMILIES
def test_the_picture_matters(family: Family) -> None:
    model = plain(family)
    first, second = (
        model.logits([model.encode(Question("What?", "A sign.", picture(n)), Dialect.CLEAN)], Edit())[0]
        for n in (1, 2)
    )
    assert not torch.allclose(first, second)


def test_layouts_are_the_reference_s() -> None:
    before, after = (tuple(codec().encode(text)[0]) for text in WRAPPER)
    seen = {family: plain(family).layout for family in Family}
    images = (IMAGE,) * 4
    heads = {family: (*one.head(picture=True, dialect=Dialect.TRAINER), -1) for family, one in seen.items()}
    assert heads[Family.LLAVA] == (START, *images, -1)
    assert heads[Family.BLIP2] == (*images, END, -1)
    assert heads[Family.MINIGPT4] == (*before, *images, *after, -1)
    texts = {family: one.head(picture=False, dialect=Dialect.TRAINER) for family, one in seen.items()}
    assert texts == {Family.LLAVA: (START,), Family.BLIP2: (END,), Family.MINIGPT4: ()}
    minigpt4 = seen[Family.MINIGPT4].head(picture=True, dialect=Dialect.KE)
    assert minigpt4 == (START, *before, *images, *after)


def test_a_text_cannot_spell_a_picture_or_the_end() -> None:
    ids, _ = TokenizerCodec(train_tokenizer(["some <image> words"], 400)).encode("look <image> </s>")
    assert not {IMAGE, END} & set(ids)


@FAMILIES
def test_a_lesson_s_answers_are_where_its_ids_say(family: Family) -> None:
    layout = plain(family).layout
    segments = [
        Segment("What?"),
        Segment(" A sign.", answer=True),
        Segment("\n\nWho?"),
        Segment(" Oslo", True),
    ]
    encoded = encode(codec(), segments, layout, picture=False)
    said = [codec().decode([encoded.ids[place] for place in answer]).strip() for answer in encoded.answers]
    assert said == ["A sign.", "Oslo"]
    assert encoded.ids[encoded.labels[-1]] == END


@pytest.mark.parametrize("size", [(50, 80), (80, 50), (20, 20), (37, 37)])
def test_the_centre_crop_is_clip_s(size: tuple[int, int]) -> None:
    from transformers import CLIPImageProcessorPil

    random = numpy.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=numpy.uint8)
    side = {"height": 32, "width": 32}
    clip = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=side)
    image = Image.fromarray(random)
    expected = torch.as_tensor(clip(image, return_tensors="pt")["pixel_values"][0])
    assert torch.allclose(cropped(32)(png(image)), expected, atol=1e-6)


def test_the_whole_picture_is_stretched() -> None:
    image = Image.new("RGB", (80, 20), (255, 0, 0))
    image.paste((0, 0, 255), (0, 0, 10, 20))
    pixels = stretched(40)(png(image))
    assert pixels.shape == (3, 40, 40)
    # The left eighth is still blue; a crop would have lost it.
    assert float(pixels[2, 20, 2]) > 2 > 0 > float(pixels[2, 20, 20])
    assert abs(float(pixels[0, 20, 30]) - (1 - 0.48145466) / 0.26862954) < 1e-5


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"x" * 50, b"0" * (MAX_BYTES + 1)]
)
def test_a_broken_picture_is_an_integrity_error(data: bytes) -> None:
    with pytest.raises(IntegrityError):
        stretched(32)(data)
    with pytest.raises(IntegrityError):
        cropped(32)(data)


def test_a_cut_off_picture_and_a_very_long_one_are_refused() -> None:
    with pytest.raises(IntegrityError):
        stretched(32)(png(Image.effect_noise((90, 90), 50).convert("RGB"))[:2000])
    with pytest.raises(IntegrityError):
        cropped(336)(png(Image.new("RGB", (1, 5000))))
