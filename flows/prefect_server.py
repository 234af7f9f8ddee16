"""Runs a real Prefect server on loopback for as long as a command needs it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.errors import PrerequisiteError

START_SECONDS = 180


@contextmanager
def prefect_server(home: Path) -> Iterator[None]:
    """Start a server whose database lies in home, point this process to it, and stop it on exit.

    A server named by PREFECT_API_URL is used instead and left alone. Must be entered before prefect is
    imported, because prefect reads its settings from the environment then.
    """
    if os.environ.get("PREFECT_API_URL"):
        yield
        return
    home.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    os.environ.update(_environment(home.resolve()))
    with (home / "server.log").open("wb") as log:
        command = [
            *_tied_to_this_process(),
            sys.executable,
            "-m",
            "prefect",
            "server",
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
        ]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_up(process, url, home / "server.log")
        os.environ["PREFECT_API_URL"] = url
        yield
    finally:
        os.environ.pop("PREFECT_API_URL", None)
        _stop(process)


def _environment(home: Path) -> dict[str, str]:
    return {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Prefect would print a traceback of every error; the command line prints the error, in one line.
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_CLI_PROMPT": "false",
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    }


def _tied_to_this_process() -> list[str]:
    """Return the prefix that ends the server when this process is killed, so that no orphan is left.

    setpriv is part of Linux's util-linux; elsewhere an orphan may outlive a SIGKILL.
    """
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310 - loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    _stop(process)
    tail = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    message = f"the Prefect server did not start ({tail}); see {log}, then run again"
    raise PrerequisiteError(message)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
