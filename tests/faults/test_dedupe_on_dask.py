"""Dedupe on a Dask cluster of two processes, one killed on the way: the same rows as in threads."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from curation.records import Outcome
from flows.dedupe import dedupe
from flows.ledger import picture_outcome
from flows.settings import RunnerSettings, Settings
from tests.faulty_site import photograph
from tests.sources import collected
from tests.unit.test_stream import Source, offer, subject
from warehouse.artefacts import Artefacts
from warehouse.store import open_store, read_store, record_event

COUNT = 30
KINDS = ("features", "check", "pair", "cluster", "outcome")
pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600), pytest.mark.usefixtures("prefect")]


def project(home: Path, **settings: Any) -> Settings:
    """Make a project with pictures, of which every tenth is there twice."""
    shelf = Artefacts(home)
    answers = [photograph(number - 1 if number % 10 == 9 else number) for number in range(COUNT)]
    source = Source({"a": answers})
    with open_store(home) as store:
        store.append([record_event("subject", "a", subject("a"))])
        for number in range(COUNT):
            asset = collected(source, offer(f"a-{number}", "a"), shelf.put)
            kept = picture_outcome(f"a-{number}", "building", Outcome.KEPT)
            store.append([record_event("image", f"a-{number}", asset), kept])  # type: ignore[arg-type]
    return Settings(home=home, chunk=2, workers=2, **settings)


def rows(home: Path) -> dict[str, dict[str, Any]]:
    with read_store(home) as store:
        return {kind: store.payloads(kind) for kind in KINDS}


def kill_a_worker(home: Path, killed: list[int]) -> None:
    """Kill one of Dask's workers as soon as the first features are in the warehouse."""
    from distributed import Nanny

    before = len(list((home / "events").iterdir()))
    while len(list((home / "events").iterdir())) < before + 2:
        time.sleep(0.01)
    workers = [nanny.process.pid for nanny in Nanny._instances if nanny.process and nanny.process.pid]
    os.kill(workers[0], signal.SIGKILL)
    killed.append(workers[0])


def test_the_rows_are_those_of_threads_though_a_worker_is_killed(tmp_path: Path) -> None:
    here = project(tmp_path / "threads", dedupe={"rulings": tmp_path / "none.toml"})
    there = project(tmp_path / "dask", dedupe=here.dedupe, runner=RunnerSettings(kind="dask"))
    dedupe(here)
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(there.home, killed))
    killer.start()
    counts = dedupe(there)
    killer.join()
    assert killed
    assert rows(there.home) == rows(here.home)
    assert len(rows(there.home)["features"]) == COUNT
    assert (counts[0].kept, counts[0].pending) == (COUNT - COUNT // 10, 0)
