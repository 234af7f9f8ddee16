"""Single editing: record files, resuming, shards, protocols, and what cannot be scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from curation.errors import IntegrityError
from curation.records import ProbeKind
from eval.case_scores import case_scores
from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.editors.port import Editor, EditRequest
from eval.models.port import Edit, MultimodalModel, Part
from eval.models.split import SplitModel
from eval.models.tiny import Family, prepare_runtime
from eval.plan import Options
from eval.records import Dialect, EvalRecord, Protocol, Unscored
from eval.runner import SingleRun
from eval.storage import read_records
from tests.unit.eval_release import make_release
from tests.unit.tiny_networks import split
from warehouse.release import Release

prepare_runtime()
OPTIONS = Options(tokens=0, block=3, edits_at_once=2)
REFERENCE = replace(OPTIONS, protocol=Protocol.REFERENCE)
TUNED = FtLlm(FineTuning(3, 3e-2))


@cache
def release() -> Release:
    return make_release(6, 3, 3)


@cache
def model() -> SplitModel:
    return split(Family.LLAVA)


def single(out: Path, options: Options = OPTIONS, editors: Sequence[Editor] = (NoEdit(), TUNED)) -> SingleRun:
    return SingleRun(release(), model(), editors, options, out)


def records(run: SingleRun) -> dict[str, EvalRecord]:
    """Run what is missing, and return every record by its key."""
    for work in run.ledger.work():
        run.do(work)
    run.finish()
    return {record.key: record for record in read_records(run.ledger.out)}


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "records").iterdir()}


def test_a_record_for_each_case_and_method_one_file_a_block_and_method(tmp_path: Path) -> None:
    run = single(tmp_path, replace(OPTIONS, tokens=2))
    found = records(run)
    assert set(found) == set(run.ledger.keys())
    assert len(run.ledger.cases) == 7
    assert len(files(tmp_path)) == 2 * 3
    for record in found.values():
        assert [r.probe_id for r in record.readings] == [p.probe_id for p in record.case.probes]
        assert all(r.unscored is None and r.generated is not None for r in record.readings)


def test_no_edit_agrees_with_itself_and_an_edit_does_not(tmp_path: Path) -> None:
    changed = 0
    for record in records(single(tmp_path)).values():
        local = [r for r in record.readings if r.kind in {ProbeKind.T_LOC, ProbeKind.I_LOC}]
        assert all(len(r.base_top) == len(r.edited_top) > 0 for r in local)
        if record.run.method == "none":
            assert all(r.base_top == r.edited_top for r in local)
        else:
            changed += sum(r.base_top != r.edited_top for r in local)
    assert changed


@pytest.mark.parametrize("options", [OPTIONS, REFERENCE])
@pytest.mark.parametrize("way", ["blocks of one", "one block", "two shards", "resumed", "one at once"])
def test_records_do_not_depend_on_how_the_run_was_cut(tmp_path: Path, options: Options, way: str) -> None:
    expected = records(single(tmp_path / "whole", options))
    out = tmp_path / "other"
    if way == "two shards":
        records(single(out, replace(options, shard=(2, 2))))
        found = records(single(out, replace(options, shard=(1, 2))))
    elif way == "resumed":
        run = single(out, options)
        run.do(run.ledger.work()[1])
        found = records(single(out, options))
    else:
        changes = {
            "blocks of one": {"block": 1},
            "one block": {"block": 99},
            "one at once": {"edits_at_once": 1},
        }
        found = records(single(out, replace(options, **changes[way])))  # type: ignore[arg-type]
    assert found == expected


def test_a_second_run_edits_nothing_and_a_damaged_block_is_made_again(tmp_path: Path) -> None:
    expected, first = records(single(tmp_path)), files(tmp_path)
    broken = sorted(first)[2]
    (tmp_path / "records" / broken).write_bytes(first[broken][:-9])
    run = single(tmp_path)
    assert sum(work.edits for work in run.ledger.work()) == len(expected) - sum(
        key in expected for key in {r.key for r in read_records(tmp_path)}
    )
    assert records(run) == expected
    assert files(tmp_path)[broken] == first[broken]
    assert [work.edits for work in single(tmp_path).ledger.work()] == [0, 0, 0]


def test_only_what_is_missing_is_edited(tmp_path: Path) -> None:
    class Counted(FtLlm):
        seen = 0

        def edit(
            self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
        ) -> list[Edit | Unscored]:
            Counted.seen += len(requests)
            return super().edit(model, requests, onto)

    editor = Counted(FineTuning(1, 1e-2))
    run = single(tmp_path, editors=[editor])
    run.do(run.ledger.work()[0])
    again = single(tmp_path, editors=[NoEdit(), editor])
    records(again)
    assert Counted.seen == len(again.ledger.cases)


def localities(found: dict[str, EvalRecord], case: str, method: str) -> list[tuple[object, object]]:
    record = next(r for r in found.values() if (r.case.case_id, r.run.method) == (case, method))
    return [(r.base_top, r.edited_top) for r in record.readings if r.base_top]


def test_the_reference_compares_fine_tuning_with_the_edit_before(tmp_path: Path) -> None:
    """The first case of a type has the unedited model as its base, the others the edit before."""
    run = single(tmp_path, REFERENCE)
    found, cases = records(run), [case.case_id for case in run.ledger.cases]
    agree = [
        localities(found, case, "FT-LLM")[1][0] == localities(found, case, "none")[1][0] for case in cases
    ]
    types = [case.edit_type for case in run.ledger.cases]
    firsts = [types.index(kind) == place for place, kind in enumerate(types)]
    assert agree == firsts
    # Case 2 under the edit of case 1, made by hand.
    encoder = run.encoder(Dialect.TRAINER)
    one, two = (encoder.case(case) for case in run.ledger.cases[:2])
    (edit,) = TUNED.edit(model(), [EditRequest(one.case, one.request)], Edit())  # type: ignore[arg-type]
    assert isinstance(edit, Edit)
    prompts = [probe.prompt for probe in two.probes if probe.probe.kind is ProbeKind.I_LOC]
    (reading,) = model().read(prompts, edit)  # type: ignore[arg-type]
    assert localities(found, cases[1], "FT-LLM")[1][0] == reading.top_ids


class Shown(NoEdit):
    """Puts a text before every question, as IKE does, and is measured in IKE's dialect."""

    name = "IKE"

    def edit(self, model: object, requests: Sequence[object], onto: Edit) -> list[Edit]:  # type: ignore[override]
        return [Edit(context="New Fact: it is a kettle.\nPrompt: ") for _ in requests]


