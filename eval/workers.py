"""Scale-out: worker processes on one machine, or actors of Ray; each takes the next block that is free."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Any

from filelock import FileLock, Timeout

from curation.errors import ForgeError, IntegrityError, PrerequisiteError, TransientError
from eval.ledger import Ledger, Work
from eval.runner import SingleRun

Progress = Callable[[str, int, int], None]
# Opens a run in another process: picklable, such as a partial of a module's function.
Opener = Callable[[], SingleRun]
_POLL_SECONDS = 0.2
_LEAVE_SECONDS = 60.0
# So often a block may lose its worker; one that always does would go round for ever.
_TRIES = 3
# The least that Ray takes for its object store, which holds nothing of ours.
_STORE_BYTES = 80 << 20


def devices_for(device: str, workers: int) -> list[str]:
    """Return the device of each worker: one GPU each, or all on the CPU.

    Raises PrerequisiteError for more workers than GPUs.
    """
    if workers < 1:
        raise PrerequisiteError("there must be at least one worker")
    if device == "cpu":
        return ["cpu"] * workers
    import torch

    seen = torch.cuda.device_count()
    if workers > seen:
        message = f"{workers} workers need as many GPUs, torch sees {seen}; choose --workers {max(seen, 1)}"
        raise PrerequisiteError(message)
    return [f"cuda:{number}" for number in range(workers)]


def run_processes(openers: Sequence[Opener], ledger: Ledger, progress: Progress) -> None:
    """Let one process an opener work until every block is done; each takes the next that nobody has.

    A killed worker's claim is free at once, and what it had not written is done by another. Raises the
    kind of error that a worker ended with when blocks are left; all processes are gone on return.
    """
    context = multiprocessing.get_context("spawn")
    works = [work for work in ledger.work() if work.edits]
    if not works:
        return
    processes = [context.Process(target=_serve, args=(opener,)) for opener in openers]
    try:
        for process in processes:
            process.start()
        left = _watch(processes, works, ledger, progress)
    finally:
        _end(processes)
    if left:
        raise _failure(left, [process.exitcode for process in processes])


def _watch(
    processes: Sequence[BaseProcess], works: Sequence[Work], ledger: Ledger, progress: Progress
) -> list[Work]:
    """Return the blocks that are left when the last process has ended."""
    left, total = list(works), sum(work.edits for work in works)
    alive = True
    while alive:
        alive = any(process.is_alive() for process in processes)
        left = [work for work in left if not ledger.is_done(work)]
        progress("evaluate", total - sum(work.edits for work in left), total)
        if alive:
            time.sleep(_POLL_SECONDS)
    return left


def _end(processes: Sequence[BaseProcess]) -> None:
    """Ask what still runs to end, as on SIGTERM, and see that it does."""
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        if process.pid is not None:
            process.join(_LEAVE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()


def _failure(left: Sequence[Work], codes: Sequence[int | None]) -> ForgeError:
    said = f"{len(left)} blocks are left; the workers ended with {', '.join(map(str, codes))}; run it again"
    kinds = {kind.exit_code: kind for kind in (PrerequisiteError, IntegrityError)}
    return next((kinds[code](said) for code in codes if code in kinds), TransientError(said))


def _serve(opener: Opener) -> None:
    """Be a worker process; leave with 143 on SIGTERM and with an error's own code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        run = opener()
        work_through(run)
        run.finish()
    except ForgeError as error:
        sys.stderr.write(f"worker {os.getpid()}: {error}\n")
        raise SystemExit(error.exit_code) from None


def _terminated(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)


def work_through(run: SingleRun) -> None:
    """Take block after block that nobody has claimed, until every block of the shard is done."""
    works = [work for work in run.ledger.work() if work.edits]
    while works:
        taken = False
        for work in works:
            with _claim(run.ledger.out / "claims" / f"{work.name}.lock") as mine:
                if mine and not run.ledger.is_done(work):
                    run.do(work)
                    taken = True
        works = [work for work in works if not run.ledger.is_done(work)]
        if works and not taken:
            time.sleep(_POLL_SECONDS)


