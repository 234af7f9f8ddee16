"""KE: the network against a written-out one, the condition, the multiplier and margin, training, edits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from eval.editors import ke as module
from eval.editors.conditions import condition_ids, read_ids
from eval.editors.hyper_network import Condition, Conditioner, KeNetwork
from eval.editors.ke import Ke, KeSettings, new_network
from eval.editors.settings import settings_for
from eval.models.network import Network
from eval.models.port import Edit, Part
from eval.models.tiny import Family
from eval.models.tokens import END, START
from eval.records import Dialect, Unscored
from tests.unit.apprentices import KilledError, killer, quiet, release, request, train_cases
from tests.unit.tiny_networks import split

SHA = "0" * 64
SMALL = replace(
    settings_for(KeSettings, "ke", "tiny-llava"),
    condition=16,
    max_scale=1.0,
    rate=3e-4,
    margin=1e-2,
    hidden=8,
    steps=12,
    warmup=2,
    validate_every=6,
    checkpoint_every=2,
)


def untrained(model: Network, settings: KeSettings = SMALL) -> Ke:
    return Ke(settings, new_network(model, settings, [5, 9]), Dialect.CLEAN, SHA)


def apprentice(model: Network, settings: KeSettings = SMALL) -> module._Apprentice:
    network = new_network(model, settings, read_ids(model, train_cases(), Dialect.CLEAN))
    return module._Apprentice(settings, network, model, release().image, Dialect.CLEAN)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "settings_for", lambda *_: SMALL)


def trained(model: Network, cache: Path, progress: object = quiet, dialect: Dialect = Dialect.CLEAN) -> Ke:
    return Ke.trained(train_cases(), release().image, model, dialect, cache, SHA, progress)


def slow_layer(layer: torch.nn.Linear, given: list[float]) -> list[float]:
    """Return a weight-normed layer's output: weight = length * direction / |direction|, row by row."""
    length, direction = (getattr(layer.parametrizations.weight, f"original{i}").tolist() for i in (0, 1))
    made = []
    for (scale,), row, bias in zip(length, direction, layer.bias.tolist(), strict=True):
        norm = math.sqrt(sum(one * one for one in row))
        made.append(bias + sum(scale * one / norm * x for one, x in zip(row, given, strict=True)))
    return made


def softmax(values: list[float]) -> list[float]:
    powers = [math.exp(value) for value in values]
    return [power / sum(powers) for power in powers]


def test_a_change_is_what_it_says_number_by_number() -> None:
    torch.manual_seed(0)
    outputs, inputs, scale = 3, 2, 0.7
    one = Conditioner(outputs, inputs, condition=5, hidden=4, scale=scale)
    condition, gradient = torch.randn(1, 5), torch.randn(outputs, inputs)
    made = slow_layer(one.second, [math.tanh(x) for x in slow_layer(one.first, condition[0].tolist())])
    column_a, row_a = made[:2], softmax(made[2:5])
    column_b, row_b, gate = made[5:7], softmax(made[7:10]), 1 / (1 + math.exp(-made[10]))
    expected = [
        [
            scale * gate * (float(gradient[i, j]) * row_a[i] * column_a[j] + row_b[i] * column_b[j])
            for j in range(inputs)
        ]
        for i in range(outputs)
    ]
    torch.testing.assert_close(one(condition, gradient), torch.tensor(expected))


def slow_lstm(lstm: torch.nn.LSTM, rows: Tensor, ending: str) -> Tensor:
    """Return the last hidden state over rows with the weights of one direction."""
    named = dict(lstm.named_parameters())
    hidden = cell = torch.zeros(lstm.hidden_size)
    for row in rows:
        gates = named[f"weight_ih_l0{ending}"] @ row + named[f"bias_ih_l0{ending}"]
        gates = gates + named[f"weight_hh_l0{ending}"] @ hidden + named[f"bias_hh_l0{ending}"]
        into, forget, new, out = gates.chunk(4)
        cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
        hidden = out.sigmoid() * cell.tanh()
    return hidden


