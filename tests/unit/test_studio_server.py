"""Starting and stopping Label Studio, with a stand-in executable that starts in a moment."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.errors import PrerequisiteError, TransientError
from curation.reviewing.server import StudioServer, label_studio

STAND_IN = """#!{python}
import http.server, json, os, pathlib, sys
words = sys.argv[1:]
data = pathlib.Path(words[words.index("--data-dir") + 1])
if words[0] == "version":
    (data / "label_studio.sqlite3").write_text("migrated")
    (data / ".env").write_text("SECRET_KEY=template")
    (data.parent / "migrations").open("a").write("x")
    sys.exit({migrate})
if {broken}:
    sys.exit("boom: no such table")
(data / "environment.json").write_text(json.dumps(dict(os.environ)))
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers["Authorization"] == "Token " + os.environ["LABEL_STUDIO_USER_TOKEN"]
        self.send_response(200 if known else 401)
        self.end_headers()
    def log_message(self, *parts): pass
port = int(words[words.index("--port") + 1])
http.server.ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()
"""
PYTHON = "#!/bin/sh\necho 9.9.9\n"


def install(folder: Path, broken: bool = False, migrate: int = 0) -> Path:
    """Write a stand-in environment; returns its executable."""
    folder.mkdir()
    executable = folder / "label-studio"
    executable.write_text(STAND_IN.format(python=sys.executable, broken=broken, migrate=migrate))
    (folder / "python").write_text(PYTHON)
    for file in (executable, folder / "python"):
        file.chmod(0o755)
    return executable


@pytest.fixture
def executable(tmp_path: Path) -> Path:
    return install(tmp_path / "bin")


def gone(pid: int) -> bool:
    """Whether a process has ended, within a moment."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z"):
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def run(executable: Path, tmp_path: Path) -> StudioServer:
    """Start and stop once."""
    with label_studio(executable, tmp_path / "home", tmp_path / "cache") as server:
        assert not gone_now(server.pid)
    return server


def gone_now(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_it_runs_while_the_block_lasts(executable: Path, tmp_path: Path) -> None:
    server = run(executable, tmp_path)
    assert server.url.startswith("http://127.0.0.1:")
    assert gone_now(server.pid)
    assert not (tmp_path / "home/label-studio/server.json").exists()


def test_it_stops_when_the_block_fails(executable: Path, tmp_path: Path) -> None:
    servers = []
    with (
        pytest.raises(RuntimeError, match="ours"),
        label_studio(executable, tmp_path / "home", tmp_path / "cache") as server,
    ):
        servers.append(server)
        raise RuntimeError("ours")
    assert gone_now(servers[0].pid)


def test_a_second_run_has_the_same_account_and_data_and_one_template(
    executable: Path, tmp_path: Path
) -> None:
    first = run(executable, tmp_path)
    (tmp_path / "home/label-studio/data/label_studio.sqlite3").write_text("work")
    second = run(executable, tmp_path)
    assert (first.token, first.password) == (second.token, second.password)
    assert (tmp_path / "home/label-studio/data/label_studio.sqlite3").read_text() == "work"
    assert (tmp_path / "cache/migrations").read_text() == "x"
    assert (tmp_path / "cache/label-studio-9.9.9/label_studio.sqlite3").read_text() == "migrated"
    assert not (tmp_path / "cache/label-studio-9.9.9/.env").exists()


def test_the_account_is_for_the_user_only_and_not_shown(executable: Path, tmp_path: Path) -> None:
    server = run(executable, tmp_path)
    mode = (tmp_path / "home/label-studio/account.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert server.token not in repr(server)
    assert server.password not in repr(server)


def test_nothing_of_our_environment_leaks_and_analytics_are_off(
    executable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("HOST", "https://elsewhere.example")
    monkeypatch.setenv("DJANGO_DB", "postgres")
    run(executable, tmp_path)
    seen = json.loads((tmp_path / "home/label-studio/data/environment.json").read_text())
    assert not {"OPENAI_API_KEY", "HOST", "DJANGO_DB"} & set(seen)
    assert (seen["COLLECT_ANALYTICS"], seen["LS_CSP_REPORT_ONLY"]) == ("false", "false")
    assert seen["LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK"] == "true"
    assert seen["LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"] == str(tmp_path / "home/label-studio/files")


def test_a_port_in_use_is_named(executable: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(PrerequisiteError, match=f"port {port} is in use"),
            label_studio(executable, tmp_path / "home", tmp_path / "cache", port),
        ):
            raise AssertionError("it started")


def test_a_missing_executable_names_the_fix(tmp_path: Path) -> None:
    with (
        pytest.raises(PrerequisiteError, match="make setup-label-studio"),
        label_studio(tmp_path / "none", tmp_path / "home", tmp_path / "cache"),
    ):
        raise AssertionError("it started")


def test_a_broken_environment_names_the_fix(executable: Path, tmp_path: Path) -> None:
    (executable.parent / "python").unlink()
    with pytest.raises(PrerequisiteError, match="make setup-label-studio"):
        run(executable, tmp_path)


def test_an_early_exit_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="boom: no such table"):
        run(install(tmp_path / "bin", broken=True), tmp_path)


def test_a_failed_migration_leaves_no_template(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="data folder"):
        run(install(tmp_path / "bin", migrate=1), tmp_path)
    assert not (tmp_path / "cache/label-studio-9.9.9").exists()
    run(install(tmp_path / "bin2"), tmp_path)
    assert not list((tmp_path / "cache").glob("*.partial"))


def test_half_a_copy_of_a_killed_run_is_thrown_away(executable: Path, tmp_path: Path) -> None:
    half = tmp_path / "home/label-studio/data.partial"
    half.mkdir(parents=True)
    (half / "junk").write_text("half")
    run(executable, tmp_path)
    assert not (tmp_path / "home/label-studio/data/junk").exists()


def test_a_server_that_a_living_process_runs_is_joined_and_left_alone(
    executable: Path, tmp_path: Path
) -> None:
    with label_studio(executable, tmp_path / "home", tmp_path / "cache") as outer:
        with label_studio(executable, tmp_path / "home", tmp_path / "cache") as inner:
            assert inner == outer
        assert not gone_now(outer.pid)


KILLED = """
import sys, time
from pathlib import Path
from curation.reviewing.server import label_studio
with label_studio(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])) as server:
    print(server.pid, flush=True)
    time.sleep(60)
"""


def test_a_server_that_a_killed_run_left_is_stopped(executable: Path, tmp_path: Path) -> None:
    places = [str(executable), str(tmp_path / "home"), str(tmp_path / "cache")]
    parent = subprocess.Popen([sys.executable, "-c", KILLED, *places], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    left = int(parent.stdout.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert not gone_now(left)
    assert run(executable, tmp_path).pid != left
    assert gone(left)


def test_a_noted_pid_that_is_somebody_else_is_left_alone(executable: Path, tmp_path: Path) -> None:
    folder = tmp_path / "home/label-studio"
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        (folder / "server.json").write_text(json.dumps({"pid": other.pid, "port": 1}))
        run(executable, tmp_path)
        assert other.poll() is None
        other.kill()
