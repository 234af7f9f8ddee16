"""SERAC: which edit answers, how two models are mixed, what never enters a key, and what stays untouched."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from curation.errors import PrerequisiteError
from curation.records import Split
from eval.cases import edit_cases
from eval.editors import serac as module
from eval.editors.demonstrations import fact_of
from eval.editors.port import EditRequest
from eval.editors.scope import Scope, pretrained_scope
from eval.editors.serac import Serac
from eval.editors.serac_memory import SeracMemory, behind, mixture
from eval.editors.settings import settings_for
from eval.models.network import Network
from eval.models.port import Edit, Picture, Question
from eval.models.tiny import Family
from eval.records import Dialect, EditCase, Unscored
from tests.unit.eval_release import make_release
from tests.unit.tiny_networks import plain, split

torch.set_num_threads(1)
RELEASE = make_release()
TRAIN = list(edit_cases(RELEASE, Split.TRAIN))
EVAL = list(edit_cases(RELEASE, Split.EVAL))
FAMILIES = list(Family)


def short(*told: Any) -> Any:
    return replace(settings_for(*told), steps=4, validate_every=2, checkpoint_every=2)


@cache
def model(family: Family = Family.LLAVA) -> Network:
    return split(family)


@cache
def trained(family: Family = Family.LLAVA, dialect: Dialect = Dialect.CLEAN) -> Serac:
    import tempfile

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(module, "settings_for", short)
        return Serac.trained(TRAIN, RELEASE.image, model(family), dialect, Path(folder), "x", lambda *_: None)


def picture(sha256: str) -> Picture:
    return Picture(sha256, RELEASE.image(sha256))


def request(case: EditCase, dialect: Dialect = Dialect.CLEAN, family: Family = Family.LLAVA) -> EditRequest:
    question = Question(case.request, case.target, picture(case.image))
    return EditRequest(case, model(family).encode(question, dialect))


def memory(*cases: EditCase, family: Family = Family.LLAVA, dialect: Dialect = Dialect.CLEAN) -> SeracMemory:
    """Return the memory after so many edits."""
    edit: Any = Edit()
    for case in cases:
        (edit,) = trained(family, dialect).edit(model(family), [request(case, dialect, family)], edit)
    return edit.memory if cases else trained(family, dialect).memory


def scope(dialect: Dialect = Dialect.CLEAN) -> Scope:
    return memory(dialect=dialect).scope


def distant(held: SeracMemory, squared: float) -> SeracMemory:
    """Return the memory with scores of exp(-squared) for every question."""

    class At:
        def best(self, *_: Any) -> tuple[torch.Tensor, int]:
            return torch.tensor(-squared).exp(), 0

        def __getattr__(self, name: str) -> Any:
            return getattr(held.scope, name)

    return replace(held, scope=At())  # type: ignore[arg-type]


@pytest.mark.parametrize("dialect", [Dialect.CLEAN, Dialect.TRAINER])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_mixture_is_that_of_a_loop_over_every_row_and_token(family: Family, dialect: Dialect) -> None:
    case, network, held = EVAL[0], model(family), memory(EVAL[0], family=family, dialect=dialect)
    held = distant(held, 0.7)
    asked = Question("Is it in Peru?", "No, in Norway", picture(case.image))
    prompt = network.encode(asked, dialect, locality=True)
    base = network.logits([prompt], Edit())[0]
    mixed = network.logits([prompt], Edit(memory=held))[0]
    text = f"{fact_of(case)} Is it in Peru?"
    longer = network.encode(replace(asked, prompt=text), dialect, locality=True)
    whole = replace(longer, locality_rows=tuple(range(len(longer.ids))), label_rows=())
    other = held.counterfactual.logits(network, [whole])[0][len(longer.ids) - len(prompt.ids) :]
    share = math.exp(-0.7)
    for row, place in enumerate(prompt.rows):
        p, q = base[row].double().softmax(0), other[place].double().softmax(0)
        for token in range(row % 50, len(p), 50):
            slow = math.log((1 - share) * float(p[token]) + share * float(q[token]) + 2.0**-23)
            assert float(mixed[row, token]) == pytest.approx(slow, abs=1e-4)


def test_a_score_of_zero_is_the_base_bit_for_bit_and_runs_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, held = model(), distant(memory(EVAL[0]), 200.0)
    assert float(held.scope.best((), [])[0]) == 0.0
    monkeypatch.setattr(type(held.counterfactual), "logits", None)
    monkeypatch.setattr(type(held.counterfactual), "stepper", None)
    question = Question("Who is it?", "Tarn", picture(EVAL[0].image))
    prompt = network.encode(question, Dialect.CLEAN)
    base, mixed = (network.logits([prompt], edit)[0] for edit in (Edit(), Edit(memory=held)))
    assert torch.equal(base, mixed)
    asked = network.encode(question, Dialect.CLEAN, asked_only=True)
    assert network.generate([asked], Edit(memory=held), 5) == network.generate([asked], Edit(), 5)


def test_a_score_of_one_leaves_nothing_of_the_base() -> None:
    base, other = torch.randn(3, 11), torch.randn(3, 11)
    wild = torch.full_like(base, math.nan)
    one = torch.tensor(1.0)
    assert torch.equal(mixture(wild, other, one), mixture(base, other, one))
    assert torch.equal(mixture(base, other, one), (other.softmax(-1) + 2.0**-23).log())


def test_a_smaller_vocabulary_gives_the_missing_ids_no_probability() -> None:
    base, other = torch.zeros(1, 4), torch.zeros(1, 2)
    mixed = mixture(base, other, torch.tensor(0.5)).exp()
    assert mixed[0].tolist() == pytest.approx([0.375, 0.375, 0.125, 0.125], abs=1e-5)


def test_the_memory_grows_and_the_best_entry_wins() -> None:
    held = memory(*EVAL[:4])
    assert held.texts == tuple(fact_of(case) for case in EVAL[:4])
    assert len(memory(*EVAL[:3]).texts) == 3
    for place, key in enumerate(held.keys):
        score, found = held.scope.best(key, held.keys)
        assert (float(score), found) == (1.0, place)
    key = held.scope.of_question(Question("Which city?"), scored=False)
    alone = [float(held.scope.best(key, [one])[0]) for one in held.keys]
    score, place = held.scope.best(key, held.keys)
    assert float(score) == max(alone)
    assert alone.index(max(alone)) == place


def test_a_score_is_exp_of_minus_the_squared_distance() -> None:
    held = memory(*EVAL[:2])
    key = held.scope.of_question(Question("Which city?"), scored=False)
    states = [held.scope.embed(one) for one in (key, *held.keys)]
    squared = [float(((state - states[0]) ** 2).sum()) for state in states[1:]]
    assert float(held.scope.best(key, held.keys)[0]) == pytest.approx(math.exp(-min(squared)), rel=1e-4)


def test_an_answer_enters_the_reference_key_and_never_the_clean_one() -> None:
    clean, reference = scope(), scope(Dialect.TRAINER)
    questions = [Question("Which city is it in?", answer) for answer in ("Lima", "Oslo, of course", "")]
    assert len({clean.of_question(one, scored=True) for one in questions}) == 1
    assert len({reference.of_question(one, scored=True) for one in questions}) == 3
    assert len({reference.of_question(one, scored=False) for one in questions}) == 1


def test_the_reference_key_of_an_edit_lacks_its_last_word_and_has_a_second_end() -> None:
    clean, reference = scope(), scope(Dialect.TRAINER)
    whole, cut = clean.of_edit("What is it? A tower"), reference.of_edit("What is it? A tower")
    assert cut == (*clean.of_edit("What is it? A"), whole[-1])


def test_a_key_longer_than_the_classifier_is_cut_but_ends() -> None:
    classifier = scope()
    key = classifier.of_edit("word " * 3000)
    assert (len(key), key[-1]) == (classifier.words.positions, classifier.words.end)
    assert float(classifier.best(key, [key])[0]) == 1.0


def test_a_case_whose_question_does_not_fit_behind_its_text_is_too_long() -> None:
    long = EVAL[0].model_copy(update={"target": "word " * 250})
    fits = EVAL[1]
    made = trained().edit(model(), [request(fits), EditRequest(long, request(fits).prompt)], Edit())
    assert isinstance(made[0], Edit)
    assert made[1] is Unscored.TOO_LONG


def test_a_question_that_does_not_fit_behind_the_best_text_is_the_bases() -> None:
    network, held = model(), distant(memory(EVAL[0]).grown("word " * 300), 0.1)
    held = replace(held, texts=held.texts[::-1])
    question = Question("Which city? " * 20, "Lima")
    prompt = network.encode(question, Dialect.CLEAN)
    base, mixed = (network.logits([prompt], edit)[0] for edit in (Edit(), Edit(memory=held)))
    assert torch.equal(base, mixed)
    asked = network.encode(question, Dialect.CLEAN, asked_only=True)
    assert network.generate([asked], Edit(memory=held), 3) == network.generate([asked], Edit(), 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_plain_and_split_model_read_and_say_the_same(family: Family) -> None:
    held, other = memory(*EVAL[:2], family=family), plain(family)
    prompts, asked = [], []
    for probe in EVAL[0].probes:
        seen = picture(probe.image) if probe.image else None
        question = Question(probe.question, probe.answer, seen)
        prompts.append(other.encode(question, Dialect.CLEAN, locality=True))
        asked.append(other.encode(question, Dialect.CLEAN, asked_only=True))
    edit = Edit(memory=held)
    assert other.read(prompts, edit) == model(family).read(prompts, edit)
    assert [other.generate([one], edit, 4)[0] for one in asked] == model(family).generate(asked, edit, 4)


@pytest.mark.parametrize("family", FAMILIES)
def test_free_answers_are_what_the_mixture_says_token_by_token(family: Family) -> None:
    network, held = model(family), distant(memory(EVAL[0], family=family), 0.7)
    asked = network.encode(
        Question("Which city?", "", picture(EVAL[0].image)), Dialect.CLEAN, asked_only=True
    )
    said: list[int] = []
    prompt = asked
    for _ in range(4):
        last = replace(prompt, label_rows=(len(prompt.ids) - 1,))
        longer = behind(network, asked, held.texts[0], Dialect.CLEAN, asked_only=True)
        longer = replace(longer, ids=(*longer.ids, *said), label_rows=(len(longer.ids) + len(said) - 1,))
        other = held.counterfactual.logits(network, [longer])[0]
        mixed = mixture(network.logits([last], Edit())[0], other, torch.tensor(-0.7).exp())
        said.append(int(mixed[0].argmax()))
        prompt = replace(prompt, ids=(*asked.ids, *said))
    text = network.codec.decode(
        said[: said.index(network.layout.end)] if network.layout.end in said else said
    )
    assert network.generate([asked], Edit(memory=held), 4) == [text.strip()]


@pytest.mark.parametrize("family", FAMILIES)
def test_training_and_a_failing_pass_leave_the_base(family: Family) -> None:
    fresh, held = split(family), memory(EVAL[0], family=family)
    assert model(family).state_digest() == fresh.state_digest()
    prompt = request(EVAL[0], family=family).prompt
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="out of memory"):
        patch.setattr(module.SmallModel, "logits", raises)
        patch.setattr(module.LastLayer, "logits", raises)
        model(family).read([prompt], Edit(memory=distant(held, 0.5)))
    assert model(family).state_digest() == fresh.state_digest()


def raises(*_: Any) -> None:
    raise RuntimeError("out of memory")


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