@pytest.mark.parametrize("editors", [(NoEdit(), Shown()), (Shown(), NoEdit())])
def test_each_method_of_the_reference_has_the_base_of_its_own_dialect(
    tmp_path: Path, editors: Sequence[Editor]
) -> None:
    found = records(single(tmp_path, REFERENCE, editors))
    local = {ProbeKind.T_LOC, ProbeKind.I_LOC}
    for record in found.values():
        for probe in (one for one in record.readings if one.kind in local):
            assert len(probe.base_top) == len(probe.edited_top)
            at_labels = len(probe.base_top) == len(probe.label_ids)
            assert at_labels is (record.run.method == "IKE")
        case_scores(record)


def test_a_subsample_has_the_records_of_the_whole(tmp_path: Path) -> None:
    whole = records(single(tmp_path / "whole", REFERENCE))
    part = records(single(tmp_path / "part", replace(REFERENCE, limit=3)))
    assert len(part) == 6
    assert part.items() <= whole.items()


class Hungry(FtLlm):
    """Runs out of memory when asked for more than so many edits at once, or for one case."""

    def __init__(self, most: int, never: str = "") -> None:
        super().__init__(FineTuning(3, 3e-2))
        self.most, self.never = most, never

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        if len(requests) > self.most or self.never in {request.case.case_id for request in requests}:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().edit(model, requests, onto)


def test_out_of_memory_takes_smaller_blocks_and_changes_no_record(tmp_path: Path) -> None:
    expected = records(single(tmp_path / "ample"))
    assert records(single(tmp_path / "small", editors=[NoEdit(), Hungry(1)])) == expected


