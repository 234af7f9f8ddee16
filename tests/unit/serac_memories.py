"""SERAC trained for a moment on untrained models, and its memories, for tests."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch

from curation.records import Split
from eval.cases import edit_cases
from eval.editors import serac as module
from eval.editors.port import EditRequest
from eval.editors.scope import Scope
from eval.editors.serac import Serac
from eval.editors.serac_memory import SeracMemory
from eval.editors.settings import settings_for
from eval.models.network import Network
from eval.models.port import Edit, Picture, Question
from eval.models.tiny import Family
from eval.records import Dialect, EditCase
from tests.unit.eval_release import make_release
from tests.unit.tiny_networks import split

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
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
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