def test_the_condition_is_both_last_states_through_a_layer() -> None:
    torch.manual_seed(0)
    reader, rows = Condition(6, 4, 5), torch.randn(7, 6)
    states = [slow_lstm(reader.lstm, rows, ""), slow_lstm(reader.lstm, rows.flip(0), "_reverse")]
    expected = (reader.linear.weight @ torch.cat(states) + reader.linear.bias).tanh()
    torch.testing.assert_close(reader(rows)[0], expected)


def test_only_the_embeddings_that_training_reads_are_learned() -> None:
    network = KeNetwork({"a": (3, 2)}, 6, torch.tensor([4, 8]), hidden=4, condition=5, scale=1.0, seed=0)
    ids, rows, gradient = torch.tensor([8, 9, 8, 3]), torch.randn(4, 6), {"a": torch.zeros(3, 2)}
    before = network.updates(ids, rows, gradient)["a"]
    moved = torch.zeros(4, 6)
    moved[[0, 2]] = 0.5
    network.differences.data[1] = 0.5
    after = network.updates(ids, rows, gradient)["a"]
    network.differences.data.zero_()
    assert not torch.equal(before, after)
    assert torch.equal(after, network.updates(ids, rows + moved, gradient)["a"])


def test_the_condition_reads_target_and_request_but_in_the_reference() -> None:
    model, case = split(Family.LLAVA), train_cases()[0]
    text = f"{case.original_text} >> {case.target} || {case.request}"
    ids = condition_ids(model, case, Dialect.CLEAN)
    assert ids[0] == START
    assert model.codec.decode(ids[1:]) == text
    assert condition_ids(model, case, Dialect.KE) == ids[:32]
    assert len(ids) > 32
    assert condition_ids(split(Family.BLIP2), case, Dialect.KE)[0] == END
    assert condition_ids(split(Family.MINIGPT4), case, Dialect.KE)[0] == START
    seen = read_ids(model, train_cases(), Dialect.CLEAN)
    assert seen == sorted(
        {one for case in train_cases() for one in condition_ids(model, case, Dialect.CLEAN)}
    )


@pytest.mark.parametrize("family", list(Family))
def test_an_edit_adds_the_networks_change_of_the_gradient(family: Family) -> None:
    model, case = split(family), train_cases()[0]
    before = model.state_digest()
    editor, asked = untrained(model), request(model, case)
    edit = editor.edit(model, [asked], Edit())[0]
    factors = model.factors(asked.prompt, Part.TOP_MLPS, {})
    ids = condition_ids(model, case, Dialect.CLEAN)
    changes = new_network(model, SMALL, [5, 9]).updates(
        torch.tensor(ids),
        model.embeddings(ids),
        {name: one.deltas.T @ one.inputs for name, one in factors.items()},
    )
    assert edit.weights.keys() == changes.keys() == model.tensors(Part.TOP_MLPS).keys()
    for name, own in model.tensors(Part.TOP_MLPS).items():
        torch.testing.assert_close(edit.weights[name], own + changes[name])
        assert float((edit.weights[name] - own).abs().max()) > 1e-4
    assert model.state_digest() == before


def test_two_edits_at_once_are_two_edits_one_by_one() -> None:
    model = split(Family.LLAVA)
    editor, asked = untrained(model), [request(model, case) for case in train_cases()[:2]]
    together = editor.edit(model, asked, Edit())
    for one, edit in zip(asked, together, strict=True):
        alone = editor.edit(model, [one], Edit())[0]
        assert all(torch.equal(edit.weights[name], alone.weights[name]) for name in alone.weights)


def test_what_cannot_be_edited_is_unscored() -> None:
    model, case = split(Family.LLAVA), train_cases()[0]
    asked = request(model, case)
    long = replace(asked, case=case.model_copy(update={"original_text": "word " * 700}))
    assert untrained(model).edit(model, [long], Edit()) == [Unscored.TOO_LONG]
    wild = untrained(model, replace(SMALL, max_scale=float("inf")))
    assert wild.edit(model, [asked], Edit()) == [Unscored.NOT_FINITE]


