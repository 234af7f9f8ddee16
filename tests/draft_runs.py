"""Runs the real `mmke draft` against a faulty endpoint, in a process that tests kill; reads its books."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from curation.drafting.bench.subjects import made_up_subjects
from flows.drafting.bench import fill
from tests.llm_server import Row
from warehouse.artefacts import Artefacts, Responses
from warehouse.store import read_store

IN, OUT = Decimal(1), Decimal(2)
"""US dollars per million tokens, in and out."""

IN_FLIGHT = 16
MMKE = Path(sys.executable).with_name("mmke")


def drafting_project(folder: Path, count: int, timeout_seconds: float = 4.0) -> Path:
    """Make a project of so many subjects that can be drafted at once."""
    fill(folder / ".mmke", made_up_subjects(count))
    settings = ["[llm]", 'model = "test-model"', f"in_flight = {IN_FLIGHT}", 'api = "chat"']
    settings += [f"timeout_seconds = {timeout_seconds}", "sees_pictures = false"]
    (folder / "mmke.toml").write_text("\n".join(settings) + "\n")
    return folder


class DraftRun:
    """One `mmke draft` in a process of its own."""

    def __init__(self, folder: Path, url: str, key: str, *options: str) -> None:
        """Start it."""
        self._ledger = folder.parent / "ledger.jsonl"
        self._ledger.touch()
        self.output = folder / f"output-{time.monotonic_ns()}.txt"
        environment = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": key}
        command = [str(MMKE), "draft", "--yes", "--price", f"{IN},{OUT}", *options]
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=folder, stdout=out, stderr=out, env=environment, start_new_session=True
            )

    def kill_at(self, charged: int) -> None:
        """Kill it when the endpoint has charged so many answers."""
        mark, seen = b'"charged": true', 0
        with self._ledger.open("rb") as ledger:
            while seen < charged:
                seen += ledger.read().count(mark)
                assert self.process.poll() is None, self.output.read_text()
                time.sleep(0.05)
        self.process.kill()
        assert self.process.wait() == -9

    def end(self) -> int:
        """Return the exit code."""
        return self.process.wait()

    @property
    def said(self) -> str:
        """Return all that it printed."""
        return self.output.read_text(errors="replace")


def charged(rows: Iterable[Row]) -> Decimal:
    """Return what an endpoint charged, in US dollars."""
    return sum((_cost(row["tokens_in"], row["tokens_out"]) for row in rows if row["charged"]), Decimal(0))


def _cost(tokens_in: int, tokens_out: int) -> Decimal:
    return (tokens_in * IN + tokens_out * OUT) / 1_000_000


def told_of_twice(home: Path) -> set[str]:
    """Return the requests of which the project says that they were possibly paid twice."""
    return {key for key, note, tries in Responses(Artefacts(home)).all() if len(tries) > (note is not None)}


def booked(home: Path) -> tuple[Decimal, Decimal]:
    """Return what the project notes as spent on kept answers, and at most on tries without one."""
    spent = lost = Decimal(0)
    for _, note, tries in Responses(Artefacts(home)).all():
        if note is not None:
            assert note.cost is not None
            spent += note.cost
        lost += sum((worst or Decimal(0) for worst in (tries[:-1] if note else tries)), Decimal(0))
    return spent, lost


def answered(home: Path) -> set[str]:
    """Return the hashes of the requests whose answers are kept, each answer read and found whole."""
    responses = Responses(Artefacts(home))
    found = {key for key, note, _ in responses.all() if note is not None}
    assert all(responses.get(key) for key in found)
    return found


def outcomes(home: Path) -> dict[str, int]:
    """Return how many subjects are kept, pending, or rejected for each reason."""
    counted = "SELECT coalesce(reason, outcome), count(*) FROM outcome WHERE stage = 'draft' GROUP BY 1"
    with read_store(home) as store:
        return dict(store.rows(counted))


def places_of(secrets: Iterable[bytes], folders: Iterable[Path]) -> list[Path]:
    """Return the files under folders, and the warehouses' events, in which one of some secrets stands."""
    found = []
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and any(secret in path.read_bytes() for secret in secrets):
                found.append(path)
        for warehouse in folder.rglob(".mmke"):
            with read_store(warehouse) as store:
                events = "\n".join(row[0] for row in store.rows("SELECT CAST(payload AS VARCHAR) FROM event"))
            if any(secret.decode() in events for secret in secrets):
                found.append(warehouse)
    return found
