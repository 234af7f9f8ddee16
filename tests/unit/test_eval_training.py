"""What a tiny model is taught, and that its training is deterministic, resumable and verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch

from curation.errors import IntegrityError
from curation.records import ImageRole, KnowledgeItem, Split
from eval.models import checkpoints
from eval.models.counterfactuals import Counterfactuals
from eval.models.curriculum import Phase, TinyTraining
from eval.models.lessons import NAMING, original_knowledge
from eval.models.network import Loaded, PlainModel
from eval.models.port import Edit, Picture, Question
from eval.models.tiny import Family, new_module
from eval.models.training import Progress, trained_model
from eval.records import Dialect
from tests.unit.eval_model import SMALL, small_release
from warehouse.release import Release


def nothing(_: str, __: int, ___: int) -> None:
    """Report no progress."""


def train(cache: Path, progress: Progress, family: Family = Family.LLAVA) -> Loaded:
    """Return the small training's model."""
    return trained_model(small_release(), cache, SMALL, progress, family)


def stop_at(step: int):  # noqa: ANN201
    def progress(_: str, done: int, __: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    return progress


def without_pictures(release: Release) -> Release:
    items = (entry.item.model_copy(update={"images": ()}) for entry in release.items)
    return _with(release, items)


def without_train_split(release: Release) -> Release:
    return replace(release, items=tuple(e.model_copy(update={"split": Split.EVAL}) for e in release.items))


def with_long_texts(release: Release) -> Release:
    long = {"original_text": "a word " * 700, "edited_text": "another " * 700}
    return _with(release, (entry.item.model_copy(update=long) for entry in release.items))


def without_items(release: Release) -> Release:
    return replace(release, items=())


def _with(release: Release, items: Iterable[KnowledgeItem]) -> Release:
    entries = zip(release.items, items, strict=True)
    return replace(release, items=tuple(e.model_copy(update={"item": item}) for e, item in entries))


def test_no_edited_answer_of_any_item_is_taught() -> None:
    lessons = original_knowledge(small_release().items)
    taught = {(one.question, one.answer) for kind in lessons.kinds().values() for one in kind}
    for entry in small_release().items:
        for probe in entry.item.probes:
            if probe.original_answer not in {None, probe.answer} and probe.image_role is None:
                assert (probe.question, probe.answer) not in taught
        assert entry.item.stand_in is None or all(answer != entry.item.edited_text for _, answer in taught)


def test_a_picture_teaches_what_it_truly_shows() -> None:
    lessons = original_knowledge(small_release().items)
    item = small_release().items[0].item
    edit_picture = item.image(ImageRole.EDIT)
    assert edit_picture is not None
    assert {one.answer for one in lessons.naming if one.image == edit_picture.sha256} == {item.stand_in}


def test_in_context_lessons_know_no_eval_item() -> None:
    release = small_release()
    train = [entry.item for entry in release.split(Split.TRAIN)]
    lessons = original_knowledge(release.items)
    drawn = Counterfactuals(train, lessons.reading, ["Some", "Words"])
    texts = "".join(
        s.text for seed in range(60) for s in drawn.draw(Random(seed), 1).segments if "New Fact" in s.text
    )
    facts = [entry.item.edited_text for entry in release.items]
    assert "New Fact" in texts
    assert not any(fact in texts for fact in facts)


def test_the_answer_of_an_in_context_lesson_is_in_its_fact_or_known() -> None:
    release = small_release()
    lessons = original_knowledge(release.items)
    drawn = Counterfactuals(
        [entry.item for entry in release.split(Split.TRAIN)], lessons.reading, ["Some", "Words"]
    )
    known = {(one.question, one.answer) for one in lessons.reading}
    for seed in range(60):
        lesson = drawn.draw(Random(seed), 0)
        fact, _, question = lesson.segments[0].text.partition("\nPrompt: ")
        assert lesson.answer in fact or (question, lesson.answer) in known


@pytest.mark.parametrize("family", list(Family))
def test_two_trainings_give_the_same_bits(tmp_path: Path, family: Family) -> None:
    one, other = (train(tmp_path / name, nothing, family) for name in "ab")
    assert PlainModel(one).state_digest() == PlainModel(other).state_digest()
    assert (one.name, one.digest) == (family.value, other.digest)


@pytest.mark.parametrize("family", list(Family))
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path, family: Family) -> None:
    whole = train(tmp_path / "a", nothing, family)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", stop_at(5), family)
    steps: list[int] = []
    resumed = train(tmp_path / "b", lambda _, done, __: steps.append(done), family)
    assert steps[0] == 4
    assert resumed.digest == whole.digest


