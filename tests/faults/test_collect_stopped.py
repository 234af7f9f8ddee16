"""SIGINT and SIGTERM: what a collecting run has is on disk, its counts add up, and the next run goes on."""

from __future__ import annotations

import re
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.collect_runs import Run, project
from tests.faulty_site import expected, requests_due, serve
from tests.loopback import Loopback
from warehouse.store import read_store

COUNT = 150
pytestmark = [pytest.mark.prefect, pytest.mark.timeout(600), pytest.mark.usefixtures("prefect")]


def test_it_ends_with_what_it_has_and_goes_on(tmp_path: Path) -> None:
    with Loopback() as site:
        serve(site)
        folder = project(tmp_path / "project", site, COUNT)
        for requests, signum in ((40, signal.SIGINT), (90, signal.SIGTERM)):
            run = Run(folder, site)
            assert run.end_at(requests, signum) == 128 + signum, run.output.read_text()
            assert_told(run.output.read_text(), folder)
        assert Run(folder, site).end() == 0
        hits = Counter({path: number for path, number in site.hits.items() if path != "/robots.txt"})
    with read_store(folder / ".mmke") as store:
        count = store.count("collect")
    assert (count.kept, count.pending) == (expected(COUNT)["kept"], 0)
    due = sum((Counter(requests_due(number)) for number in range(COUNT)), Counter())
    assert hits - due == Counter(), "an orderly end loses nothing that was under way"


def assert_told(said: str, folder: Path) -> None:
    """Check that the last words are what the warehouse holds."""
    told = re.search(r"stopped: (\d+) pictures are kept, (\d+) pending", said)
    assert told, said
    assert "Traceback" not in said
    with read_store(folder / ".mmke") as store:
        count = store.count("collect")
    assert (count.kept, count.pending) == (int(told[1]), int(told[2]))
    assert count.kept > 10
    assert count.pending > 10
    assert count.incoming == count.kept + count.pending + sum(count.rejected.values())
