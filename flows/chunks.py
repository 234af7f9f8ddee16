"""Runs a stage's work as Prefect tasks, one a chunk of things, and keeps each chunk as it comes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from flows.settings import Settings
from flows.terminal import progress

Thing = TypeVar("Thing")
Found = TypeVar("Found")


def in_chunks(
    stage: str,
    things: Sequence[Thing],
    settings: Settings,
    work: Callable[[Thing], Found],
    keep: Callable[[Sequence[Found]], None] | None = None,
) -> list[Found]:
    """Return work(thing) for every thing, in order. keep is called in this thread after each chunk.

    A task's only parameter is the number of its chunk: nothing that it works on, and no secret that it
    works with, goes to the Prefect server.
    """
    chunks = [things[start : start + settings.chunk] for start in range(0, len(things), settings.chunk)]

    @task(name=f"{stage} chunk", cache_policy=NO_CACHE, persist_result=False)
    def work_on(number: int) -> list[Found]:
        return [work(thing) for thing in chunks[number]]

    found: list[Found] = []
    with progress() as show:
        for future in [work_on.submit(number) for number in range(len(chunks))]:
            part = future.result()
            if keep is not None:
                keep(part)
            found.extend(part)
            show(stage, len(found), len(things))
    return found
