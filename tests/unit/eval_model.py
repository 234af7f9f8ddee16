"""Models that are trained in a second or two, for the tests of editors and runner."""

from __future__ import annotations

from functools import cache

from eval.models.curriculum import Phase, TinyTraining
from eval.models.lessons import original_knowledge
from eval.models.network import Loaded
from eval.models.split import SplitModel
from eval.models.tiny import Family, TinyShape
from eval.models.training import Course
from tests.unit.eval_release import make_release
from warehouse.release import Release

SMALL = TinyTraining(
    shape=TinyShape(
        image_size=32, patch_size=16, vision_width=32, vision_layers=1, text_width=32, text_layers=2,
        text_mlp=64, heads=2, vocabulary=600, max_tokens=900, queries=4, qformer_layers=1,
    ),
    tower_steps=3, warm_up=2, demonstrations=1,
    phases=(
        Phase(2, 1e-3, copying=4), Phase(3, 1e-3, naming=4, seeing=4),
        Phase(3, 1e-3, naming=2, seeing=2, reading=2, telling=1, in_context=4),
    ),
    checkpoint_every=3, checked=5,
)  # fmt: skip


@cache
def small_release() -> Release:
    """Return the same release in every test."""
    return make_release()


@cache
def small_loaded(family: Family = Family.LLAVA) -> Loaded:
    """Return a model that knows next to nothing, but has every part."""
    course = Course(small_release(), original_knowledge(small_release().items), SMALL, family)
    for number in range(SMALL.steps):
        course.step(number)
    return course.loaded("0" * 64)


@cache
def small_model(family: Family = Family.LLAVA) -> SplitModel:
    """Return small_loaded as the split model, the same object in every test."""
    return SplitModel(small_loaded(family))