@pytest.mark.parametrize("family", list(Family))
def test_training_changes_every_part_and_the_tower_before_the_rest(tmp_path: Path, family: Family) -> None:
    trained = dict(train(tmp_path, nothing, family).module.named_parameters())
    fresh = dict(new_module(SMALL.shape, family, SMALL.seed, SMALL.gain).named_parameters())
    same = {name for name in fresh if torch.equal(fresh[name], trained[name])}
    # Neither model looks at the class token alone, and CLIP's last norm is for that.
    assert all("post_layernorm" in name or "k_proj.bias" in name for name in same), same


SEEING = replace(SMALL, tower_steps=40, phases=(Phase(120, 3e-3, naming=12, seeing=4),))


@pytest.mark.parametrize("family", list(Family))
def test_a_trained_model_names_what_it_sees_in_its_own_words(tmp_path: Path, family: Family) -> None:
    release = small_release()
    model = PlainModel(trained_model(release, tmp_path, SEEING, nothing, family))
    naming = [(one.image, one.answer) for one in original_knowledge(release.items).naming if one.image]
    asked = [Question(NAMING, picture=Picture(image, release.image(image))) for image, _ in naming]
    prompts = [model.encode(question, Dialect.CLEAN, asked_only=True) for question in asked]
    said = model.generate(prompts, Edit(), 24)
    right = sum(one.strip() == answer for one, (_, answer) in zip(said, naming, strict=True))
    # All questions are the same: whoever does not look gets one subject right at most.
    assert len({answer for _, answer in naming}) >= 5
    assert right >= 0.9 * len(naming)


def test_a_damaged_checkpoint_starts_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, stop_at(5))
    checkpoint = next((tmp_path / "models").glob(".*.checkpoint"))
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    steps: list[int] = []
    train(tmp_path, lambda _, done, __: steps.append(done))
    assert steps[0] == 1


def test_a_second_call_trains_nothing_and_a_damaged_model_is_trained_again(tmp_path: Path) -> None:
    steps: list[int] = []
    model = train(tmp_path, nothing)
    train(tmp_path, lambda _, done, __: steps.append(done))
    assert steps == []
    weights = next((tmp_path / "models").glob("tiny*/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    again = train(tmp_path, lambda _, done, __: steps.append(done))
    assert (len(steps), again.digest) == (SMALL.steps, model.digest)


def test_families_are_kept_apart(tmp_path: Path) -> None:
    digests = {train(tmp_path, nothing, family).digest for family in Family}
    assert len(digests) == len(list((tmp_path / "models").glob("tiny-*"))) == 3


def test_the_quality_log_belongs_to_the_model(tmp_path: Path) -> None:
    model = train(tmp_path, nothing)
    log = checkpoints.quality_log(tmp_path, model)
    assert log["steps"] == SMALL.steps
    assert {"naming", "seeing", "reading", "telling", "in_context"} <= set(log)
    with pytest.raises(IntegrityError):
        checkpoints.quality_log(tmp_path / "elsewhere", model)


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("spoil", [without_pictures, without_train_split, with_long_texts, without_items])
def test_odd_releases_train(tmp_path: Path, spoil: Callable[[Release], Release], family: Family) -> None:
    model = PlainModel(trained_model(spoil(small_release()), tmp_path, SMALL, nothing, family))
    assert all(bool(tensor.isfinite().all()) for tensor in model.module.state_dict().values())


def test_the_rate_rises_then_runs_from_phase_to_phase_to_nothing() -> None:
    config = TinyTraining(phases=(Phase(4, 1.0, naming=1), Phase(2, 0.5, seeing=1)), warm_up=2)
    assert [config.rate(step) for step in range(6)] == [0.5, 0.875, 0.75, 0.625, 0.5, 0.25]
    assert [config.phase(step).naming for step in range(6)] == [1, 1, 1, 1, 0, 0]
