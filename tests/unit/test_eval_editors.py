"""The editing methods: what they change, what they leave, and what they show."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from curation.records import Split
from eval.cases import edit_cases
from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.models.port import DoesNotFitError, Edit, Part, Question
from eval.records import EditCase
from tests.unit.eval_model import small_model, small_release, state_hash

FAST = FineTuning(steps=4, learning_rate=1e-2)
TUNERS = [FtLlm(FAST), FtAlignment(FAST)]


def case_and_picture() -> tuple[EditCase, bytes]:
    case = next(edit_cases(small_release(), Split.EVAL))
    return case, small_release().image(case.image)


@pytest.mark.parametrize("editor", TUNERS, ids=lambda editor: editor.name)
def test_an_edit_lowers_the_loss_and_leaves_the_model(editor: Any) -> None:
    model, (case, picture) = small_model(), case_and_picture()
    before = state_hash(model)
    edit = editor.edit(model, case, picture)
    target = Question(case.request, case.target, picture)
    assert float(model.loss(target, edit.weights)) < float(model.loss(target, {}))
    model.read([target], edit)
    assert state_hash(model) == before


@pytest.mark.parametrize("editor", TUNERS, ids=lambda editor: editor.name)
def test_an_exception_in_the_middle_leaves_the_model(editor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, (case, picture) = small_model(), case_and_picture()
    before, steps = state_hash(model), []

    def breaks(self: Any, *_: Any, **__: Any) -> None:
        steps.append(1)
        if len(steps) == 3:
            raise RuntimeError("out of memory")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="out of memory"):
        patch.setattr(torch.optim.AdamW, "step", breaks)
        editor.edit(model, case, picture)
    assert state_hash(model) == before


def test_a_failing_pass_leaves_the_model() -> None:
    model, (case, _) = small_model(), case_and_picture()
    before = state_hash(model)
    wrong = {name: torch.zeros(3, 3) for name in model.tensors(Part.LAST_MLP)}
    with pytest.raises(RuntimeError):
        model.read([Question(case.request, case.target)], Edit(weights=wrong))
    assert state_hash(model) == before


def test_the_same_edit_twice_is_the_same_bits() -> None:
    model, (case, picture) = small_model(), case_and_picture()
    one, other = (FtLlm(FAST).edit(model, case, picture).weights for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_ft_llm_edits_the_last_up_and_down_weights_only() -> None:
    model, (case, picture) = small_model(), case_and_picture()
    edited = FtLlm(FAST).edit(model, case, picture).weights
    assert sorted(name.split("layers.")[1] for name in edited) == [
        "1.mlp.down_proj.weight",
        "1.mlp.up_proj.weight",
    ]


def test_ft_alignment_leaves_text_questions_bit_for_bit() -> None:
    model, (case, picture) = small_model(), case_and_picture()
    edit = FtAlignment(FAST).edit(model, case, picture)
    text = Question("What is the capital of Norway?", "Oslo")
    assert torch.equal(model.loss(text, edit.weights), model.loss(text, {}))
    assert model.read([text], edit) == model.read([text], Edit())


def test_no_edit_is_the_model_itself() -> None:
    model, (case, picture) = small_model(), case_and_picture()
    assert NoEdit().edit(model, case, picture) == Edit()


def test_a_target_that_does_not_fit_is_refused() -> None:
    case, picture = case_and_picture()
    long = case.model_copy(update={"target": "word " * 3000})
    with pytest.raises(DoesNotFitError, match="too_long"):
        FtLlm(FAST).edit(small_model(), long, picture)