@pytest.mark.parametrize(("margin", "rises"), [(1e-6, True), (10.0, False)])
def test_the_multiplier_rises_while_updates_are_too_large(margin: float, rises: bool) -> None:
    one = apprentice(split(Family.LLAVA), replace(SMALL, margin=margin))
    one.loss(train_cases()[0]).backward()
    group = one.groups()[1]
    assert group.rate == SMALL.multiplier_rate
    torch.optim.RMSprop(list(group.tensors), lr=group.rate, centered=True).step()
    assert (one.state()["multiplier"].item() > 1) is rises
    with torch.no_grad():
        group.tensors[0].fill_(-0.3)
    one.stepped()
    assert one.state()["multiplier"].item() == 0


def test_the_loss_is_the_targets_and_the_bounded_norm() -> None:
    model, case = split(Family.LLAVA), train_cases()[0]
    loose, tight = (apprentice(model, replace(SMALL, margin=margin)) for margin in (0.5, 0.25))
    assert float((tight.loss(case) - loose.loss(case)).detach()) == pytest.approx(0.25, abs=1e-5)
    prompt, logits, changes = loose._edited(case)
    size = sum(float(change.detach().square().mean().sqrt()) for change in changes.values()) / len(changes)
    chosen = logits.log_softmax(-1)[range(len(prompt.label_ids)), list(prompt.label_ids)]
    assert float(loose.loss(case)) == pytest.approx(-float(chosen.mean()) + size - 0.5, abs=1e-5)


@pytest.mark.parametrize(("needed", "factor"), [(-1.0, 0.8), (1.0, 1.0)])
def test_the_margin_shrinks_when_validation_is_good(needed: float, factor: float) -> None:
    one = apprentice(split(Family.LLAVA), replace(SMALL, margin_accuracy=needed, margin_floor=0.0))
    accuracy = one.validate(train_cases()[:2])
    assert 0 <= accuracy <= 1
    assert float(one.state()["margin"]) == pytest.approx(SMALL.margin * factor)
    floored = apprentice(split(Family.LLAVA), replace(SMALL, margin_accuracy=-1.0, margin_floor=SMALL.margin))
    floored.validate(train_cases()[:1])
    assert float(floored.state()["margin"]) == SMALL.margin


def test_training_resumes_to_the_same_bits_and_is_kept(tmp_path: Path, small: None) -> None:
    model = split(Family.MINIGPT4)
    before = model.state_digest()
    whole = trained(model, tmp_path / "whole")
    for at in (5, 8):
        with pytest.raises(KilledError):
            trained(model, tmp_path / "cut", killer(at))
    assert trained(model, tmp_path / "cut").hyper_parameters() == whole.hyper_parameters()
    kept = trained(model, tmp_path / "cut", killer(1))
    assert kept.hyper_parameters() == whole.hyper_parameters()
    asked = request(model, train_cases()[0])
    one, two = (editor.edit(model, [asked], Edit())[0] for editor in (whole, kept))
    assert all(torch.equal(one.weights[name], two.weights[name]) for name in one.weights)
    assert trained(model, tmp_path / "cut", dialect=Dialect.KE).hyper_parameters() != whole.hyper_parameters()
    assert model.state_digest() == before


def test_training_lowers_the_targets_loss() -> None:
    settings = replace(SMALL, rate=1e-3, steps=60, warmup=5, margin=1.0, validate_every=60)
    one, case = apprentice(split(Family.LLAVA), settings), train_cases()[0]
    before = float(one.loss(case))
    optimizer = torch.optim.RMSprop(list(one.groups()[0].tensors), lr=settings.rate, centered=True)
    for _ in range(15):
        optimizer.zero_grad()
        one.loss(case).backward()
        optimizer.step()
    assert float(one.loss(case)) < before


def test_the_reference_values_are_the_reference_ones() -> None:
    for name in ("llava-1.5-7b", "blip2-opt-2.7b", "minigpt4-vicuna-7b"):
        one = settings_for(KeSettings, "ke", name)
        assert (one.condition, one.hidden, one.max_scale, one.norm) == (1024, 128, 1.0, 2.0)
        assert (one.rate, one.multiplier_rate, one.steps, one.warmup) == (3e-4, 0.1, 20000, 1000)
        assert (one.margin, one.margin_factor, one.margin_floor, one.margin_accuracy) == (
            1e-3,
            0.8,
            1e-7,
            0.9,
        )
        assert (one.patience, one.schedule.optimizer, one.schedule.decay) == (0, "rmsprop", True)
