"""Starts the rule endpoint as a child process for as long as a block runs, and always stops it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from curation.errors import PrerequisiteError

_START_SECONDS = 40.0
_STOP_SECONDS = 5.0


@contextmanager
def rule_endpoint(ledger: Path) -> Iterator[tuple[str, str]]:
    """Yield (base_url, api_key) of a running rule endpoint that keeps its ledger in a file.

    Raises PrerequisiteError when it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="mmke-rules-") as folder:
        port_file, log = Path(folder, "address"), Path(folder, "log")
        command = [sys.executable, "-m", "curation.drafting.rules.server", "--ledger", str(ledger)]
        command += ["--port-file", str(port_file), "--parent", str(os.getpid())]
        with log.open("wb") as errors:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)  # noqa: S603
        try:
            yield _address(process, port_file, log)
        finally:
            _stop(process)


def _address(process: subprocess.Popen[bytes], port_file: Path, log: Path) -> tuple[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            why = lines[-1][:300] if lines else "no message"
            raise PrerequisiteError(
                f"the rule endpoint did not start ({why}): see that loopback ports may be opened"
            )
        time.sleep(0.05)
    value = json.loads(port_file.read_text(encoding="utf-8"))
    return value["base_url"], value["token"]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
