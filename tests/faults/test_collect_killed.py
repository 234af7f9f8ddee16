"""Pictures with every fault of the web, killed and resumed twice: nothing is lost or asked twice.

MMKE_FAULTS_PICTURES sets how many there are: 300 by default, 10000 for `make faults`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests.collect_runs import CONCURRENCY, Run, project
from tests.faulty_site import expected, photograph, requests_due, serve
from tests.loopback import Loopback
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches
from warehouse.store import read_store

COUNT = int(os.environ.get("MMKE_FAULTS_PICTURES", "300"))
pytestmark = [pytest.mark.prefect, pytest.mark.timeout(3600), pytest.mark.usefixtures("prefect")]


def on_disk(home: Path, site: Loopback) -> set[str]:
    """Return the paths of which a kill left a record."""
    fetches = Fetches(Artefacts(home))
    paths = [f"/p/{number}.jpg" for number in range(COUNT)]
    return {path for path in paths if fetches.find(f"picture {site.url(path)}")}


def test_killed_twice_it_ends_as_if_it_never_was(tmp_path: Path) -> None:
    with Loopback() as site:
        serve(site)
        folder = project(tmp_path / "project", site, COUNT)
        home = folder / ".mmke"
        saved: list[tuple[set[str], Counter[str]]] = []
        slopes: list[float] = []
        for share in (0.35, 0.7):
            run = Run(folder, site)
            assert run.end_at(int(share * COUNT), signal.SIGKILL) == -signal.SIGKILL
            slopes.append(grown(run.memory))
            saved.append((on_disk(home, site), Counter(site.hits)))
        last = Run(folder, site)
        assert last.end() == 0, last.output.read_text()
        hits = site.hits
    assert_adds_up(home, last.output.read_text())
    for there, then in saved:
        assert len(there) > COUNT // 10
        assert [path for path in there if hits[path] > then[path]] == [], "asked for again though on disk"
    due = sum((Counter(requests_due(number)) for number in range(COUNT)), Counter())
    again = Counter({path: hits[path] - due[path] for path in due if hits[path] != due[path]})
    assert all(number > 0 for number in again.values()), "something was never asked for"
    assert len(again) <= 2 * 2 * CONCURRENCY
    slopes.append(grown(last.memory))
    # What is remembered of 1,000 requests takes one MiB; their bodies would add five, their derivatives five
    # more. Of few pictures there is only noise; the median is of the three runs.
    assert COUNT < 5_000 or np.median(slopes) < 4
    told = f"{len(due)} addresses, {hits.total()} requests, {len(again)} again: in flight at a kill"
    sys.stderr.write(f"\n{told}\n{last.output.read_text()}")


def assert_adds_up(home: Path, said: str) -> None:
    """Check in = kept + rejected by reason, and that what is kept is what the server has."""
    ends = expected(COUNT)
    counted = "SELECT coalesce(reason, outcome), count(*) FROM outcome WHERE stage = 'collect' GROUP BY 1"
    with read_store(home) as store:
        rows = store.rows(counted)
        images = store.payloads("image")
    assert Counter(dict(rows)) == ends
    assert f"{COUNT} pictures = {ends['kept']} kept + {COUNT - ends['kept']} rejected" in said
    for image in images.values():
        number = int(image["locator"].rpartition("/")[2].removesuffix(".jpg"))
        assert image["sha256"] == sha256(photograph(number)).hexdigest()
        assert json.loads(Artefacts(home).get(image["metadata_sha256"]))["subject"] == f"Bird {number // 20}"


def grown(memory: list[tuple[int, float]]) -> float:
    """Return, and print, by how many MiB memory grows with 1,000 requests after a fifth of a run."""
    requests = np.array([seen for seen, _ in memory], dtype=float)
    megabytes = np.array([size for _, size in memory])
    first, last = requests.min(), requests.max()
    steady = (requests > first + (last - first) * 0.2) & (requests < last)
    slope = float(np.polyfit(requests[steady], megabytes[steady], 1)[0]) * 1000 if steady.sum() > 20 else 0.0
    sys.stderr.write(f"\nmemory: at most {megabytes.max():.0f} MiB, {slope:+.1f} MiB per 1,000 requests\n")
    return slope
