"""The main job as a user runs it: whole, twice, and killed in every stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.prefect_server import prefect_server
from warehouse.release import Release, open_release

ROOT = Path(__file__).resolve().parents[2]
MMKE = Path(sys.executable).with_name("mmke")
PER_CATEGORY = 2
PROJECTS: list[Path] = []
pytestmark = [pytest.mark.label_studio, pytest.mark.prefect, pytest.mark.timeout(900)]


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run one Prefect server for all runs of this file; each run alone would start its own."""
    before = dict(os.environ)
    with prefect_server(tmp_path_factory.mktemp("prefect")):
        yield
    os.environ.clear()
    os.environ.update(before)


def project(folder: Path) -> Path:
    """Make a project that takes a few subjects of each category and shares the checkout's caches."""
    folder.mkdir()
    PROJECTS.append(folder)
    places = {
        "sample_archive": ROOT / ".cache/sample/gcompris-qt-data.deb",
        "label_studio": ROOT / ".venv-label-studio/bin/label-studio",
        "label_studio_template": ROOT / ".cache/label-studio-template",
        "model_cache": ROOT / ".cache/models",
    }
    lines = [f'{name} = "{path}"' for name, path in places.items()]
    (folder / "mmke.toml").write_text("\n".join([*lines, f"per_category = {PER_CATEGORY}", ""]))
    return folder


def start(folder: Path) -> subprocess.Popen[str]:
    command = [str(MMKE), "run", "--scripted", "--until", "freeze"]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(folder: Path) -> str:
    with start(folder) as running:
        said, _ = running.communicate()
    assert running.returncode == 0, said
    return said


def kill(folder: Path, stage: str, seconds: float) -> None:
    """Start a run and kill it some seconds after it entered a stage."""
    with start(folder) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if line.startswith("[") and line.split()[1] == stage:
                break
        time.sleep(seconds)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL


def released(folder: Path) -> Release:
    return open_release(folder / ".mmke/releases/0.1.0")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("whole") / "project")
    said = finish(folder)
    for line in said.splitlines():
        if " kept + " in line:
            assert_adds_up(line)
    return folder


def assert_adds_up(line: str) -> None:
    """Check 'collect 12 pictures = 9 kept + 3 rejected (...) + 0 pending'."""
    left, right = line.split(" = ")
    kept, rejected, pending = (int(part.split()[0]) for part in right.split(" + "))
    assert int(left.split()[1]) == kept + rejected + pending, line


def test_a_second_run_sends_nothing_and_changes_nothing(whole: Path) -> None:
    before, asked = released(whole).content_sha256, ledger(whole)
    said = finish(whole)
    assert "the same bytes as before" in said
    assert (released(whole).content_sha256, ledger(whole)) == (before, asked)


def test_a_run_killed_in_every_stage_ends_in_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    folder = project(tmp_path / "killed")
    for stage, seconds in (
        ("collect", 0.3),
        ("dedupe", 0.2),
        ("draft", 0.4),
        ("draft", 1.2),
        ("verify", 12),
        ("freeze", 0.1),
    ):
        kill(folder, stage, seconds)
    finish(folder)
    manifest = Path(".mmke/releases/0.1.0/manifest.json")
    assert (folder / manifest).read_bytes() == (whole / manifest).read_bytes()
    asked = ledger(folder)
    assert asked == Counter(dict.fromkeys(asked, 1)), "a drafting request was sent twice"
    assert set(asked) == set(ledger(whole))


def test_no_process_is_left_behind(whole: Path) -> None:
    """No Label Studio and no drafting endpoint outlives the runs above."""

    def told(process: Path) -> bytes:
        try:
            return (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            return b""

    left = [
        process.name
        for process in Path("/proc").glob("[0-9]*")
        if any(str(folder).encode() in told(process) for folder in PROJECTS)
    ]
    assert whole in PROJECTS
    assert left == []


def ledger(folder: Path) -> Counter[str]:
    """Return how often each request reached the drafting endpoint, as the endpoint itself counted."""
    lines = (folder / ".mmke/rule-drafter/requests.jsonl").read_text().splitlines()
    return Counter(json.loads(line)["request_sha256"] for line in lines)
