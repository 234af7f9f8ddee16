"""SIGKILL after every single step of a run with batches: nothing is lost and nothing is paid twice."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.drafting.money.spending import spending
from tests.batch_deaths import mortals
from tests.batch_runs import BatchRun, questions
from tests.batch_server import BatchServer, Plan

PLANS = (Plan(status="expired", done=2), Plan())
COUNT, MOST_STEPS = 3, 80
Ended = Callable[[int, str, Path, int], int]


@pytest.fixture(scope="module")
def ended() -> Iterator[Ended]:
    with mortals() as function:
        yield function


def all_is_well(server: BatchServer, home: Path) -> None:
    """Every question was charged once, in the two batches that it takes, and is answered."""
    assert server.paid_twice == []
    assert sum(row["charged"] for row in server.rows) == COUNT
    assert len(server.batches) == 2
    store = BatchRun(server.base_url, home, ()).store
    assert all(store.get(asked.request_sha256) for asked in questions(COUNT))
    assert not spending(store.all()).twice


def test_killed_once_after_any_step(tmp_path: Path, ended: Ended) -> None:
    for kill in range(1, MOST_STEPS):
        home = tmp_path / str(kill)
        with BatchServer(plans=PLANS) as server:
            if ended(kill, server.base_url, home, COUNT) != -signal.SIGKILL:
                all_is_well(server, home)
                assert kill > 20, "too few steps to mean anything"
                return
            assert ended(0, server.base_url, home, COUNT) == 0, f"after step {kill}"
            all_is_well(server, home)
    pytest.fail("more steps than expected: raise MOST_STEPS")


def test_killed_again_and_again(tmp_path: Path, ended: Ended) -> None:
    """Every second run dies one step further than the ones before, in the same folder."""
    with BatchServer(plans=PLANS) as server:
        deaths = 0
        while ended(deaths // 2 + 1, server.base_url, tmp_path, COUNT) == -signal.SIGKILL:
            deaths += 1
            assert deaths < 3 * MOST_STEPS
        assert deaths > 8
        all_is_well(server, tmp_path)
