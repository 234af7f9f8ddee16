"""The benches measure both ways on the same items: same ids, and models of the sizes that they claim."""

from __future__ import annotations

import pytest

from eval.bench.gpu import METHODS, cells
from eval.bench.items import ANSWER, QUESTION, TARGET, made_up
from eval.bench.subjects import real_shape, tiny_llava
from eval.models.precision import Precision
from eval.models.split import SplitModel
from eval.records import Dialect


def test_an_item_has_the_sizes_of_the_benchmark() -> None:
    model = SplitModel(tiny_llava(4))
    item = made_up(model, 1, Dialect.TRAINER)[0]
    assert len(item.request.prompt.label_ids) == TARGET
    assert {len(probe.label_ids) for probe in item.probes} == {ANSWER}
    text = QUESTION + ANSWER
    assert {len(probe.ids) for probe in item.probes} == {1 + text, 577 + text}
    assert len({p.question.picture.sha256 for p in item.probes if p.question.picture}) == 3


def test_every_method_gives_the_plain_loop_s_ids_in_a_block_of_two() -> None:
    measured = list(cells(tiny_llava(4, side=56), "cpu", 2, 1))
    assert [cell.method for cell in measured] == list(METHODS)
    for cell in measured:
        changed, first, moved, ordered = cell.flipped
        assert (changed, moved) == (0, 0), cell.method
        assert first > 0 and ordered > 0


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("llava-1.5-7b", 7.06e9), ("blip2-opt-2.7b", 3.74e9), ("minigpt4-vicuna-7b", 7.83e9)],
)
def test_real_shapes_have_the_real_sizes(name: str, parameters: float) -> None:
    loaded = real_shape(name, Precision.EXACT, "meta")
    count = sum(tensor.numel() for tensor in loaded.module.parameters())
    assert count == pytest.approx(parameters, rel=0.01)
