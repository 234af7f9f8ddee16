"""Runs with batches in processes that die after the step of a given number, forked from one warm process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpcore2  # noqa: F401 - imported once, before the forks
import openai.resources.batches
import openai.resources.files  # noqa: F401

from curation.drafting.batches import folder as batch_folder
from curation.drafting.batches.endpoint import BatchEndpoint
from tests.batch_runs import BatchRun, questions
from warehouse.artefacts import Responses


def run_and_die(kill: int, base_url: str, home: Path, count: int) -> None:
    """Run once, and die right after the step of this number; 0 for never.

    Steps: every file of a batch's folder, every write to the store of answers, every call of the endpoint.
    """
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == kill:
            os.kill(os.getpid(), signal.SIGKILL)

    def plain(function: Callable[..., Any]) -> Callable[..., Any]:
        def done(*args: Any, **more: Any) -> Any:
            result = function(*args, **more)
            step()
            return result

        return done

    def awaited(function: Callable[..., Any]) -> Callable[..., Any]:
        async def done(*args: Any, **more: Any) -> Any:
            result = await function(*args, **more)
            step()
            return result

        return done

    batch_folder.write_atomic = plain(batch_folder.write_atomic)  # type: ignore[attr-defined]
    for name in ("upload", "create", "find", "state", "download"):
        setattr(BatchEndpoint, name, awaited(getattr(BatchEndpoint, name)))
    for name in ("put", "mark_sent", "unmark_sent"):
        setattr(Responses, name, awaited(getattr(Responses, name)))
    tally = BatchRun(base_url, home, questions(count))()
    assert (tally.answered, tally.waiting) == (count, 0), tally


@contextmanager
def mortals() -> Iterator[Callable[[int, str, Path, int], int]]:
    """Yield run_and_die as a function that does it in a process of its own and returns its exit code."""
    command = [sys.executable, "-m", "tests.batch_deaths"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1]
    ) as nursery:
        ask, told = nursery.stdin, nursery.stdout
        assert ask is not None
        assert told is not None

        def ended(kill: int, base_url: str, home: Path, count: int) -> int:
            ask.write(f"{kill} {base_url} {count} {home}\n")
            ask.flush()
            return int(told.readline())

        try:
            yield ended
        finally:
            ask.close()


def main() -> None:
    """Fork for every line of standard input: kill, base URL, number of questions and home."""
    for line in sys.stdin:
        kill, base_url, count, home = line.rstrip("\n").split(" ", 3)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(60)
                run_and_die(int(kill), base_url, Path(home), int(count))
                code = 0
            finally:
                if code:
                    traceback.print_exc()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
