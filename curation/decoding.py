"""Decodes pictures in processes of their own, which are killed when one hangs, crashes or eats memory."""

from __future__ import annotations

import asyncio
import math
import multiprocessing
import resource
import signal
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from pebble import ProcessExpired, ProcessPool
from PIL import AvifImagePlugin

from curation import images
from curation.errors import PrerequisiteError, Reason, Rejected, TransientError

P = ParamSpec("P")
T = TypeVar("T")

WORKERS, SECONDS, MEMORY = 2, 10.0, 2 << 30
# A busy machine lets wall time pass without work: only a multiple of the CPU time means a hang.
_WALL_PER_CPU = 6
_DEATHS, _BREAKS = 2, 3
# Seconds: between looks at the pool, and that new workers may take to start on a busy machine.
_TICK, _START = 1.0, 20.0
_LEAST_MEMORY = 128 << 20


class DecodePool:
    """Processes that decode untrusted pictures: one may be killed, the pool lives on.

    workers: processes. seconds: of CPU that one picture may take (rounded up to whole ones); of wall time six
    times as much. memory: bytes that a worker's address space may grow by, at least 128 MiB.

    A context manager, for one or more threads and event loops. Whoever calls bounds how many pictures are
    under way, as each waits in memory. A cancelled call kills the worker that is at it. As everywhere with
    multiprocessing, a script that opens a pool guards its own start by `if __name__ == "__main__"`.
    """

    def __init__(self, workers: int = WORKERS, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        """Remember the limits; ValueError when a worker could not even take a picture in."""
        if memory < _LEAST_MEMORY:
            raise ValueError(f"a worker needs at least {_LEAST_MEMORY >> 20} MiB")
        self._workers = workers
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._pool: ProcessPool | None = None
        self._moved = 0.0

    def __enter__(self) -> DecodePool:
        """Open the pool; PrerequisiteError in a daemonic process, which may start no others."""
        if multiprocessing.current_process().daemon:
            raise PrerequisiteError(
                "pictures are decoded in processes of their own, which a daemonic process may not start: "
                "set distributed.worker.daemon to False where this is a Dask worker"
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill what is under way and close the pool."""
        self._drop(self._pool)

    async def inspect(self, key: str, data: bytes) -> images.Inspected | Rejected:
        """Return what `images.inspect` returns, or Rejected where that would not end well.

        decode_too_costly: over the limits of time or memory. decode_crashed: the worker died on it twice.
        """
        if len(data) > images.MAX_BYTES:
            return images.inspect(key, data)  # refused by its length: nothing to send over
        return await self.run(key, images.inspect, key, data)

    async def run(self, key: str, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T | Rejected:
        """Return work(...) done in a worker under the same limits, or Rejected as `inspect` does.

        key: names the thing in Rejected. work: a function of a module, which the worker imports; what it
        raises is raised here. Raises TransientError when workers do not start or keep dying without work.
        """
        deaths = breaks = 0
        while deaths < _DEATHS and breaks < _BREAKS:
            pool = self._live()
            try:
                future = _schedule(pool, self._wall, (self._seconds, work, args, kwargs))
                return await self._answer(pool, future)
            except TooLate:
                return _too_costly(key, f"not done after {self._wall:g} s")
            except MemoryError:
                return _too_costly(key, f"needs more than {self._memory >> 20} MiB of memory")
            except ProcessExpired as death:
                if death.exitcode == -signal.SIGXCPU:
                    return _too_costly(key, f"not done after {self._seconds:g} s of CPU")
                deaths += 1
            except BrokenProcessPool:  # a worker died between pictures: not this one's fault
                await asyncio.to_thread(self._drop, pool)
                breaks += 1
        if deaths:
            return Rejected(key, Reason.DECODE_CRASHED, f"the process that decoded it died {deaths} times")
        raise TransientError("the processes that decode pictures do not stay up; see the lines above")

    async def _answer(self, pool: ProcessPool, future: Future[T]) -> T:
        """Return what comes of a future; BrokenProcessPool too when the whole pool has stopped to move.

        That happens: a worker that is killed from outside while it takes a picture in, or hands one over,
        leaves the lock of the others taken. Anything alive ends within its wall time.
        """
        waiting = asyncio.wrap_future(future)
        start = time.monotonic()
        try:
            while not (await asyncio.wait({waiting}, timeout=_TICK))[0]:
                quiet = time.monotonic() - max(start, self._moved)
                if self._pool is not pool or quiet > self._wall + _START:
                    raise BrokenProcessPool("no worker answers")
        finally:
            waiting.cancel()  # nothing when it is done; else its worker is killed
        if waiting.cancelled():  # by the end of its pool: whoever cancels us does not get here
            raise BrokenProcessPool("the pool was closed")
        self._moved = time.monotonic()
        return waiting.result()

    @property
    def _wall(self) -> float:
        return self._seconds * _WALL_PER_CPU

    def _live(self) -> ProcessPool:
        """Return the pool of processes; a new one when there is none or it broke."""
        with self._lock:
            if self._pool is None:
                # Forked from a server without threads: safe beside ours, and a killed worker is soon back.
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload([images.__name__])
                self._pool = ProcessPool(
                    self._workers, initializer=_prepare, initargs=(self._memory,), context=context
                )
            return self._pool

    def _drop(self, pool: ProcessPool | None) -> None:
        with self._lock:
            if pool is None or self._pool is not pool:
                return
            self._pool = None
        pool.stop()  # type: ignore[no-untyped-call]
        pool.join()


def _schedule(pool: ProcessPool, wall: float, call: tuple[Any, ...]) -> Future[Any]:
    try:
        return pool.schedule(_limited, call, timeout=wall)
    except RuntimeError as error:  # how pebble says that the pool broke while nobody waited for it
        raise BrokenProcessPool(str(error)) from error


def _prepare(memory: int) -> None:
    """Limit what this worker's address space may grow by; no core files, no complaints on the terminal."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + memory
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")  # Pillow's, about strangers' broken metadata
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # a thread a core would reserve more memory than the picture


def _limited(seconds: float, work: Callable[..., T], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> T:
    """Do the work; SIGXCPU ends this process when it takes more CPU time."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(
        resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + max(seconds, 1)), hard)
    )
    try:
        return work(*args, **kwargs)
    finally:  # or it may end while it hands over its result, which would break the pool's channel
        resource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY, hard))


def _too_costly(key: str, detail: str) -> Rejected:
    return Rejected(key, Reason.DECODE_TOO_COSTLY, detail)
