"""Chunks of work: in order, kept as they come, the same in threads and on Dask with a killed worker."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from curation.errors import PrerequisiteError
from flows.chunks import in_chunks
from flows.settings import RunnerSettings, Settings

pytestmark = [pytest.mark.prefect, pytest.mark.usefixtures("prefect")]
DASK = Settings(chunk=4, workers=2, runner=RunnerSettings(kind="dask"))


@flow(name="chunks", validate_parameters=False)
def run(settings: Settings, work: Callable[[int], Any], keep: Callable[[Sequence[Any]], None]) -> list[Any]:
    return in_chunks("test", range(40), settings, work, keep)


def square(number: int) -> tuple[int, int]:
    """Return what a stage would: a row that depends on the thing alone, and where it was made."""
    return number * number, os.getpid()


def dying(mark: Path, number: int) -> tuple[int, int]:
    """Kill the first process that comes to the thing 17, and no other."""
    if number == 17:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return square(number)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.01)
    return square(number)


def test_threads_and_dask_give_the_same_rows_in_order_though_a_worker_is_killed(tmp_path: Path) -> None:
    kept: list[Sequence[tuple[int, int]]] = []
    here = run(Settings(chunk=4, workers=2), square, kept.append)
    assert [len(part) for part in kept] == [4] * 10
    assert {place for _, place in here} == {os.getpid()}
    mark = tmp_path / "killed"
    there = run(DASK, partial(dying, mark), kept.append)
    assert mark.exists()
    assert [row for row, _ in there] == [row for row, _ in here] == [n * n for n in range(40)]
    assert [row for part in kept[10:] for row in part] == there
    assert os.getpid() not in {place for _, place in there}


def test_work_that_holds_something_of_this_process_stays_here() -> None:
    lock = threading.Lock()

    def locked(number: int) -> tuple[int, int]:
        with lock:
            return square(number)

    assert {place for _, place in run(DASK, locked, lambda _: None)} == {os.getpid()}


def test_dask_without_a_server_that_workers_reach_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL")
    with pytest.raises(PrerequisiteError, match="PREFECT_API_URL"):
        in_chunks("test", range(4), DASK, square)


def test_an_error_in_the_work_is_raised() -> None:
    def broken(number: int) -> int:
        raise PrerequisiteError(f"thing {number} cannot be")

    with pytest.raises(PrerequisiteError, match="thing 0"):
        run(Settings(chunk=4), broken, lambda _: None)
