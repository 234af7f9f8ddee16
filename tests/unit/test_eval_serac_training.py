"""SERAC's training: what it changes, what it keeps, how it goes on, and where its models come from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from curation.errors import PrerequisiteError
from eval.editors import serac as module
from eval.editors.scope import pretrained_scope
from eval.editors.serac import Serac
from eval.editors.settings import settings_for
from eval.models.port import Edit, Question
from eval.models.tiny import Family
from eval.records import Dialect
from tests.unit.serac_memories import EVAL, RELEASE, TRAIN, model, request, short, trained


def test_the_reference_never_trains_blip2s_linear_and_the_clean_dialect_does() -> None:
    settings = settings_for(module.SeracSettings, "serac", "tiny-blip2")
    fresh = module.untrained_models(model(Family.BLIP2), settings, Dialect.CLEAN)[1]
    untrained = fresh.tensors["linear.weight"]
    kept = trained(Family.BLIP2, Dialect.TRAINER).memory.counterfactual.tensors["linear.weight"]
    moved = trained(Family.BLIP2, Dialect.CLEAN).memory.counterfactual.tensors["linear.weight"]
    assert torch.equal(untrained, kept)
    assert not torch.equal(untrained, moved)


def test_a_second_run_reads_the_trained_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "settings_for", short)
    told = (TRAIN, RELEASE.image, model(), Dialect.CLEAN, tmp_path)
    steps: list[int] = []
    first = Serac.trained(*told, "x", lambda *at: steps.append(at[1]))
    count = len(steps)
    again = Serac.trained(*told, "x", lambda *at: steps.append(at[1]))
    assert (count, len(steps)) == (4, 4)
    assert first.hyper_parameters() == again.hyper_parameters()
    Serac.trained(*told, "another release", lambda *at: steps.append(at[1]))
    assert len(steps) == 8


def test_a_killed_training_goes_on_to_the_same_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "settings_for", short)
    told = (TRAIN, RELEASE.image, model(), Dialect.CLEAN, tmp_path, "x")

    def dies(_: str, step: int, __: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Serac.trained(*told, dies)
    steps: list[int] = []
    resumed = Serac.trained(*told, lambda *at: steps.append(at[1]))
    assert steps == [3, 4]
    assert resumed.hyper_parameters() == trained().hyper_parameters()


def test_a_directory_without_a_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="classifier cannot be loaded"):
        pretrained_scope(str(tmp_path), model(), Dialect.CLEAN)


def saved_classifier(folder: Path) -> Path:
    """Write a DistilBERT with a word-piece tokeniser of a few words."""
    from transformers import BertTokenizer, DistilBertConfig, DistilBertModel

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "it", "?", "a", "tower"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = DistilBertConfig(vocab_size=len(words), dim=8, hidden_dim=8, n_layers=1, n_heads=2)
    DistilBertModel(config).save_pretrained(folder)
    return folder


def test_a_pretrained_classifier_reads_what_the_references_tokeniser_gives(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    scope = pretrained_scope(str(saved_classifier(tmp_path)), model(), Dialect.TRAINER)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    # easyeditor/trainer/algs/SERAC.py, build_cls_cache_inputs and embedding_logsim_matrix.
    cached = "What is it? A" + tokenizer.sep_token
    assert list(scope.of_edit("What is it? A tower")) == tokenizer(cached)["input_ids"]
    asked = Question("What is it?", "A tower")
    assert list(scope.of_question(asked, scored=True)) == tokenizer("What is it? A tower")["input_ids"]


def test_models_in_local_folders_are_trained_like_the_named_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "settings_for", short)
    network, (bert, opt) = model(Family.BLIP2), (tmp_path / "bert", tmp_path / "opt")
    bert.mkdir()
    network.module.language_model.save_pretrained(opt)
    told = (TRAIN, RELEASE.image, network, Dialect.CLEAN, tmp_path, "x", lambda *_: None)
    where = {"classifier": str(saved_classifier(bert)), "counterfactual": str(opt)}
    serac = Serac.trained(*told, **where)
    assert serac.hyper_parameters()["counterfactual"] == str(opt)
    edit = serac.edit(network, [request(EVAL[0], family=Family.BLIP2)], Edit())[0]
    assert isinstance(edit, Edit)
    assert network.read([request(EVAL[0], family=Family.BLIP2).prompt], edit)[0].predicted_ids


def test_a_counterfactual_model_with_more_tokens_than_the_base_is_refused() -> None:
    from eval.editors.counterfactual import small_copy

    larger = small_copy(model(Family.BLIP2))
    larger.config.vocab_size = 10_000
    with pytest.raises(PrerequisiteError, match="10000 tokens"):
        module.SmallModel(larger, model(Family.BLIP2), 0, trained_linear=True)
