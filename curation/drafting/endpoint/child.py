"""Runs an endpoint of our own as a child process for as long as a block lasts, and always stops it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from curation.errors import PrerequisiteError

_STOP_SECONDS = 5.0


@contextmanager
def child_endpoint(command: Sequence[str], what: str, start_seconds: float) -> Iterator[tuple[str, str]]:
    """Yield (base_url, api_key) of the endpoint that a command starts on loopback.

    The command is given `--port-file PATH --parent PID`: it writes JSON with base_url and token to PATH once
    it listens, and ends when the process PID is gone. what: its name for a message. Raises
    PrerequisiteError when it does not come up within start_seconds.
    """
    with tempfile.TemporaryDirectory(prefix="mmke-endpoint-") as folder:
        port_file, log = Path(folder, "address"), Path(folder, "log")
        whole = [*command, "--port-file", str(port_file), "--parent", str(os.getpid())]
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                whole, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        try:
            yield _address(process, port_file, log, what, start_seconds)
        finally:
            _stop(process)


def _address(
    process: subprocess.Popen[bytes], port_file: Path, log: Path, what: str, start_seconds: float
) -> tuple[str, str]:
    deadline = time.monotonic() + start_seconds
    while not port_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            why = lines[-1][:300] if lines else "no message"
            raise PrerequisiteError(f"{what} did not start ({why}): see that loopback ports may be opened")
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
