"""The draft stage with batches: the same items as online, a step further with every run."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from curation.drafting.bench.subjects import made_up_subjects
from curation.records import KnowledgeItem, StageCount
from flows.draft import draft, drafted
from flows.drafting import batch as draft_batch
from flows.drafting.bench import fill
from flows.drafting.money import Caps
from flows.settings import Settings
from tests.batch_server import BatchServer, Plan
from tests.llm_replies import by_rule
from tests.llm_server import KEY
from warehouse.store import read_store

Project = Callable[[str], Settings]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setattr(draft_batch, "FIRST_SECONDS", 0.01)
    with BatchServer(by_rule, plans=(Plan(polls=0),)) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield endpoint


@pytest.fixture
def project(tmp_path: Path) -> Project:
    def make(name: str) -> Settings:
        home = tmp_path / name
        fill(home, made_up_subjects(6))
        llm = {"model": "test-model", "api": "chat", "sees_pictures": False}
        return Settings.model_validate({"home": home, "llm": llm})

    return make


def run(settings: Settings, **how: bool) -> StageCount:
    (count,) = draft.fn(settings, None, Caps(price="0,0", **how))
    assert count.incoming == count.kept + sum(count.rejected.values()) + count.pending
    return count


def items(settings: Settings) -> list[KnowledgeItem]:
    with read_store(settings.home) as store:
        return drafted(store)


def outcomes(settings: Settings) -> set[str]:
    with read_store(settings.home) as store:
        return {str(call["outcome"]) for call in store.payloads("draft_call").values()}


def test_an_item_by_batch_is_the_item_drafted_online(server: BatchServer, project: Project) -> None:
    online, batched = project("online"), project("batched")
    first = run(online)
    second = run(batched, in_batch=True, waits=True)
    assert first == second
    assert first.kept > 3
    assert items(online) == items(batched)
    assert "transport_failed" not in outcomes(batched)
    assert max(server.wanted.values()) == 1


def test_every_run_goes_a_step_further(server: BatchServer, project: Project) -> None:
    settings = project("p")
    pending = [run(settings, in_batch=True).pending]
    while pending[-1]:
        pending.append(run(settings, in_batch=True).pending)
        assert len(pending) < 20
    assert pending[0] == pending[1] == pending[2] > 3
    assert len(items(settings)) > 3
    assert server.paid_twice == []
    made = len(server.batches)
    run(settings, in_batch=True)
    assert len(server.batches) == made


def test_an_online_run_waits_for_what_is_in_a_batch(server: BatchServer, project: Project) -> None:
    settings = project("p")
    assert run(settings, in_batch=True).pending == run(settings).pending > 3
    assert server.rows == []
    run(settings, in_batch=True)
    assert run(settings, in_batch=True, waits=True).pending == 0
    assert server.paid_twice == []


def test_ctrl_c_leaves_the_batch_under_way(server: BatchServer, project: Project) -> None:
    """The run ends at once with 130; the next one fetches the answers."""
    settings, hurry = project("p"), threading.Event()

    def press() -> None:
        while server.calls["retrieve"] < 2:
            time.sleep(0.02)
        hurry.set()
        os.kill(os.getpid(), signal.SIGINT)

    server.plans = [Plan(polls=10**6), Plan(polls=0)]
    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(SystemExit) as ended:
        run(settings, in_batch=True, waits=True)
    presser.join()
    assert (ended.value.code, hurry.is_set()) == (130, True)
    (batch,) = server.batches.values()
    batch.plan = Plan(polls=0)
    assert run(settings, in_batch=True, waits=True).pending == 0
    assert server.paid_twice == []
    assert max(server.wanted.values()) == 1
