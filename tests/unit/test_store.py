"""The warehouse: events once, current state by views, files first."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.errors import IntegrityError, PrerequisiteError, Reason
from curation.records import Outcome
from warehouse import store as store_module
from warehouse.store import Event, open_store, outcome_event, read_store


def seen(key: str, outcome: Outcome, reason: Reason | None = None) -> Event:
    return outcome_event("collect", key, outcome, unit="pictures", category="building", reason=reason)


def test_the_newest_event_is_the_state_and_a_repeat_adds_nothing(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert store.append([Event("item", "a", {"n": 1}), Event("item", "b", {"n": 1})]) == 2
        assert store.append([Event("item", "a", {"n": 2}), Event("item", "b", {"n": 1})]) == 1
        assert store.append([Event("item", "a", {"n": 2})]) == 0
        assert store.payloads("item") == {"a": {"n": 2}, "b": {"n": 1}}


def test_counts_add_up_and_what_is_no_longer_seen_is_gone(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        rejected = seen("y", Outcome.REJECTED, Reason.LICENCE_MISSING)
        store.settle("collect", [seen("x", Outcome.KEPT), rejected, seen("z", Outcome.PENDING)])
        count = store.count("collect")
        assert (count.incoming, count.kept, count.rejected, count.pending) == (
            3,
            1,
            {"licence_missing": 1},
            1,
        )
        store.settle("collect", [seen("x", Outcome.KEPT)])
        assert store.outcomes("collect") == {"x": "kept"}


def test_some_things_are_looked_up_and_what_was_not_seen_is_forgotten(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append([Event("image", "a", {"n": 1}), Event("image", "b", {"n": 1}), Event("item", "a", {})])
        store.append([Event("image", "a", {"n": 2}), seen("a", Outcome.KEPT), seen("b", Outcome.KEPT)])
        assert store.known("image", ["a", "c"]) == {"a": {"n": 2}}
        store.forget("collect", {"a"})
        assert store.outcomes("collect") == {"a": "kept"}


def test_a_batch_costs_the_same_in_a_large_warehouse(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append([Event("image", f"img-{n}", {"n": n, "text": "x" * 500}) for n in range(20_000)])
        started = time.process_time()
        for n in range(10):
            store.append([Event("image", f"img-{n}", {"n": -n, "text": ""})])
        one = (time.process_time() - started) / 10
        started = time.process_time()
        store.payloads("image")
        assert one < (time.process_time() - started) / 3


def test_the_database_is_rebuilt_from_the_event_files(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append(
            [Event("item", "a", {"text": "Chichén \u2028 'quoted'", "none": None, "list": [1, 2.5]})]
        )
        before = store.payloads("item")
    (tmp_path / "warehouse.duckdb").unlink()
    with open_store(tmp_path) as store:
        assert store.payloads("item") == before


def test_a_kill_between_file_and_row_is_healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), open_store(tmp_path) as store:
        monkeypatch.setattr(store, "_ingest", killed)
        store.append([Event("item", "a", {"n": 1})])
    with open_store(tmp_path) as store:
        assert store.payloads("item") == {"a": {"n": 1}}


def test_a_damaged_event_file_is_named(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.append([Event("item", "a", {"n": 1})])
    (tmp_path / "warehouse.duckdb").unlink()
    file = next((tmp_path / "events").glob("*.json"))
    file.write_bytes(file.read_bytes().replace(b'"n":1', b'"n":2'))
    with pytest.raises(IntegrityError, match=file.name), open_store(tmp_path):
        pass


def test_a_second_process_is_told_who_holds_the_warehouse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import pathlib, sys\nfrom warehouse.store import open_store\n"
        f"with open_store(pathlib.Path({str(tmp_path)!r})):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        monkeypatch.setattr(store_module, "LOCK_SECONDS", 0.2)
        with pytest.raises(PrerequisiteError, match=f"process {other.pid}"), read_store(tmp_path):
            pass
        other.communicate(b"")


def test_reading_before_anything_was_collected_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="mmke collect"), read_store(tmp_path):
        pass


def test_a_changed_migration_is_refused(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        store.rows("UPDATE schema_migration SET sha256 = 'other'")
    with pytest.raises(IntegrityError, match="0001_events"), open_store(tmp_path):
        pass
