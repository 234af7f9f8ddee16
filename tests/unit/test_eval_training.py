"""What the tiny model is taught, and that its training is deterministic, resumable and verified."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from curation.records import ImageRole, Split
from eval.models import checkpoints
from eval.models.counterfactuals import Counterfactuals
from eval.models.curriculum import Phase, TinyTraining
from eval.models.lessons import original_knowledge
from eval.models.training import trained_model
from tests.unit.eval_model import SMALL, small_release, state_hash


def nothing(_: str, __: int, ___: int) -> None:
    """Report no progress."""


def stop_at(step: int):  # noqa: ANN201
    def progress(_: str, done: int, __: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    return progress


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


def test_two_trainings_give_the_same_bits(tmp_path: Path) -> None:
    one = trained_model(small_release(), tmp_path / "a", SMALL, nothing)
    other = trained_model(small_release(), tmp_path / "b", SMALL, nothing)
    assert (state_hash(one), one.digest) == (state_hash(other), other.digest)


def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = trained_model(small_release(), tmp_path / "a", SMALL, nothing)
    with pytest.raises(KeyboardInterrupt):
        trained_model(small_release(), tmp_path / "b", SMALL, stop_at(5))
    steps: list[int] = []
    resumed = trained_model(small_release(), tmp_path / "b", SMALL, lambda _, done, __: steps.append(done))
    assert steps[0] == 4
    assert resumed.digest == whole.digest


def test_a_damaged_checkpoint_starts_anew(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained_model(small_release(), tmp_path, SMALL, stop_at(5))
    checkpoint = next((tmp_path / "models").glob(".*.checkpoint"))
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    steps: list[int] = []
    trained_model(small_release(), tmp_path, SMALL, lambda _, done, __: steps.append(done))
    assert steps[0] == 1


def test_a_second_call_trains_nothing_and_a_damaged_model_is_trained_again(tmp_path: Path) -> None:
    steps: list[int] = []
    model = trained_model(small_release(), tmp_path, SMALL, nothing)
    trained_model(small_release(), tmp_path, SMALL, lambda _, done, __: steps.append(done))
    assert steps == []
    weights = next((tmp_path / "models").glob("tiny*/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    again = trained_model(small_release(), tmp_path, SMALL, lambda _, done, __: steps.append(done))
    assert (len(steps), again.digest) == (SMALL.steps, model.digest)


def test_the_quality_log_belongs_to_the_model(tmp_path: Path) -> None:
    model = trained_model(small_release(), tmp_path, SMALL, nothing)
    log = checkpoints.quality_log(tmp_path, model)
    assert log["steps"] == SMALL.steps
    assert {"naming", "seeing", "reading", "telling", "in_context"} <= set(log)


def test_the_rate_rises_then_runs_from_phase_to_phase_to_nothing() -> None:
    config = TinyTraining(phases=(Phase(4, 1.0, naming=1), Phase(2, 0.5, seeing=1)), warm_up=2)
    assert [config.rate(step) for step in range(6)] == [0.5, 0.875, 0.75, 0.625, 0.5, 0.25]
    assert [config.phase(step).naming for step in range(6)] == [1, 1, 1, 1, 0, 0]
