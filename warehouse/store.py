"""The single DuckDB writer: events in batch files first, rows second, current state as views."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
from filelock import FileLock, Timeout

from curation.atomic import write_atomic
from curation.errors import IntegrityError, PrerequisiteError, Reason
from curation.ids import canonical_json, sha256_bytes
from curation.records import Outcome, Record, StageCount

LOCK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Event:
    """Something learnt about one thing: kind names the record type, payload is its JSON value."""

    kind: str
    key: str
    payload: dict[str, Any]


def record_event(kind: str, key: str, record: Record) -> Event:
    """Return the event that carries a record."""
    return Event(kind, key, record.model_dump(mode="json"))


def outcome_event(  # one flat row of the outcome view, hence the many fields
    stage: str,
    key: str,
    outcome: Outcome,
    *,
    unit: str,
    category: str,
    reason: Reason | None = None,
    detail: str = "",
    inputs: str | None = None,
) -> Event:
    """Return the event that says where a thing stands in a stage; a rejection names its reason.

    inputs: hash of what the stage made it from, for stages that leave alone what has not changed.
    """
    payload = {
        "stage": stage,
        "key": key,
        "unit": unit,
        "category": category,
        "outcome": str(outcome),
        "reason": str(reason) if reason else None,
        "detail": detail,
        **({"inputs": inputs} if inputs else {}),
    }
    return Event("outcome", f"{stage}/{key}", payload)


class Store:
    """Events of one project. Writing needs the lock that open_store holds; reading does not."""

    def __init__(self, root: Path, connection: duckdb.DuckDBPyConnection) -> None:
        """Wrap an open connection; use open_store or read_store."""
        self._root = root
        self._connection = connection

    def append(self, events: Iterable[Event]) -> int:
        """Keep what is new among events and return how many that were.

        An event whose payload equals the current one of its (kind, key) adds nothing, so that a
        repeated run writes nothing. The batch file is on disk before DuckDB hears of it.
        """
        wanted = list(events)
        current = self._current_payloads({(event.kind, event.key) for event in wanted})
        fresh = []
        for event in wanted:
            text = canonical_json(event.payload)
            if current.get((event.kind, event.key)) != text:
                current[event.kind, event.key] = text
                fresh.append({"kind": event.kind, "key": event.key, "payload": event.payload})
        if not fresh:
            return 0
        batch = self._scalar("SELECT coalesce(max(batch), 0) + 1 FROM ingested")
        body = canonical_json({"recorded_at": datetime.now(UTC).isoformat(), "events": fresh}).encode()
        file = self._root / "events" / f"{batch:08d}-{sha256_bytes(body)[:16]}.json"
        write_atomic(file, body)
        self._ingest(batch, file)
        return len(fresh)

    def replay(self) -> int:
        """Read in the batch files that DuckDB has not seen; return how many (heals a kill in append)."""
        seen = {row[0] for row in self.rows("SELECT batch FROM ingested")}
        waiting = [
            file for file in sorted((self._root / "events").glob("*.json")) if batch_of(file) not in seen
        ]
        for file in waiting:
            self._ingest(batch_of(file), file)
        return len(waiting)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        found: list[tuple[Any, ...]] = self._connection.execute(query, list(parameters)).fetchall()
        return found

    def payloads(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the current payload of every key of a kind, in key order."""
        found = self.rows("SELECT key, payload FROM current_event WHERE kind = ? ORDER BY key", [kind])
        return {key: json.loads(payload) for key, payload in found}

    def known(self, kind: str, keys: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the current payload of those of some keys of a kind that are there."""
        found = self._current_payloads({(kind, key) for key in keys})
        return {key: json.loads(payload) for (_, key), payload in found.items()}

    def outcomes(self, stage: str) -> dict[str, str]:
        """Return kept, rejected or pending for every thing that a stage has seen."""
        return dict(self.rows("SELECT key, outcome FROM outcome WHERE stage = ? ORDER BY key", [stage]))

    def settle(self, stage: str, events: Sequence[Event]) -> None:
        """Keep a stage's outcomes as the whole of what it saw: things it no longer sees are marked gone."""
        seen = {event.payload["key"] for event in events if event.kind == "outcome"}
        self.append([*events, *self._gone(stage, seen)])

    def forget(self, stage: str, seen: Collection[str]) -> None:
        """Mark as gone what a stage has outcomes of but does not see any more."""
        self.append(self._gone(stage, seen))

    def _gone(self, stage: str, seen: Collection[str]) -> list[Event]:
        return [
            Event("outcome", f"{stage}/{key}", {"stage": stage, "key": key, "outcome": "gone"})
            for key in self.outcomes(stage)
            if key not in seen
        ]

    def count(self, stage: str) -> StageCount:
        """Return in = kept + rejected (by reason) + pending of a stage."""
        counted = "SELECT outcome, reason, count(*), min(unit) FROM outcome WHERE stage = ?"
        found = self.rows(f"{counted} GROUP BY 1, 2 ORDER BY 1, 2", [stage])
        rejected = {reason: number for outcome, reason, number, _ in found if outcome == Outcome.REJECTED}
        of = {str(outcome): number for outcome, _, number, _ in found}
        return StageCount(
            stage=stage,
            unit=found[0][3] if found else "things",
            incoming=sum(number for _, _, number, _ in found),
            kept=of.get(str(Outcome.KEPT), 0),
            rejected=rejected,
            pending=of.get(str(Outcome.PENDING), 0),
        )

    def _current_payloads(self, keys: set[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """Return the current payloads of some things alone: a batch costs the same in a large warehouse."""
        query = """
            WITH wanted AS (SELECT unnest(?) AS kind, unnest(?) AS key),
            newest AS (
                SELECT arg_max(event.rowid, (batch, position)) AS place
                FROM event SEMI JOIN wanted USING (kind, key) GROUP BY kind, key
            )
            SELECT kind, key, payload FROM event WHERE rowid IN (SELECT place FROM newest)
        """
        found = self.rows(query, [[kind for kind, _ in keys], [key for _, key in keys]])
        return {(kind, key): canonical_json(json.loads(payload)) for kind, key, payload in found}

    def _scalar(self, query: str) -> int:
        return int(self.rows(query)[0][0])

    def _ingest(self, batch: int, file: Path) -> None:
        body = file.read_bytes()
        if sha256_bytes(body)[:16] != file.stem.split("-")[1]:
            message = (
                f"event file {file} is damaged: its bytes do not match its name; restore it from a backup"
            )
            raise IntegrityError(message)
        self._connection.execute("BEGIN")
        try:
            # DuckDB reads the JSON itself: row-by-row inserts would be a thousand times slower.
            self._connection.execute(
                """
                INSERT INTO event
                SELECT ?, generate_subscripts(events, 1), unnest(events).kind, unnest(events).key,
                       recorded_at, unnest(events).payload
                FROM read_json(?, maximum_object_size = 1000000000, columns = {'recorded_at': 'VARCHAR',
                    'events': 'STRUCT(kind VARCHAR, key VARCHAR, payload JSON)[]'})
                """,
                [batch, str(file)],
            )
            self._connection.execute("INSERT INTO ingested VALUES (?, ?)", [batch, file.name])
            self._connection.execute("COMMIT")
        except duckdb.Error:
            self._connection.execute("ROLLBACK")
            raise


def batch_of(file: Path) -> int:
    """Return the number of a batch file; '00000012-0123456789abcdef.json' is 12."""
    return int(file.stem.split("-")[0])


@contextmanager
def open_store(root: Path, threads: int | None = None) -> Iterator[Store]:
    """Open the one writer of a project's warehouse, migrated and complete.

    threads: that DuckDB works with, as many as there are cores by default; it starts them anew at each
    opening. Raises PrerequisiteError when another process holds the warehouse, naming that process.
    """
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root):
        config: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.4.0"}
        if threads is not None:
            config["threads"] = threads
        connection = duckdb.connect(str(root / "warehouse.duckdb"), config=config)
        try:
            _migrate(connection)
            store = Store(root, connection)
            store.replay()
            yield store
        finally:
            connection.close()


@contextmanager
def read_store(root: Path) -> Iterator[Store]:
    """Open the warehouse for reading. Raises PrerequisiteError when nothing was collected yet."""
    path = root / "warehouse.duckdb"
    if not path.exists():
        message = f"there is no warehouse in {root} yet; run `mmke collect` (or `make demo`) first"
        raise PrerequisiteError(message)
    with _locked(root):
        connection = duckdb.connect(str(path), read_only=True)
        try:
            yield Store(root, connection)
        finally:
            connection.close()


def _locked(root: Path) -> AbstractContextManager[None]:
    """Hold the warehouse: DuckDB lets no second process in while one writes, so they take turns."""
    return held(root, "warehouse", f"the warehouse {root}", LOCK_SECONDS)


@contextmanager
def held(root: Path, name: str, what: str, seconds: float) -> Iterator[None]:
    """Hold something of a project for this process alone, by a lock file of that name in root.

    seconds: to wait for it. Raises PrerequisiteError when another process has it, naming that process and
    what it holds. The lock of a process that died is free.
    """
    holder = root / f"{name}.holder"
    lock = FileLock(root / f"{name}.lock")
    try:
        lock.acquire(timeout=seconds)
    except Timeout as error:
        who = holder.read_text().strip() if holder.exists() else "another process"
        message = f"{what} is in use by {who}; wait for it or stop it, then run again"
        raise PrerequisiteError(message) from error
    try:
        holder.write_text(f"process {os.getpid()}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the tables up to date: numbered files, one transaction, refused when an applied one changed."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migration (version VARCHAR PRIMARY KEY, sha256 VARCHAR NOT NULL)"
    )
    applied = dict(connection.execute("SELECT version, sha256 FROM schema_migration").fetchall())
    scripts = {entry.name: entry.read_text() for entry in files("warehouse").joinpath("migrations").iterdir()}
    if set(applied) - set(scripts):
        message = f"the warehouse was made by a newer version (migration {max(applied)}); update mmke-forge"
        raise PrerequisiteError(message)
    for name in sorted(scripts):
        sha256 = sha256_bytes(scripts[name].encode())
        if applied.get(name, sha256) != sha256:
            message = f"migration {name} differs from the one this warehouse was made with; restore the file"
            raise IntegrityError(message)
        if name not in applied:
            connection.execute("BEGIN")
            connection.execute(scripts[name])
            connection.execute("INSERT INTO schema_migration VALUES (?, ?)", [name, sha256])
            connection.execute("COMMIT")
    for entry in sorted(files("warehouse").joinpath("views").iterdir(), key=lambda entry: entry.name):
        connection.execute(entry.read_text())
