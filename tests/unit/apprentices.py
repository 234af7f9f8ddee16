"""What the tests of trained editors share: train cases on a random-weight model, and a kill in the middle."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch

from curation.records import Split
from eval.cases import edit_cases
from eval.editors.drills import edit_prompt
from eval.editors.port import EditRequest
from eval.models.network import Network
from eval.records import Dialect, EditCase
from tests.unit.eval_release import make_release
from warehouse.release import Release

torch.set_num_threads(1)


@cache
def release() -> Release:
    return make_release()


@cache
def train_cases() -> tuple[EditCase, ...]:
    return tuple(edit_cases(release(), Split.TRAIN))[:5]


def request(model: Network, case: EditCase, dialect: Dialect = Dialect.CLEAN) -> EditRequest:
    prompt = edit_prompt(model, case, release().image, dialect)
    assert prompt is not None
    return EditRequest(case, prompt)


class KilledError(Exception):
    """Stands for the signal that ends a training."""


def quiet(told: str, done: int, total: int) -> None:
    """Report nothing."""


def killer(at: int) -> Callable[[str, int, int], None]:
    """Return a progress report that ends the training after so many cases."""

    def report(told: str, done: int, total: int) -> None:
        assert told.startswith("train ")
        assert total >= done
        if done == at:
            raise KilledError

    return report
