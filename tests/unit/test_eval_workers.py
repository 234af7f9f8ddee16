"""Scale-out: processes and Ray's actors give the records of one process, none twice, though one is killed."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from curation.errors import IntegrityError, PrerequisiteError
from eval import workers
from eval.editors.fine_tuning import FineTuning
from eval.editors.ft_llm import FtLlm
from eval.editors.none import NoEdit
from eval.models.tiny import Family, prepare_runtime
from eval.plan import Options
from eval.records import EvalRecord
from eval.runner import SingleRun, run_all
from eval.storage import read_records
from tests.unit.eval_release import make_release
from tests.unit.tiny_networks import split

prepare_runtime()
METHODS = [NoEdit(), FtLlm(FineTuning(2, 3e-2))]


def open_here(out: Path) -> SingleRun:
    """Open a run as every worker does."""
    options = Options(tokens=0, block=1)
    return SingleRun(make_release(6, 3, 3), split(Family.LLAVA), METHODS, options, out)


class Doomed(SingleRun):
    """Kills its process in the middle of a block, if no other process has done so before."""

    def do(self, work: Any) -> None:
        mark = self.ledger.out / "killed"
        if self.ledger.out.exists() and len(list(self.ledger.out.glob("records/*"))) >= 4:
            try:
                mark.touch(exist_ok=False)
            except FileExistsError:
                pass
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        super().do(work)


def open_doomed(out: Path) -> SingleRun:
    run = open_here(out)
    run.__class__ = Doomed
    return run


def open_broken(out: Path) -> SingleRun:
    raise IntegrityError("a damaged cache")


def stored(out: Path) -> dict[str, EvalRecord]:
    found = {record.key: record for record in read_records(out)}
    lines = sum(path.suffix == ".zst" for path in (out / "records").iterdir())
    assert lines == len(found)  # blocks of one case and one method: none was written twice
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EvalRecord]:
    out = tmp_path_factory.mktemp("alone")
    run_all(open_here(out), lambda *_: None)
    return stored(out)


def test_two_processes_of_which_one_is_killed_make_the_records_of_one(
    tmp_path: Path, expected: dict[str, EvalRecord]
) -> None:
    seen: list[tuple[int, int]] = []
    opener = partial(open_doomed, tmp_path)
    ledger = open_here(tmp_path).ledger
    workers.run_processes([opener, opener], ledger, lambda _, done, total: seen.append((done, total)))
    assert (tmp_path / "killed").exists()
    assert stored(tmp_path) == expected
    assert seen[-1] == (14, 14)
    assert not list((tmp_path / "claims").iterdir())


@pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed")
def test_a_ray_of_two_actors_of_which_one_is_killed_makes_the_records_of_one(
    tmp_path: Path, expected: dict[str, EvalRecord]
) -> None:
    seen: list[tuple[int, int]] = []
    ledger = open_here(tmp_path).ledger
    workers.run_ray(
        partial(open_doomed, tmp_path), 2, "local", ledger, lambda _, done, total: seen.append((done, total))
    )
    assert (tmp_path / "killed").exists()
    assert stored(tmp_path) == expected
    assert seen[-1] == (14, 14)
    assert not sys.modules["ray"].is_initialized()
    # Imported here for the first time, Ray keeps to this machine.
    assert sys.modules["ray"].util.get_node_ip_address() == "127.0.0.1"


def test_workers_that_cannot_start_tell_why_and_leave_no_process(tmp_path: Path) -> None:
    ledger = open_here(tmp_path).ledger
    with pytest.raises(IntegrityError, match="7 blocks are left"):
        workers.run_processes([partial(open_broken, tmp_path)], ledger, lambda *_: None)


def test_a_claim_is_one_holder_s_and_free_after(tmp_path: Path) -> None:
    path = tmp_path / "claims" / "a.lock"
    with workers._claim(path) as mine, workers._claim(path) as other:
        assert (mine, other) == (True, False)
    with workers._claim(path) as again:
        assert again


def test_nothing_to_do_starts_nothing(tmp_path: Path) -> None:
    run = open_here(tmp_path)
    run_all(run, lambda *_: None)
    workers.run_processes([partial(open_broken, tmp_path)], run.ledger, lambda *_: None)
    workers.run_ray(partial(open_broken, tmp_path), 1, "no such address", run.ledger, lambda *_: None)


def test_each_worker_has_a_gpu_of_its_own_or_all_share_the_cpu() -> None:
    assert workers.devices_for("cpu", 3) == ["cpu"] * 3
    with pytest.raises(PrerequisiteError, match="need as many GPUs"):
        workers.devices_for("cuda", 99)
    with pytest.raises(PrerequisiteError, match="at least one"):
        workers.devices_for("cpu", 0)
