"""`mmke draft` as a command: what it says, what it costs, and how it ends when it is told to stop."""

from __future__ import annotations

import signal
import time
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.draft import draft
from flows.drafting.money import Caps, plan_lines
from flows.drafting.plan import DraftScope
from flows.settings import load_settings
from tests.draft_runs import DraftRun, answered, drafting_project, outcomes
from tests.llm_server import KEY, LlmServer, llm_process, paid_twice, read_ledger


def mmke(*words: str) -> Result:
    """Run a command that needs no Prefect server."""
    return CliRunner().invoke(app, words)


def test_help_teaches_what_drafting_needs() -> None:
    told = " ".join(mmke("draft", "--help").stdout.split())
    for word in ("--budget", "--max-tokens", "--price", "--yes", "--dry-run", "--batch", "--redo-from"):
        assert word in told
    assert "OPENAI_API_KEY" in told and "mmke draft spend" in told
    assert "5 a budget or quota is used up" in " ".join(mmke("--help").stdout.split())


@pytest.mark.parametrize("amount", ["much", "-1", "nan"])
def test_a_budget_is_an_amount_of_money(amount: str) -> None:
    done = mmke("draft", f"--budget={amount}")
    assert done.exit_code == 2
    assert "no amount of US dollars" in done.output


def test_a_dry_run_tells_the_cost_and_asks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(drafting_project(tmp_path / "project", 8))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with LlmServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        done = mmke("draft", "building", "--dry-run", "--price", "1,2", "--budget", "3")
        caps = Caps(Decimal(3), price="1,2")
        told = "\n".join(plan_lines(load_settings(), DraftScope(frozenset({"building"})), caps))
        assert server.rows == []
    assert done.exit_code == 0, done.output
    assert KEY not in done.output
    assert "2 of 2 subjects to draft" in told
    assert "10 questions to test-model" in told and "it stops at $3.00" in told


def test_spending_and_the_page_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = drafting_project(tmp_path / "project", 8)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with LlmServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        draft.fn(load_settings(), None, Caps(price="1,2"), lambda _: True)
    assert "$0.0" in mmke("draft", "spend").output
    page = mmke("draft", "report")
    assert page.exit_code == 0, page.output
    assert (folder / ".mmke" / "galleries" / "drafting.html").is_file()


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect")
def test_terminated_it_keeps_what_is_under_way(tmp_path: Path) -> None:
    folder, ledger = drafting_project(tmp_path / "project", 24, timeout_seconds=20), tmp_path / "ledger.jsonl"
    with llm_process(ledger, delay=0.3) as url:
        run = DraftRun(folder, url, KEY)
        while len(read_ledger(ledger)) < 20:
            assert run.process.poll() is None, run.said
            time.sleep(0.05)
        run.process.send_signal(signal.SIGTERM)
        assert run.end() == 143, run.said
        rows = read_ledger(ledger)
    assert "stopped: " in run.said and "Traceback" not in run.said
    assert outcomes(folder / ".mmke")["pending"] > 0
    assert {row["key"] for row in rows if row["charged"]} == answered(folder / ".mmke")
    assert paid_twice(rows) == []


@pytest.mark.prefect
@pytest.mark.usefixtures("prefect")
def test_told_twice_it_stops_at_once(tmp_path: Path) -> None:
    folder, ledger = drafting_project(tmp_path / "project", 24, timeout_seconds=60), tmp_path / "ledger.jsonl"
    with llm_process(ledger, delay=30.0) as url:
        run = DraftRun(folder, url, KEY)
        while len(read_ledger(ledger)) < 10:
            assert run.process.poll() is None, run.said
            time.sleep(0.05)
        for _ in range(2):
            run.process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        began = time.monotonic()
        assert run.end() == 130, run.said
        assert time.monotonic() - began < 15
    assert sum(outcomes(folder / ".mmke").values()) == 24
