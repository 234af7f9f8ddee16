"""The tiny model: encoding, padding, batching, refusals."""

from __future__ import annotations

import torch

from eval.models.port import Edit, Question
from eval.models.tiny import reading_of
from eval.models.tokens import END, IMAGE, Encoded, Segment, encode, train_tokenizer
from eval.records import Unscored
from tests.unit.eval_model import SMALL, small_model, small_release


def questions() -> list[Question]:
    pictures = list(small_release().images.values())
    return [
        Question("What is the capital of Norway?", "Oslo"),
        Question(
            "Please introduce the building in the image.", "It is in Peru, and dates from 1743.", pictures[0]
        ),
        Question("Where?", "Here", pictures[1]),
    ]


def test_a_batch_reads_as_one_by_one() -> None:
    model = small_model()
    together = model.read(questions(), Edit())
    assert together == [model.read([question], Edit())[0] for question in questions()]


def test_a_batch_generates_as_one_by_one() -> None:
    model = small_model()
    together = model.generate(questions(), Edit())
    assert together == [model.generate([question], Edit())[0] for question in questions()]


def test_greedy_with_kept_keys_in_a_padded_batch_equals_a_plain_loop() -> None:
    model = small_model()
    encoded = [model._encode(question, Edit(), asked=False) for question in questions()]
    pictures = [question.image for question in questions()]
    with torch.inference_mode():
        rows = model._greedy(model._batch(encoded, pictures, left=True), {})
        for row, one, picture in zip(rows, encoded, pictures, strict=True):
            said: list[int] = []
            while len(said) < SMALL.shape.new_tokens and said[-1:] != [END]:
                batch = model._batch([Encoded((*one.ids, *said), ())], [picture], left=False)
                said.append(int(model.module(**batch).logits[0, -1].argmax()))
            assert row == [token for token in said if token != END]


def test_the_picture_matters() -> None:
    first, second = list(small_release().images.values())[:2]
    model = small_model()
    losses = [float(model.loss(Question("What?", "A sign.", image), {})) for image in (first, second)]
    assert losses[0] != losses[1]


def test_too_long_is_unscored_and_spares_the_others() -> None:
    long = Question("word " * 2000, "Oslo")
    readings = small_model().read([long, questions()[0]], Edit())
    assert [reading.unscored for reading in readings] == [Unscored.TOO_LONG, None]
    assert small_model().generate([long], Edit()) == [""]


def test_a_text_cannot_spell_a_picture() -> None:
    tokenizer = train_tokenizer(["some <image> words"], 400)
    assert IMAGE not in encode(tokenizer, [Segment("look <image> </s>")], 0, end=False).ids


def test_equal_logits_keep_the_order_of_ids() -> None:
    top = reading_of(Encoded((7, 8), ((1,),)), torch.zeros(1, 30)).top_ids
    assert top == (tuple(range(10)),)


def test_nan_is_unscored() -> None:
    weights = {"model.multi_modal_projector.linear_1.bias": torch.full((32,), float("nan"))}
    text, picture = small_model().read(questions()[:2], Edit(weights=weights))
    assert (text.unscored, picture.unscored) == (None, Unscored.NOT_FINITE)
