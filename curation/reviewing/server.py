"""Start and stop a real Label Studio on loopback, with its SQLite data in the project's folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from curation.errors import PortInUseError, PrerequisiteError, TransientError
from curation.reviewing.installation import migrated_template, owner_account, server_environment

_HOST = "127.0.0.1"
_START_SECONDS = 180
_STOP_SECONDS = 10
_LOG_TAIL = 1500


@dataclass(frozen=True)
class StudioServer:
    """A running server: address, the owner's account and legacy token, the pictures' document root."""

    url: str
    user: str
    files: Path
    pid: int
    token: str = field(repr=False)
    password: str = field(repr=False)


@contextmanager
def label_studio(
    executable: Path, home: Path, cache: Path, port: int | None = None
) -> Iterator[StudioServer]:
    """Run Label Studio for a project while the block lasts, and stop it afterwards.

    executable: `label-studio` in its own environment. home: the project's folder; data, pictures and the
    account are kept in home/label-studio, so that a second run shows the same project. cache: where the
    migrated, empty data folder is kept, one a version. port: None for a free one.

    A server that a killed run left behind is stopped first. One that a living process runs on the same
    folder (`make label-studio` in another terminal) is joined, and left running at the end.

    Raises PrerequisiteError (not installed, port in use) and TransientError (it did not start).
    """
    if not executable.is_file():
        raise PrerequisiteError(
            f"Label Studio is not installed at {executable}: run `make setup-label-studio`"
        )
    folder = home.resolve() / "label-studio"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(blocking=False)
    except Timeout:
        yield _join(folder)
        return
    try:
        _stop_stale(folder)
        chosen = _free_port() if port is None else _checked_port(port)
        _make_data(folder, migrated_template(executable, cache.resolve()))
        process = _start(executable, folder, chosen)
        try:
            yield _wait_until_ready(process, folder, chosen)
        finally:
            _stop(process.pid, process)
            (folder / "server.json").unlink(missing_ok=True)
    finally:
        lock.release()


def _make_data(folder: Path, template: Path) -> None:
    """Copy the template once; a copy that a killed run left half made is thrown away."""
    data = folder / "data"
    (folder / "files" / "images").mkdir(parents=True, exist_ok=True)
    if data.is_dir():
        return
    work = folder / "data.partial"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(template, work)
    work.chmod(0o700)
    work.rename(data)


def _start(executable: Path, folder: Path, port: int) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own and note its pid, for a later run to find it."""
    data = folder / "data"
    command = [str(executable), "start", "--no-browser", "--data-dir", str(data)]
    command += ["--internal-host", _HOST, "--port", str(port)]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own executable, no shell
            command,
            env=server_environment(data, folder / "files", owner_account(folder)),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    work = folder / "server.partial"
    work.write_text(json.dumps({"pid": process.pid, "port": port}), encoding="utf-8")
    work.rename(folder / "server.json")
    return process


def _wait_until_ready(process: subprocess.Popen[bytes], folder: Path, port: int) -> StudioServer:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise TransientError(f"Label Studio ended at once:\n{_log_tail(folder)}")
        server = _answering(folder, process.pid, port)
        if server is not None:
            return server
        time.sleep(0.1)
    raise TransientError(f"Label Studio did not answer in {_START_SECONDS} s:\n{_log_tail(folder)}")


def _answering(folder: Path, pid: int, port: int) -> StudioServer | None:
    """Return the server if it answers to our own token (another one on that port would not)."""
    account = owner_account(folder)
    url = f"http://{_HOST}:{port}"
    try:
        answer = httpx.get(
            f"{url}/api/current-user/whoami",
            headers={"Authorization": f"Token {account.token}"},
            timeout=30,
            trust_env=False,
        )
    except httpx.TransportError:
        return None
    if answer.status_code != 200:
        return None
    return StudioServer(url, account.user, folder / "files", pid, account.token, account.password)


def _join(folder: Path) -> StudioServer:
    """Return the server that another process runs on this folder, once it answers."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        running = _running(folder)
        if running is not None:
            server = _answering(folder, *running)
            if server is not None:
                return server
        time.sleep(0.3)
    raise PrerequisiteError(
        f"another process holds {folder / 'lock'} and its server does not answer: stop it"
    )


def _running(folder: Path) -> tuple[int, int] | None:
    """Return pid and port of the server noted in a folder, None unless that process is really ours."""
    try:
        noted = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        pid, port = int(noted["pid"]), int(noted["port"])
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    ours = str(folder / "data").encode() in words and any(w.endswith(b"label-studio") for w in words)
    return (pid, port) if ours else None


def _stop_stale(folder: Path) -> None:
    running = _running(folder)
    if running is not None:
        _stop(running[0], None)
    (folder / "server.json").unlink(missing_ok=True)


def _stop(pid: int, child: subprocess.Popen[bytes] | None) -> None:
    """End the server's whole session: ask, wait, then kill."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + _STOP_SECONDS
        while _alive(pid, child) and time.monotonic() < deadline:
            time.sleep(0.05)
    if child is not None:
        child.wait(timeout=_STOP_SECONDS)


def _alive(pid: int, child: subprocess.Popen[bytes] | None) -> bool:
    if child is not None:
        return child.poll() is None
    return Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes() != b""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _checked_port(port: int) -> int:
    """Return the port if it is free: Label Studio itself would silently take the next one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise PortInUseError(
                f"port {port} is in use: stop what listens there or give another one with --port"
            ) from error
    return port


def _log_tail(folder: Path) -> str:
    text = (folder / "server.log").read_text(encoding="utf-8", errors="replace")
    return text[-_LOG_TAIL:]
