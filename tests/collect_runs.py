"""Runs the real `mmke collect` against a site of faults, in a process that tests kill or stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.faulty_site import MAX_MIB, write_list
from tests.loopback import Loopback

CONCURRENCY = 16
MMKE = Path(sys.executable).with_name("mmke")


class Run:
    """One `mmke collect` in a process of its own, and how much memory it takes while it goes on."""

    def __init__(self, project: Path, site: Loopback) -> None:
        """Start it."""
        self._site = site
        self.output = project / f"output-{time.monotonic_ns()}.txt"
        with self.output.open("w") as out:
            # A group of its own, to which Ctrl-C goes as a terminal sends it.
            self.process = subprocess.Popen(
                [MMKE, "collect"], cwd=project, stdout=out, stderr=out, start_new_session=True
            )
        self.memory: list[tuple[int, float]] = []
        self._watch = threading.Thread(target=self._sample)
        self._watch.start()

    def _sample(self) -> None:
        while self.process.poll() is None:
            try:
                pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
            except (OSError, IndexError):
                break
            self.memory.append((len(self._site.seen), pages * os.sysconf("SC_PAGESIZE") / 2**20))
            time.sleep(0.1)

    def end_at(self, requests: int, signum: int) -> int:
        """Send a signal when the server has seen so many requests, and return the exit code.

        SIGINT goes to the decoding processes too, as Ctrl-C does.
        """
        while len(self._site.seen) < requests:
            assert self.process.poll() is None, self.output.read_text()
            time.sleep(0.005)
        if signum == signal.SIGINT:
            os.killpg(self.process.pid, signum)
        else:
            self.process.send_signal(signum)
        return self.end()

    def end(self) -> int:
        """Return the exit code."""
        code = self.process.wait()
        self._watch.join()
        return code


def project(folder: Path, site: Loopback, count: int) -> Path:
    """Make a project whose one source is the site's list."""
    folder.mkdir()
    write_list(site, count, folder / "list.csv")
    settings = [
        "[[sources]]",
        'kind = "url_list"',
        'path = "list.csv"',
        "[http]",
        f'trusted_hosts = ["{site.host}"]',
        f"max_mib = {MAX_MIB}",
        f"concurrency = {CONCURRENCY}",
    ]
    (folder / "mmke.toml").write_text("\n".join(settings) + "\n")
    return folder
