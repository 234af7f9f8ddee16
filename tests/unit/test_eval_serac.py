"""SERAC: which edit answers, how two models are mixed, what never enters a key, and what stays untouched."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from eval.editors import serac as module
from eval.editors.demonstrations import fact_of
from eval.editors.port import EditRequest
from eval.editors.serac_memory import behind, mixture
from eval.models.port import Edit, Question
from eval.models.tiny import Family
from eval.records import Dialect, Unscored
from tests.unit.serac_memories import EVAL, FAMILIES, distant, memory, model, picture, request, scope, trained
from tests.unit.tiny_networks import plain, split


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


def raises(*_: object) -> None:
    raise RuntimeError("out of memory")
