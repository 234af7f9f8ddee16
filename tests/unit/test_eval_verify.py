"""The replay through the plain full model: a faithful fast model flips nothing, a false one is seen."""

from __future__ import annotations

import math

import pytest
import torch

from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_alignment import FtAlignment
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.editors.port import Editor
from eval.models.split import SplitModel
from eval.models.tiny import Family, prepare_runtime
from eval.plan import Options
from eval.records import Protocol
from eval.verify import Replay, replay
from tests.unit.eval_release import make_release
from tests.unit.tiny_networks import loaded

prepare_runtime()
RELEASE = make_release(6, 3, 3)
SETTINGS = FineTuning(3, 3e-2)


def replayed(editor: Editor, protocol: Protocol, fast_seed: int = 7) -> Replay:
    parts = loaded(Family.LLAVA)
    fast = SplitModel(parts if fast_seed == 7 else loaded(Family.LLAVA, seed=fast_seed))
    options = Options(protocol=protocol, edits_at_once=2)
    return replay(RELEASE, parts, fast, editor, options, 2, lambda *_: None)


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("editor", [NoEdit(), FtLlm(SETTINGS), FtAlignment(SETTINGS)], ids=lambda e: e.name)
def test_the_fast_path_flips_no_first_choice(editor: Editor, protocol: Protocol) -> None:
    torch.set_num_threads(1)
    told = replayed(editor, protocol)
    assert told.flipped == 0
    assert told.top10.ids > 0
    assert told.largest <= 1e-6
    assert all(flips.ids > 0 for flips in told.top1.values())
    assert len(told.top1) == 6


def test_a_model_that_computes_something_else_is_found_out() -> None:
    told = replayed(FtLlm(SETTINGS), Protocol.CLEAN, fast_seed=8)
    assert told.flipped > 0
    assert 1e-6 < told.largest < math.inf
