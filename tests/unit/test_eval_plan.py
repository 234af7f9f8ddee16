"""The plan of a run: subsamples, blocks, shards, digests, prompts of each dialect, and what a run takes."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from curation.errors import PrerequisiteError
from curation.records import EditType, ImageRole, ProbeKind
from eval.estimate import Device, estimate, refuse
from eval.measuring import locality_readings
from eval.models.port import Edit, Part, Prompt
from eval.models.precision import Precision
from eval.models.real import open_model, sketch_model
from eval.models.split import SplitModel
from eval.models.tiny import Family, prepare_runtime
from eval.plan import Encoder, Options, blocks_of, planned_cases
from eval.records import Dialect, EditCase, Protocol, Unscored
from eval.verify import Flips
from tests.unit.eval_release import make_release
from tests.unit.model_folders import model_folder
from tests.unit.tiny_networks import split
from warehouse.release import Release

prepare_runtime()
METHODS = ("none", "FT-LLM", "FT-Alignment", "MEND")


@cache
def release() -> Release:
    return make_release(10, 5, 10)


@cache
def model() -> SplitModel:
    return split(Family.LLAVA)


def names(cases: tuple[EditCase, ...]) -> list[str]:
    return [case.case_id for case in cases]


def test_a_subsample_depends_on_ids_alone_and_keeps_the_order() -> None:
    whole, part = planned_cases(release(), None), planned_cases(release(), 5)
    backwards = replace(release(), items=release().items[::-1])
    assert len(part) == 5
    assert names(part) == [name for name in names(whole) if name in names(part)]
    assert sorted(names(planned_cases(backwards, 5))) == sorted(names(part))
    assert set(names(planned_cases(release(), 4))) < set(names(part))


def test_shards_share_out_every_block_once() -> None:
    cases = planned_cases(release(), None)
    whole = blocks_of(cases, Options(block=4))
    parts = [blocks_of(cases, Options(block=4, shard=(index, 3))) for index in (1, 2, 3)]
    assert sorted(map(names, [block for part in parts for block in part])) == sorted(map(names, whole))
    assert [name for block in whole for name in names(block)] == names(cases)


def test_a_release_without_eval_items_is_refused() -> None:
    with pytest.raises(PrerequisiteError, match="nothing to evaluate"):
        planned_cases(replace(release(), items=()), None)


@pytest.mark.parametrize(
    "wrong",
    [{"block": 0}, {"edits_at_once": 0}, {"tokens": -1}, {"limit": 0}, {"shard": (0, 2)}, {"shard": (3, 2)}],
)
def test_options_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(PrerequisiteError):
        Options(**wrong)  # type: ignore[arg-type]


def test_the_digest_holds_what_can_change_a_bit_and_nothing_else() -> None:
    usual = Options().digest
    assert Options(block=3, edits_at_once=1, shard=(2, 3), limit=4).digest == usual
    assert Options(tokens=5).digest != usual
    low = Options(precision=Precision.DEFAULT)
    assert replace(low, edits_at_once=1).digest != low.digest
    assert replace(low, shard=(2, 3)).digest == low.digest


def personal() -> EditCase:
    return next(c for c in planned_cases(release(), None) if c.edit_type is EditType.USER_SPECIFIC)


def port_picture(dialect: Dialect) -> str:
    planned = Encoder(release(), model(), dialect, 0).case(personal())
    (port,) = [one.prompt for one in planned.probes if one.probe.kind is ProbeKind.PORT]
    assert port is not None
    assert port.question.picture is not None
    return port.question.picture.sha256


def test_the_ike_dialect_asks_a_user_s_portability_on_the_edit_picture() -> None:
    (hop,) = [p.image for p in personal().probes if p.image_role is ImageRole.ONE_HOP]
    assert port_picture(Dialect.TRAINER) == port_picture(Dialect.CLEAN) == hop
    assert port_picture(Dialect.IKE) == personal().image != hop


def test_locality_probes_alone_have_rows_to_compare_and_a_base() -> None:
    planned = Encoder(release(), model(), Dialect.TRAINER, 4).case(personal())
    for one in planned.probes:
        assert one.prompt is not None
        assert bool(one.prompt.locality_rows) == (one.probe.kind in {ProbeKind.T_LOC, ProbeKind.I_LOC})
        assert one.asked is not None
        assert not one.asked.label_ids
    base = locality_readings(model(), planned.probes, Edit())
    assert sorted(base) == ["I-Loc", "T-Loc"]


def test_what_does_not_fit_after_a_context_is_unscored() -> None:
    encoder = Encoder(release(), model(), Dialect.CLEAN, 0)
    probes = encoder.probes(personal(), "word " * 500)
    assert {one.unscored for one in probes} == {Unscored.TOO_LONG}
    assert all(one.unscored is None for one in encoder.probes(personal(), "Prompt: "))


def test_an_estimate_counts_what_is_encoded_and_grows_with_what_costs() -> None:
    options = Options(tokens=0, edits_at_once=4)
    told = estimate(release(), model().loaded, METHODS, options)
    encoder = Encoder(release(), model(), Dialect.CLEAN, 0)
    planned = [encoder.case(case) for case in planned_cases(release(), None)]
    alone = sum(len(prompt.ids) for one in planned for prompt in one.prompts)
    by_name = {cost.method: cost for cost in told.methods}
    assert told.shared.prompts == sum(len(one.prompts) for one in planned)
    assert 0 < by_name["none"].tokens < alone  # prompts on one picture share it
    assert by_name["none"].tail_flops < by_name["FT-LLM"].tail_flops
    assert by_name["none"].trunk_flops < by_name["FT-Alignment"].trunk_flops
    one_edit = estimate(release(), model().loaded, METHODS, replace(options, edits_at_once=1))
    assert one_edit.memory < told.memory
    half = estimate(release(), model().loaded, METHODS, replace(options, limit=3))
    assert half.shared.trunk_flops < told.shared.trunk_flops
    state = 16 * sum(t.numel() for t in model().tensors(Part.LAST_MLP).values())  # weights, moments, gradient
    assert by_name["FT-LLM"].memory >= 4 * state


def test_a_run_that_cannot_fit_is_refused_with_what_would() -> None:
    options = Options(tokens=0, edits_at_once=16, protocol=Protocol.CLEAN)
    loaded = model().loaded
    need = estimate(release(), loaded, METHODS, options).memory
    less = estimate(release(), loaded, METHODS, replace(options, edits_at_once=1)).memory
    assert refuse(release(), loaded, METHODS, options, Device(need, 1e9, 1e9)).memory == need
    with pytest.raises(PrerequisiteError, match="with --edits-at-once 1 it would"):
        refuse(release(), loaded, METHODS, options, Device(less, 1e9, 1e9))
    with pytest.raises(PrerequisiteError, match="take a device with"):
        refuse(release(), loaded, METHODS, options, Device(1000, 1e9, 1e9))


def test_flips_count_every_id_that_differs_or_is_missing() -> None:
    flips = Flips()
    flips.add((1, 2, 3), (1, 5, 3))
    flips.add((1, 2), (1, 2, 3))
    assert (flips.changed, flips.ids) == (2, 6)


def test_a_case_s_request_is_its_edit_prompt() -> None:
    planned = Encoder(release(), model(), Dialect.CLEAN, 0).case(personal())
    assert isinstance(planned.request, Prompt)
    asked = planned.request.question
    assert (asked.prompt, asked.answer) == (personal().request, personal().target)
    assert asked.picture is not None
    assert asked.picture.sha256 == personal().image


@pytest.mark.parametrize("family", list(Family))
def test_a_real_model_is_planned_with_without_its_weights(family: Family, tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", family)
    whole = open_model(str(folder), tmp_path / "cache", Precision.EXACT)
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    sketch = sketch_model(str(folder))
    assert {tensor.device.type for tensor in sketch.module.parameters()} == {"meta"}
    assert (sketch.name, sketch.layout) == (whole.name, whole.layout)
    options = Options(tokens=0)
    assert estimate(release(), sketch, METHODS, options) == estimate(release(), whole, METHODS, options)
