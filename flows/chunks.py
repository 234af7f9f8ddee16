"""Runs a stage's work as Prefect tasks, one a chunk of things, and keeps each chunk as it comes."""

from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from curation.errors import PrerequisiteError
from flows.settings import Settings
from flows.terminal import progress

if TYPE_CHECKING:
    from prefect.futures import PrefectFuture
    from prefect.task_runners import TaskRunner

Thing = TypeVar("Thing")
Found = TypeVar("Found")
# Chunks handed out for each one that is worked on: enough that nobody waits, few enough for the memory.
AHEAD = 3


class Chunk(Generic[Thing, Found]):
    """Some things and what is to be done with each; called where the work is done.

    A plain class, which Prefect neither looks into nor tells its server about.
    """

    def __init__(self, work: Callable[[Thing], Found], things: Sequence[Thing]) -> None:
        """Remember both."""
        self._work, self._things = work, things

    def __call__(self) -> list[Found]:
        """Return work(thing) for every thing, in order."""
        return [self._work(thing) for thing in self._things]


def in_chunks(
    stage: str,
    things: Sequence[Thing],
    settings: Settings,
    work: Callable[[Thing], Found],
    keep: Callable[[Sequence[Found]], None] | None = None,
) -> list[Found]:
    """Return work(thing) for every thing, in order. keep is called in this thread after each chunk, in order.

    Where the runner is dask, work that plain pickle can carry (a function of a module, a functools.partial of
    one) is done on the cluster; a closure, which holds something of this process, is done here. Nothing that
    is worked on, and no secret that it is worked on with, goes to the Prefect server.
    """
    chunks = deque(
        Chunk(work, things[start : start + settings.chunk]) for start in range(0, len(things), settings.chunk)
    )
    work_on = task(name=f"{stage} chunk", cache_policy=NO_CACHE, persist_result=False)(_work_on)
    found: list[Found] = []
    under_way: deque[PrefectFuture[list[Any]]] = deque()
    with progress() as show, _runner(settings, work) as runner:
        while chunks or under_way:
            while chunks and len(under_way) < AHEAD * settings.workers:
                under_way.append(runner(work_on, chunks.popleft()))
            part = under_way.popleft().result()
            if keep is not None:
                keep(part)
            found.extend(part)
            show(stage, len(found), len(things))
    return found


def _work_on(chunk: Chunk[Any, Any]) -> list[Any]:
    return chunk()


@contextmanager
def _runner(
    settings: Settings, work: object
) -> Iterator[Callable[[Any, Chunk[Any, Any]], PrefectFuture[Any]]]:
    """Yield what hands a chunk to the flow's own threads, or to the Dask cluster of the settings."""
    if settings.runner.kind == "threads" or not _travels(work):
        yield lambda work_on, chunk: work_on.submit(chunk)
        return
    with _dask(settings) as cluster:
        yield lambda work_on, chunk: cluster.submit(work_on, {"chunk": chunk})


def _travels(work: object) -> bool:
    try:
        pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _dask(settings: Settings) -> TaskRunner[Any]:
    """Return Prefect's runner for a cluster; without an address it starts one on this machine.

    Raises PrerequisiteError without the extra `dask`, and without a Prefect server that workers can reach:
    each would start one of its own.
    """
    try:
        import dask
        from prefect_dask.task_runners import DaskTaskRunner
    except ModuleNotFoundError as error:
        message = f"the runner is dask, but the package {error.name} is missing; install mmke-forge[dask]"
        raise PrerequisiteError(message) from error
    if not os.environ.get("PREFECT_API_URL"):
        message = "the runner dask needs a Prefect server; set PREFECT_API_URL to one that all workers reach"
        raise PrerequisiteError(message)
    if settings.runner.address:
        return DaskTaskRunner(address=settings.runner.address)
    # A worker that decodes pictures starts killable processes of its own, which a daemon may not.
    dask.config.set({"distributed.worker.daemon": False})
    local = {"n_workers": settings.workers, "threads_per_worker": 1, "dashboard_address": None}
    return DaskTaskRunner(cluster_kwargs=local)
