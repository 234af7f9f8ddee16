"""MEND: the transform against a written-out one, the untrained step, training, what an edit leaves alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from curation.errors import PrerequisiteError
from curation.records import ProbeKind
from eval.editors import mend as module
from eval.editors.drills import drill, fitting_cases, locality_loss
from eval.editors.gradient_transform import LowRank, MendNetwork, Running, Transform
from eval.editors.mend import Mend, MendSettings, new_network
from eval.editors.settings import settings_for
from eval.models.network import Network, label_loss
from eval.models.port import Edit, Factors, Part
from eval.models.tiny import Family
from eval.records import Dialect, Unscored
from tests.unit.apprentices import KilledError, killer, quiet, release, request, train_cases
from tests.unit.tiny_networks import plain, split

SHA = "0" * 64
SMALL = replace(
    settings_for(MendSettings, "mend", "tiny-llava"),
    rank=8,
    rate=1e-3,
    rate_rate=1e-4,
    steps=12,
    validate_every=6,
    checkpoint_every=2,
)


def untrained(model: Network, settings: MendSettings = SMALL) -> Mend:
    return Mend(settings, new_network(model, settings), SHA)


def gradients(model: Network, number: int = 0) -> dict[str, Tensor]:
    prompt = request(model, train_cases()[number]).prompt
    weights = {name: one.clone().requires_grad_() for name, one in model.tensors(Part.TOP_MLPS).items()}
    loss = label_loss(prompt, model.logits([prompt], Edit(weights=weights))[0])
    return dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> MendSettings:
    monkeypatch.setattr(module, "settings_for", lambda *_: SMALL)
    return SMALL


def trained(model: Network, cache: Path, progress: object = quiet, dialect: Dialect = Dialect.CLEAN) -> Mend:
    return Mend.trained(train_cases(), release().image, model, dialect, cache, SHA, progress)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("build", [plain, split])
def test_factors_make_the_gradient_that_autograd_has(family: Family, build: type) -> None:
    model = build(family)
    factors = model.factors(request(model, train_cases()[0]).prompt, Part.TOP_MLPS, {})
    expected = gradients(model)
    assert factors.keys() == expected.keys()
    assert len(expected) == 6
    for name, gradient in expected.items():
        torch.testing.assert_close(factors[name].deltas.T @ factors[name].inputs, gradient)


@pytest.mark.parametrize("family", list(Family))
def test_untrained_it_adds_its_rate_times_the_gradient(family: Family) -> None:
    model = split(family)
    edit = untrained(model).edit(model, [request(model, train_cases()[0])], Edit())[0]
    assert isinstance(edit, Edit)
    for name, gradient in gradients(model).items():
        added = edit.weights[name] - model.tensors(Part.TOP_MLPS)[name]
        torch.testing.assert_close(added, SMALL.inner_rate * gradient, atol=3e-8, rtol=1e-3)


def test_a_map_is_what_it_says_number_by_number() -> None:
    torch.manual_seed(0)
    one, x = LowRank(5, 3, 2), torch.randn(4, 5)
    for tensor in one.parameters():
        tensor.data.normal_()
    one.requires_grad_(False)
    u, v = one.u @ one.v, one.bias
    for layer in (0, 1):
        found = one(x, layer)
        for row in range(4):
            for i in range(5):
                inner = sum(float(u[i, j]) * float(x[row, j]) for j in range(5)) + float(v[i])
                inner = inner * float(one.scale[layer, i]) + float(one.shift[layer, i])
                assert float(found[row, i]) == pytest.approx(float(x[row, i]) + max(inner, 0.0), abs=1e-5)


def test_an_untouched_map_is_the_identity_and_can_learn() -> None:
    one, x = LowRank(5, 1920, 1), torch.randn(4, 5)
    assert torch.equal(one(x, 0), x)
    assert one.v.shape == (5, 5)
    one(x, 0).sum().backward()
    assert float(one.u.grad.abs().max()) > 0


@pytest.mark.parametrize("sizes", [[30], [1, 29], [7, 1, 1, 21]])
def test_the_running_statistics_are_those_of_all_rows(sizes: list[int]) -> None:
    rows = torch.randn(30, 4) * torch.tensor([1.0, 10.0, 0.1, 3.0]) + 2
    running = Running(4)
    for chunk in rows.split(sizes):
        running.see(chunk)
    torch.testing.assert_close(running(rows), (rows - rows.mean(0)) / (rows.std(0) + 1e-7))


def test_rows_without_input_or_gradient_do_not_count() -> None:
    transform = Transform(3, 2, 1, rank=2, hidden=1)
    x, delta = torch.randn(5, 3), torch.randn(5, 2)
    x[1], delta[3] = 0, 0
    found = transform(Factors(x, delta), 0, learn=True)
    assert float(transform.inputs.count) == 3 == len(found.inputs)
    assert torch.equal(transform.deltas.mean, delta[[0, 2, 4]].mean(0))


def test_matrices_of_one_shape_share_a_transform() -> None:
    network = MendNetwork({"a": (2, 3), "b": (3, 2), "c": (2, 3)}, 4, 1, 0.5, seed=1)
    assert set(network.transforms) == {"2x3", "3x2"}
    assert network.transforms["2x3"].maps[0].scale.shape == (2, 5)
    assert len(network.transforms["2x3"].maps) == 2
    assert network.rates.tolist() == [0.5] * 3


def test_two_edits_at_once_are_two_edits_one_by_one(tmp_path: Path, small: MendSettings) -> None:
    model = split(Family.LLAVA)
    editor, asked = trained(model, tmp_path), [request(model, case) for case in train_cases()[:2]]
    together = editor.edit(model, asked, Edit())
    for one, edit in zip(asked, together, strict=True):
        alone = editor.edit(model, [one], Edit())[0]
        assert all(torch.equal(edit.weights[name], alone.weights[name]) for name in alone.weights)
    assert any(
        not torch.equal(together[0].weights[name], together[1].weights[name]) for name in alone.weights
    )


def test_training_resumes_to_the_same_bits_and_is_kept(tmp_path: Path, small: MendSettings) -> None:
    model = split(Family.LLAVA)
    before = model.state_digest()
    whole = trained(model, tmp_path / "whole")
    for at in (5, 8):
        with pytest.raises(KilledError):
            trained(model, tmp_path / "cut", killer(at))
    assert trained(model, tmp_path / "cut").hyper_parameters() == whole.hyper_parameters()
    kept = trained(model, tmp_path / "cut", killer(1))
    assert kept.hyper_parameters() == whole.hyper_parameters()
    other = trained(model, tmp_path / "cut", dialect=Dialect.TRAINER)
    assert other.hyper_parameters() != whole.hyper_parameters()
    assert model.state_digest() == before


def test_training_lowers_the_loss_it_is_about(tmp_path: Path, small: MendSettings) -> None:
    model = plain(Family.LLAVA)

    def loss(editor: Mend) -> float:
        total = 0.0
        for case in train_cases():
            edit = editor.edit(model, [request(model, case)], Edit())[0]
            one = drill(model, case, release().image, Dialect.CLEAN)
            taught, kept = [one.rephrased, one.elsewhere], [one.text_locality, one.image_locality]
            for prompt, logits in zip(taught, model.logits(taught, edit), strict=True):
                total += 0.1 * float(label_loss(prompt, logits))
            for prompt, was, now in zip(
                kept, model.logits(kept, Edit()), model.logits(kept, edit), strict=True
            ):
                total += float(locality_loss(prompt, was, now))
        return total

    assert loss(trained(model, tmp_path)) < loss(untrained(model))


def test_cases_that_do_not_fit_teach_nothing(tmp_path: Path, small: MendSettings) -> None:
    model = split(Family.LLAVA)
    long = [case.model_copy(update={"target": "word " * 700}) for case in train_cases()]
    with pytest.raises(PrerequisiteError, match="fit the model"):
        Mend.trained(
            [*long[:-1], train_cases()[-1]], release().image, model, Dialect.CLEAN, tmp_path, SHA, quiet
        )
    assert [
        one.case_id
        for one in fitting_cases(model, [long[0], train_cases()[1]], release().image, Dialect.CLEAN)
    ] == [train_cases()[1].case_id]


def test_a_failing_training_leaves_the_model_alone(tmp_path: Path, small: MendSettings) -> None:
    model = split(Family.BLIP2)
    before, shown = model.state_digest(), []

    def pictures(sha256: str) -> bytes:
        shown.append(sha256)
        if len(shown) > 4:
            raise OSError("the disk is gone")
        return release().image(sha256)

    with pytest.raises(OSError, match="gone"):
        Mend.trained(train_cases(), pictures, model, Dialect.CLEAN, tmp_path, SHA, quiet)
    assert model.state_digest() == before


def test_a_diverged_edit_is_unscored_and_the_model_unchanged() -> None:
    model = split(Family.LLAVA)
    before = model.state_digest()
    editor = untrained(model, replace(SMALL, inner_rate=float("inf")))
    assert editor.edit(model, [request(model, train_cases()[0])], Edit()) == [Unscored.NOT_FINITE]
    assert model.state_digest() == before


def test_a_half_precision_model_gets_float32_weights() -> None:
    model = split(Family.LLAVA)
    model.module.to(torch.bfloat16)
    edit = untrained(model).edit(model, [request(model, train_cases()[0])], Edit())[0]
    for name, tensor in model.tensors(Part.TOP_MLPS).items():
        assert edit.weights[name].dtype == torch.float32
        assert not torch.equal(edit.weights[name], tensor.float())


def test_a_case_teaches_what_it_has() -> None:
    model, case = plain(Family.LLAVA), train_cases()[0]
    whole = drill(model, case, release().image, Dialect.CLEAN)
    assert len(whole.prompts) == 5
    assert whole.elsewhere.question.picture.sha256 == next(
        probe.image for probe in case.probes if probe.kind is ProbeKind.I_GEN
    )
    assert whole.elsewhere.question.prompt == case.request
    assert whole.rephrased.question.prompt == case.rephrased_request
    bare = drill(model, case.model_copy(update={"probes": ()}), release().image, Dialect.CLEAN)
    assert bare.prompts == [whole.edit, whole.rephrased]
    long = case.model_copy(update={"target": "word " * 700})
    assert drill(model, long, release().image, Dialect.CLEAN) is None


def test_locality_counts_the_compared_rows_only() -> None:
    model = plain(Family.LLAVA)
    prompt = drill(model, train_cases()[0], release().image, Dialect.TRAINER).image_locality
    before = torch.randn(len(prompt.rows), 7)
    assert float(locality_loss(prompt, before, before)) == pytest.approx(0, abs=1e-6)
    after = torch.randn(len(prompt.rows), 7)
    slow = [
        sum(float(p * (p.log() - q.log())) for p, q in zip(one.softmax(-1), two.softmax(-1), strict=True))
        for one, two in zip(before, after, strict=True)
    ]
    assert len(prompt.locality_rows) == len(prompt.ids) == len(slow)
    assert float(locality_loss(prompt, before, after)) == pytest.approx(sum(slow) / len(slow), rel=1e-4)


def test_the_reference_values_are_the_reference_ones() -> None:
    for name in ("llava-1.5-7b", "blip2-opt-2.7b", "minigpt4-vicuna-7b"):
        one = settings_for(MendSettings, "mend", name)
        assert (one.rank, one.hidden, one.inner_rate, one.rate, one.rate_rate) == (1920, 1, 1e-4, 1e-6, 1e-4)
        assert (one.text_weight, one.picture_weight, one.locality_weight) == (0.1, 0.1, 1.0)
        assert (one.steps, one.validate_every, one.patience, one.validation_cases) == (30000, 3000, 3000, 500)
        assert (one.accumulate, one.clip, one.seed) == (2, 100.0, 42)
    with pytest.raises(PrerequisiteError, match="tiny-llava"):
        settings_for(MendSettings, "mend", "gpt-2")
