"""Ends a stage early on Ctrl-C or SIGTERM: once with what is under way, twice at once."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def ending_early(stop: Callable[[], object], ended_by: list[int]) -> Iterator[None]:
    """Call stop at the first SIGINT or SIGTERM, cancel the running task at a second.

    ended_by: the signals' numbers are added to it.
    """
    running, loop = asyncio.current_task(), asyncio.get_running_loop()

    def end(signum: int) -> None:
        if ended_by and running is not None:
            running.cancel()
        ended_by.append(signum)
        stop()

    if threading.current_thread() is not threading.main_thread():  # where no signal arrives
        yield
        return
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        for signum in before:
            loop.add_signal_handler(signum, end, signum)
        yield
    finally:
        for signum, handler in before.items():
            loop.remove_signal_handler(signum)
            signal.signal(signum, handler)
