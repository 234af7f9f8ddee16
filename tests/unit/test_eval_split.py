"""The split model against the plain one: the same ids on every probe, the same bits in edited tensors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from curation.records import Split
from eval.bench.subjects import untrained
from eval.cases import edit_cases
from eval.editors.fine_tuning import FineTuning, FineTuningEditor
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.port import EditRequest
from eval.models.bitwise import latest_equal
from eval.models.network import Network, PlainModel
from eval.models.packing import pack
from eval.models.port import Edit, Part, Prompt, Question
from eval.models.precision import Precision, raise_tail
from eval.models.split import SplitModel
from eval.models.tiny import Family, TinyShape
from eval.records import Dialect
from tests.unit import tiny_networks
from tests.unit.eval_release import make_release

FAMILIES = list(Family)
DIALECTS = [Dialect.CLEAN, Dialect.TRAINER, Dialect.KE]
SETTINGS = FineTuning(steps=8, learning_rate=3e-3)
CASE = next(edit_cases(make_release(), Split.TRAIN))
LONG = "It is a concert hall in Peru, and dates from 1743."


def probes(model: Network, dialect: Dialect) -> list[Prompt]:
    one, two = tiny_networks.picture(1), tiny_networks.picture(2)
    asked = [
        (Question("What is the capital of Norway?", "Oslo"), True),
        (Question("When was Harlow Tower built?", "1974"), False),
        (Question("What kind of building is shown?", "a concert hall", one), False),
        (Question("When was it built?", "in 1743", one), False),
        (Question("Which sign is this?", "forbids overtaking", two), True),
    ]
    return [model.encode(question, dialect, locality=locality) for question, locality in asked]


def requests(model: Network, dialect: Dialect) -> list[EditRequest]:
    pictures = tiny_networks.picture(1), tiny_networks.picture(3)
    targets = (LONG, f"A sign. {LONG}")
    asked = [Question("Please introduce it.", *rest) for rest in zip(targets, pictures, strict=True)]
    return [EditRequest(None, model.encode(one, dialect)) for one in asked]  # type: ignore[arg-type]


def pair(family: Family, dialect: Dialect) -> tuple[PlainModel, SplitModel]:
    plain, split = tiny_networks.plain(family), tiny_networks.split(family)
    split.hold([*(one.prompt for one in requests(split, dialect)), *probes(split, dialect)], packed=True)
    return plain, split


def top_weights(model: Network) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    return {name: t + 0.05 * torch.randn_like(t) for name, t in model.tensors(Part.TOP_MLPS).items()}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_unedited_model_reads_the_same(family: Family, dialect: Dialect) -> None:
    plain, split = pair(family, dialect)
    assert split.read(probes(split, dialect), Edit()) == plain.read(probes(plain, dialect), Edit())


@pytest.mark.parametrize("editor", [FtLlm(SETTINGS), FtAlignment(SETTINGS)], ids=lambda one: one.name)
@pytest.mark.parametrize("family", FAMILIES)
def test_fine_tuning_gives_the_same_bits_and_ids(family: Family, editor: FineTuningEditor) -> None:
    plain, split = pair(family, Dialect.CLEAN)
    slow = editor.edit(plain, requests(plain, Dialect.CLEAN), Edit())
    fast = editor.edit(split, requests(split, Dialect.CLEAN), Edit())
    base = split.read(probes(split, Dialect.CLEAN), Edit())
    moved = 0
    for one, other in zip(slow, fast, strict=True):
        assert isinstance(one, Edit) and isinstance(other, Edit)
        assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
        read = split.read(probes(split, Dialect.CLEAN), other)
        assert read == plain.read(probes(plain, Dialect.CLEAN), one)
        moved += read != base
    assert moved == len(fast)


@pytest.mark.parametrize("part", [Part.LAST_MLP, Part.CONNECTOR])
@pytest.mark.parametrize("family", FAMILIES)
def test_edits_made_side_by_side_are_those_made_alone(family: Family, part: Part) -> None:
    # The reference's own rate: Adam makes a step of the size of the rate from any noise.
    settings = FineTuning(steps=10, learning_rate=1e-4)
    editor = (FtLlm if part is Part.LAST_MLP else FtAlignment)(settings)
    batched = SplitModel(tiny_networks.loaded(family), batched=True)
    together = editor.edit(batched, requests(batched, Dialect.CLEAN), Edit())
    plain = tiny_networks.plain(family)
    for one, request in zip(together, requests(plain, Dialect.CLEAN), strict=True):
        alone = editor.edit(plain, [request], Edit())[0]
        assert isinstance(one, Edit) and isinstance(alone, Edit)
        for name, tensor in alone.weights.items():
            # A key's bias has no true gradient, because a softmax does not feel it: its steps are noise.
            if not name.endswith("key.bias"):
                torch.testing.assert_close(one.weights[name], tensor, atol=1e-6, rtol=0)
        assert batched.read(probes(batched, Dialect.CLEAN), one) == plain.read(
            probes(plain, Dialect.CLEAN), alone
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_new_weights_of_three_layers_read_the_same(family: Family) -> None:
    plain, split = pair(family, Dialect.TRAINER)
    edit = Edit(weights=top_weights(split))
    assert split.read(probes(split, Dialect.TRAINER), edit) == plain.read(
        probes(plain, Dialect.TRAINER), edit
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_whole_layer_and_a_connector_together_read_the_same(family: Family) -> None:
    plain, split = pair(family, Dialect.CLEAN)
    layer = f"{split.decoder.prefix}layers.{split.decoder.depth - 1}."
    torch.manual_seed(5)
    names = [n for n, _ in split.module.named_parameters() if n.startswith((layer, split.anatomy.connector))]
    tensors = dict(split.module.named_parameters())
    weights = {name: tensors[name] + 0.05 * torch.randn_like(tensors[name]) for name in names}
    for edit in (Edit(weights=weights), Edit(weights={n: w for n, w in weights.items() if layer in n})):
        assert split.read(probes(split, Dialect.CLEAN), edit) == plain.read(
            probes(plain, Dialect.CLEAN), edit
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_factors_are_those_of_a_full_pass_and_make_the_gradient(family: Family) -> None:
    plain, split = pair(family, Dialect.TRAINER)
    prompt = requests(split, Dialect.TRAINER)[0].prompt
    slow, fast = (model.factors(prompt, Part.TOP_MLPS, {}) for model in (plain, split))
    weights = {n: t.clone().requires_grad_() for n, t in plain.tensors(Part.TOP_MLPS).items()}
    stacked = {name: tensor[None] for name, tensor in weights.items()}
    gradients = torch.autograd.grad(
        plain.objective(Part.TOP_MLPS, [prompt])(stacked).sum(), list(weights.values())
    )
    assert slow.keys() == fast.keys() == weights.keys()
    for name, gradient in zip(weights, gradients, strict=True):
        assert torch.equal(slow[name].inputs, fast[name].inputs)
        assert torch.equal(slow[name].deltas, fast[name].deltas)
        torch.testing.assert_close(fast[name].deltas.T @ fast[name].inputs, gradient)


@pytest.mark.parametrize("method", ["MEND", "KE"])
@pytest.mark.parametrize("family", FAMILIES)
def test_hyper_networks_give_the_same_weights_and_ids(family: Family, method: str) -> None:
    plain, split = pair(family, Dialect.CLEAN)
    told = [EditRequest(CASE, one.prompt) for one in requests(split, Dialect.CLEAN)]
    editor = untrained(method, split, [CASE], Dialect.CLEAN)
    slow, fast = (editor.edit(model, told, Edit()) for model in (plain, split))
    for one, other in zip(slow, fast, strict=True):
        assert isinstance(one, Edit) and isinstance(other, Edit)
        for name, tensor in one.weights.items():
            assert not torch.equal(tensor, plain.tensors(Part.TOP_MLPS)[name])
            torch.testing.assert_close(other.weights[name], tensor, atol=1e-6, rtol=0)
        read = split.read(probes(split, Dialect.CLEAN), other)
        assert read == plain.read(probes(plain, Dialect.CLEAN), one)


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_under_a_float32_top_reads_the_same_in_both_models(family: Family) -> None:
    models = []
    for kind in (PlainModel, SplitModel):
        loaded = tiny_networks.loaded(family)
        for name, tensor in loaded.module.named_parameters():
            if not name.startswith(("qformer", "query_tokens")):
                tensor.data = tensor.data.bfloat16()
        raise_tail(loaded.module, Precision.DEFAULT)
        models.append(kind(loaded))
    editor = FtLlm(SETTINGS)
    plain, split = (
        model.read(
            probes(model, Dialect.CLEAN), editor.edit(model, requests(model, Dialect.CLEAN)[:1], Edit())[0]
        )
        for model in models  # type: ignore[arg-type]
    )
    assert [one.predicted_ids for one in plain] == [one.predicted_ids for one in split]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_generated_alike_alone_and_beside_others(family: Family) -> None:
    _, split = pair(family, Dialect.CLEAN)
    asked = [
        split.encode(prompt.question, Dialect.CLEAN, asked_only=True)
        for prompt in probes(split, Dialect.CLEAN)
    ]
    edit = Edit(weights=top_weights(split))
    together = split.generate(asked, edit, 6)
    assert together == [split.generate([one], edit, 6)[0] for one in asked]
    assert len(set(together)) > 1


def test_the_model_is_untouched_by_edits_and_by_an_exception_in_one() -> None:
    _, split = pair(Family.LLAVA, Dialect.CLEAN)
    before = split.state_digest()
    FtLlm(SETTINGS).edit(split, requests(split, Dialect.CLEAN), Edit())
    with pytest.raises(TypeError, match="integer"):
        FtLlm(replace(SETTINGS, steps="steps")).edit(split, requests(split, Dialect.CLEAN), Edit())  # type: ignore[arg-type]
    assert split.state_digest() == before


def test_a_diverged_edit_is_unscored_and_the_next_is_not() -> None:
    _, split = pair(Family.LLAVA, Dialect.CLEAN)
    wild = FtLlm(FineTuning(steps=2, learning_rate=float("inf")))
    assert [str(one) for one in wild.edit(split, requests(split, Dialect.CLEAN), Edit())] == ["nan", "nan"]
    calm = FtLlm(SETTINGS).edit(split, requests(split, Dialect.CLEAN), Edit())
    assert all(isinstance(one, Edit) for one in calm)


def test_a_connector_edit_cannot_move_a_text() -> None:
    _, split = pair(Family.LLAVA, Dialect.TRAINER)
    edit = FtAlignment(SETTINGS).edit(split, requests(split, Dialect.TRAINER)[:1], Edit())[0]
    assert isinstance(edit, Edit)
    asked = probes(split, Dialect.TRAINER)
    before, after = split.read(asked, Edit()), split.read(asked, edit)
    assert before[:2] == after[:2] and before[2:] != after[2:]


def test_prompts_on_one_picture_share_a_row_of_a_lead_and_branches() -> None:
    split = tiny_networks.split(Family.LLAVA)
    asked = probes(split, Dialect.CLEAN)
    rows = pack(asked)
    assert [len(row.prompts) for row in rows] == [2, 2, 1]
    for row in rows:
        ids, places = (*row.lead.ids, *row.branches), (*range(len(row.lead.ids)), *row.branch_places)
        assert row.stem > 0 and len(ids) <= sum(len(one.ids) for one in row.prompts)
        for number, prompt in enumerate(row.prompts):
            where = row.where(number)
            assert [ids[place] for place in where] == [prompt.ids[at] for at in prompt.rows]
            assert [places[place] for place in where] == list(prompt.rows)


def test_the_first_prompt_on_a_picture_has_the_bits_that_it_has_alone() -> None:
    split = tiny_networks.split(Family.MINIGPT4)
    first = requests(split, Dialect.CLEAN)[0].prompt
    alone = split.logits([first], Edit())[0]
    split.hold([first, *probes(split, Dialect.CLEAN)], packed=True)
    assert torch.equal(split.logits([first], Edit())[0], alone)


def test_positions_are_left_out_only_where_no_bit_changes() -> None:
    def changed_before(bound: int) -> int:
        return latest_equal(lambda start: (torch.tensor(float(0 < start < bound)),), 700)

    # Beginnings that are tried for a first label at 700: 700 and 384, then all.
    assert [changed_before(bound) for bound in (0, 700, 701)] == [700, 700, 0]
    assert latest_equal(lambda start: (torch.tensor(float(start > 384)),), 700) == 384


def test_deep_models_read_the_same() -> None:
    shape = TinyShape(text_layers=9, image_size=64, vocabulary=500, text_width=32, text_mlp=64, heads=2)
    plain, split = tiny_networks.plain(Family.LLAVA, shape), tiny_networks.split(Family.LLAVA, shape)
    asked = probes(split, Dialect.TRAINER)
    assert split.cut == 6
    edit = Edit(weights=top_weights(split))
    assert split.read(asked, edit) == plain.read(asked, edit)
