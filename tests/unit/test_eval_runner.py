"""The run over all cases: records, resuming, and what cannot be scored."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import PrerequisiteError, Rejected
from curation.records import ImageRole, Split
from eval.cases import edit_case, edit_cases
from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.models.port import Edit
from eval.records import EvalRecord, Unscored
from eval.runner import evaluate, run
from eval.storage import read_record, record_path
from tests.unit.eval_model import SMALL, small_model, small_release

EDITORS = [NoEdit(), FtLlm(FineTuning(2, 1e-2)), FtAlignment(FineTuning(2, 1e-2))]
CASES = list(edit_cases(small_release(), Split.EVAL))


def run_all(out: Path) -> list[EvalRecord]:
    return list(run(small_model(), EDITORS, CASES, small_release(), out))


def test_a_record_for_each_case_and_method(tmp_path: Path) -> None:
    records = run_all(tmp_path)
    assert len(records) == len(CASES) * 3 == len(list((tmp_path / "records").iterdir()))
    assert all(len(record.scores) == len(record.case.probes) for record in records)
    assert all(score.unscored is None for record in records for score in record.scores)


def test_a_second_run_edits_nothing_and_a_damaged_record_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_all(tmp_path)
    path = record_path(tmp_path, first[1].key)
    good = path.read_bytes()
    path.write_bytes(good[:-40])
    edits: list[str] = []
    real = NoEdit.edit, FtLlm.edit

    def counted(self: FtLlm, model: object, case: object, picture: bytes) -> Edit:
        edits.append(self.name)
        return real[1](self, model, case, picture)  # type: ignore[arg-type]

    monkeypatch.setattr(NoEdit, "edit", None)
    monkeypatch.setattr(FtAlignment, "edit", None)
    monkeypatch.setattr(FtLlm, "edit", counted)
    assert run_all(tmp_path) == first
    assert (edits, path.read_bytes()) == (["FT-LLM"], good)


def test_a_changed_digit_is_damage(tmp_path: Path) -> None:
    record = next(run(small_model(), EDITORS, CASES, small_release(), tmp_path))
    path = record_path(tmp_path, record.key)
    path.write_bytes(path.read_bytes().replace(b'"key":"', b'"key": "', 1))
    assert read_record(tmp_path, record.key) is None


def test_the_key_depends_on_the_hyper_parameters(tmp_path: Path) -> None:
    editors = [FtLlm(FineTuning(1, 1e-2)), FtLlm(FineTuning(1, 2e-2))]
    one, other = run(small_model(), editors, CASES[:1], small_release(), tmp_path)
    assert one.key != other.key


def test_no_edit_agrees_with_itself_and_alignment_with_text(tmp_path: Path) -> None:
    for record in run_all(tmp_path):
        for score in record.scores:
            if record.method == "none" and score.top1_agreement is not None:
                assert (score.top1_agreement, score.topk_overlap) == (1.0, 1.0)
            if record.method == "FT-Alignment" and score.kind == "T-Loc":
                assert score.top1_agreement == 1.0


def test_a_probe_without_its_picture_is_unscored(tmp_path: Path) -> None:
    case = CASES[0]
    blind = case.probes[1].model_copy(update={"image": None})
    broken = case.model_copy(update={"probes": (case.probes[0], blind)})
    record = next(run(small_model(), EDITORS, [broken], small_release(), tmp_path))
    assert [score.unscored for score in record.scores] == [None, Unscored.NO_PICTURE]


def test_a_case_too_long_to_edit_on_is_unscored(tmp_path: Path) -> None:
    long = CASES[0].model_copy(update={"target": "word " * 3000})
    none, tuned, _ = run(small_model(), EDITORS, [long], small_release(), tmp_path)
    assert {score.unscored for score in none.scores} == {None}
    assert {score.unscored for score in tuned.scores} == {Unscored.TOO_LONG}


def test_an_item_without_an_edit_picture_is_rejected() -> None:
    item = small_release().items[0].item
    rejected = edit_case(
        item.model_copy(update={"images": tuple(i for i in item.images if i.role is not ImageRole.EDIT)})
    )
    assert isinstance(rejected, Rejected)
    assert rejected.reason == "no_picture"


def test_an_unknown_method_is_one_line_with_the_choice(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="choose from none, FT-LLM, FT-Alignment, IKE"):
        evaluate(small_release(), tmp_path, tmp_path, ["ROME"], lambda *_: None, SMALL)


def test_evaluate_from_release_to_summary_twice_the_same(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    methods = ["none", "FT-LLM"]
    one = evaluate(small_release(), tmp_path / "o", tmp_path / "c", methods, lambda *a: seen.append(a), SMALL)
    data = (tmp_path / "o" / "summary.json").read_bytes()
    assert evaluate(small_release(), tmp_path / "o", tmp_path / "c", methods, lambda *_: None, SMALL) == one
    assert (tmp_path / "o" / "summary.json").read_bytes() == data
    assert seen[-1] == ("evaluate", len(CASES) * 2, len(CASES) * 2)