@contextmanager
def _claim(path: Path) -> Iterator[bool]:
    """Yield whether the claim was free; the system frees it when its holder ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
        # Gone with the block; who opened it before gets the claim, and finds the block done.
        path.unlink(missing_ok=True)
    finally:
        lock.release()


class Actor:
    """A warm worker of Ray: opens its run once, then takes blocks."""

    def __init__(self, opener: Opener) -> None:
        self._run = opener()

    def do(self, work: Work) -> None:
        """Write the records of a block."""
        self._run.do(work)

    def finish(self) -> None:
        """Check that the model is as it was."""
        self._run.finish()


def run_ray(
    opener: Opener, workers: int, address: str, ledger: Ledger, progress: Progress, *, gpu: bool = False
) -> None:
    """Let Ray's actors work until every block is done; their results are the record files.

    address: of a cluster whose machines share the folders, or local, for one on this machine while it is
    needed. gpu: give each actor one. A block whose actor died goes back into the queue, and a new actor is
    started. Raises PrerequisiteError without Ray, TransientError when a block has lost its actor too often.
    """
    works = [work for work in ledger.work() if work.edits]
    if not works:
        return
    with _ray(address, workers) as ray:
        kind = ray.remote(max_restarts=0, num_cpus=1, num_gpus=int(gpu))(Actor)
        start = partial(kind.remote, opener)
        actors = _dispatch(ray, start, min(workers, len(works)), works, progress)
        with _plain_errors(ray), contextlib.suppress(ray.exceptions.RayActorError):
            ray.get([actor.finish.remote() for actor in actors])
        left = [work for work in works if not ledger.is_done(work)]
    if left:
        raise _failure(left, [])


def _dispatch(
    ray: Any,  # noqa: ANN401
    start: Callable[[], Any],
    workers: int,
    works: Sequence[Work],
    progress: Progress,
) -> list[Any]:
    """Give every idle actor the next block until none is left, a new actor for each lost; return them."""
    queue, idle = deque(works), [start() for _ in range(workers)]
    running: dict[Any, tuple[Any, Work]] = {}
    lost: Counter[str] = Counter()
    total, done = sum(work.edits for work in works), 0
    while queue or running:
        while queue and idle:
            actor, work = idle.pop(0), queue.popleft()
            running[actor.do.remote(work)] = (actor, work)
        for answer in ray.wait(list(running), num_returns=1)[0]:
            actor, work = running.pop(answer)
            try:
                with _plain_errors(ray):
                    ray.get(answer)
            except ray.exceptions.RayActorError as error:
                lost[work.name] += 1
                if lost[work.name] >= _TRIES:
                    message = f"a block lost its worker {_TRIES} times, the last time: {error}; run it again"
                    raise TransientError(message) from error
                queue.append(work)
                idle.append(start())
            else:
                idle.append(actor)
                done += work.edits
                progress("evaluate", done, total)
    return idle


@contextmanager
def _plain_errors(ray: Any) -> Iterator[None]:  # noqa: ANN401
    """Raise an error of ours that an actor raised as what it is."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, ForgeError):
            raise error.cause from None
        raise


@contextmanager
def _ray(address: str, workers: int) -> Iterator[Any]:
    """Yield the library, connected; shut down whatever was started. Raises PrerequisiteError without it."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address == "local":
        # Read when Ray is imported: keeps all its servers on 127.0.0.1, on any system.
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        message = "workers on several machines need Ray; install it: pip install 'mmke-forge[ray]'"
        raise PrerequisiteError(message) from error
    before = signal.getsignal(signal.SIGTERM)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == "local":
            ray.init(
                num_cpus=workers, include_dashboard=False, object_store_memory=_STORE_BYTES,
                **quiet,
            )  # fmt: skip
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise PrerequisiteError(f"Ray cannot be reached at {address} ({error}); start it there") from error
    with contextlib.suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGTERM, before)  # Ray puts its own there, which leaves with another code
    try:
        yield ray
    finally:
        with contextlib.suppress(Exception):
            ray.shutdown()
