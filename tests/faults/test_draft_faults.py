"""Items drafted by an endpoint with every fault, killed, stopped by the budget and resumed: all adds up.

MMKE_FAULTS_ITEMS sets how many there are: 150 by default, 3000 for `make faults`.
"""

from __future__ import annotations

import os
import sys
from base64 import b64encode
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from tests.draft_runs import (
    IN_FLIGHT,
    DraftRun,
    answered,
    booked,
    charged,
    drafting_project,
    outcomes,
    places_of,
    told_of_twice,
)
from tests.llm_server import llm_process, paid_twice, read_ledger

COUNT = int(os.environ.get("MMKE_FAULTS_ITEMS", "150"))
KEY, PASSWORD = "sk-planted-K3yMarker00112233", "planted-Passw0rdMarker"
BEFORE = {"429": 0.02, "429_after": 0.005, "500": 0.03, "503_after": 0.003, "web_page": 0.003}
LOST = {"hang": 0.006, "drop": 0.01}
SPOILT = {
    "refusal": 0.01,
    "plain_refusal": 0.01,
    "truncated": 0.015,
    "filtered": 0.005,
    "content_filter": 0.005,
    "prose": 0.03,
    "two_objects": 0.02,
    "commentary": 0.02,
    "empty_choices": 0.01,
    "hostile": 0.02,
}
WORST = Decimal("0.05")
"""More US dollars than one question may cost, so that a budget stops less than that below its cap."""

STORMS = (range(60, 80), range(2_000, 2_040), range(5_000, 5_040))
pytestmark = [pytest.mark.prefect, pytest.mark.timeout(3600), pytest.mark.usefixtures("prefect")]


def with_login(url: str) -> str:
    """Return the address with a planted user and password in it."""
    return url.replace("//", f"//curator:{PASSWORD}@", 1)


def finish(folder: Path, url: str) -> str:
    """Run until nothing is pending; what failed too often, or perhaps was paid, is left to the next run."""
    for _ in range(4):
        run = DraftRun(folder, url, KEY, "--budget", "1000")
        code = run.end()
        assert code == (6 if outcomes(folder / ".mmke").get("pending") else 0), run.said
        if code == 0:
            return run.said
    raise AssertionError(f"still pending: {run.said}")


def test_nothing_is_lost_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    folder, ledger = drafting_project(tmp_path / "project", COUNT), tmp_path / "ledger.jsonl"
    home, cap = folder / ".mmke", Decimal("0.0005") * COUNT + WORST
    shares = BEFORE | LOST | SPOILT
    with llm_process(ledger, shares=shares, seed=5, delay=0.05, storms=STORMS) as plain:
        url = with_login(plain)
        stopped = DraftRun(folder, url, KEY, "--budget", str(cap))
        assert stopped.end() == 5, stopped.said
        books = sum(booked(home), Decimal(0))
        assert charged(read_ledger(ledger)) <= books <= cap
        assert cap - WORST < books
        assert "--budget" in stopped.said
        assert sum(outcomes(home).values()) == COUNT
        for share in (2.2, 3.2):
            DraftRun(folder, url, KEY, "--budget", "1000").kill_at(int(share * COUNT))
        said = finish(folder, url)
        rows = read_ledger(ledger)
    ends = outcomes(home)
    assert sum(ends.values()) == COUNT and ends.get("pending", 0) == 0
    assert ends["kept"] > COUNT * 0.6
    assert paid_twice(rows) == []
    assert {row["key"] for row in rows if row["charged"]} <= answered(home)
    faults = Counter(row["fault"] for row in rows)
    kept, lost = booked(home)
    assert charged(rows) <= kept <= charged(rows) + WORST * faults["content_filter"]
    assert lost <= WORST * 2 * IN_FLIGHT, "marked at a kill, and not known to the endpoint"
    assert COUNT < 1_000 or set(faults) - {""} == set(shares)
    here = Path(os.environ["PREFECT_HOME"])
    secrets = [KEY.encode(), PASSWORD.encode(), b64encode(f"curator:{PASSWORD}".encode())]
    assert places_of(secrets, [folder, here]) == []
    told = f"{COUNT} items, {len(rows)} requests, faults {dict(faults)}, ends {ends}, {charged(rows)} dollars"
    sys.stderr.write(f"\n{told}\n{said}")


def test_an_endpoint_that_keeps_nothing_is_paid_twice_only_for_what_never_arrived(tmp_path: Path) -> None:
    count = max(40, COUNT // 5)
    folder, ledger = drafting_project(tmp_path / "project", count), tmp_path / "ledger.jsonl"
    home = folder / ".mmke"
    with llm_process(ledger, shares=BEFORE | LOST, seed=7, delay=0.05, stores=False) as url:
        DraftRun(folder, url, KEY, "--budget", "1000").kill_at(count)
        finish(folder, url)
        rows = read_ledger(ledger)
    ends = outcomes(home)
    assert sum(ends.values()) == count and ends.get("pending", 0) == 0
    never_arrived = {row["key"] for row in rows if row["fault"] in LOST}
    assert set(paid_twice(rows)) <= told_of_twice(home)
    assert len(set(paid_twice(rows)) - never_arrived) <= IN_FLIGHT
    kept, lost = booked(home)
    assert kept <= charged(rows) <= kept + lost, "what may have been paid for nothing is in the books"