def test_a_case_that_never_fits_is_unscored_and_the_others_are_not(tmp_path: Path) -> None:
    run = single(tmp_path, editors=[Hungry(9, release().items[2].item.item_id)])
    reasons = [{r.unscored for r in record.readings} for record in records(run).values()]
    assert reasons.count({Unscored.OUT_OF_MEMORY}) == 1
    assert reasons.count({None}) == len(run.ledger.cases) - 1


def test_another_error_is_not_taken_for_a_lack_of_memory(tmp_path: Path) -> None:
    class Broken(FtLlm):
        def edit(
            self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
        ) -> list[Edit | Unscored]:
            raise RuntimeError("shapes do not match")

    run = single(tmp_path, editors=[Broken(FineTuning(1, 1e-2))])
    with pytest.raises(RuntimeError, match="shapes"):
        run.do(run.ledger.work()[0])


def test_a_diverged_edit_is_unscored_nan_and_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    before = model().state_digest()
    found = records(single(tmp_path, editors=[NoEdit(), FtLlm(FineTuning(3, 1e30))]))
    reasons = {(r.run.method, p.unscored) for r in found.values() for p in r.readings}
    assert reasons == {("none", None), ("FT-LLM", Unscored.NOT_FINITE)}
    assert model().state_digest() == before


def test_an_editor_that_writes_to_the_weights_is_stopped(tmp_path: Path) -> None:
    class Careless(NoEdit):
        def edit(
            self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
        ) -> list[Edit | Unscored]:
            next(iter(model.tensors(Part.CONNECTOR).values())).data[0, 0] += 1e-3
            return super().edit(model, requests, onto)

    own = split(Family.LLAVA)
    run = SingleRun(release(), own, [Careless()], OPTIONS, tmp_path)
    with pytest.raises(IntegrityError, match="wrote to the weights"):
        run.do(run.ledger.work()[0])
    assert not (tmp_path / "records").exists()
    with pytest.raises(IntegrityError):
        run.finish()


def changed(index: int, **changes: object) -> Release:
    """Return the release with one item changed."""
    entries = list(release().items)
    item = entries[index].item.model_copy(update=changes)
    entries[index] = entries[index].model_copy(update={"item": item})
    return replace(release(), items=tuple(entries))


def test_a_probe_without_its_picture_is_unscored(tmp_path: Path) -> None:
    item = release().items[0].item
    blind = changed(0, images=tuple(image for image in item.images if image.role != "locality"))
    run = SingleRun(blind, model(), [NoEdit()], OPTIONS, tmp_path)
    told = [r for record in records(run).values() for r in record.readings if r.unscored is not None]
    assert [(r.kind, r.unscored) for r in told] == [(ProbeKind.I_LOC, Unscored.NO_PICTURE)]


def test_a_case_too_long_to_edit_on_is_unscored_but_in_the_row_without_edits(tmp_path: Path) -> None:
    long = changed(2, edited_text="word " * 1500)
    run = SingleRun(long, model(), [NoEdit(), TUNED], REFERENCE, tmp_path)
    told = {
        record.run.method: {r.unscored for r in record.readings}
        for record in records(run).values()
        if record.case.case_id == long.items[2].item.item_id
    }
    assert told == {"none": {None}, "FT-LLM": {Unscored.TOO_LONG}}


def test_alignment_leaves_text_as_it_is(tmp_path: Path) -> None:
    run = single(tmp_path, editors=[NoEdit(), FtAlignment(FineTuning(3, 3e-2))])
    found = records(run)
    for record in found.values():
        (text,) = [r for r in record.readings if r.kind is ProbeKind.T_LOC]
        assert text.base_top == text.edited_top
    by_case = {(r.case.case_id, r.run.method): r for r in found.values()}
    for case in run.ledger.cases:
        before, after = (by_case[case.case_id, method].readings for method in ("none", "FT-Alignment"))
        told = [(a, b) for a, b in zip(before, after, strict=True) if a.kind is ProbeKind.T_REL]
        assert all(a.predicted_ids == b.predicted_ids for a, b in told)
