"""Shows in one line how far a run is and how fast it goes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from curation.collecting.books import Tally
from curation.collecting.http.door import Door
from flows.terminal import live

SHOW_SECONDS = 0.5
_SECONDS = 10.0


class Paces:
    """How far a run is, and its rates over the last ten seconds."""

    def __init__(self, label: str, tally: Tally, door: Door | None) -> None:
        """Remember what is counted; door: None when nothing comes over the network."""
        self._label, self._tally, self._door = label, tally, door
        self._marks: deque[tuple[float, int, int]] = deque()

    def line(self) -> str:
        """Return the line for this moment."""
        tally, rates = self._tally, self._door.rates() if self._door else None
        done = tally.kept + tally.rejected + tally.pending
        now, received = time.monotonic(), rates.received if rates else 0
        self._marks.append((now, done, received))
        while now - self._marks[0][0] > _SECONDS:
            self._marks.popleft()
        then, done_then, received_then = self._marks[0]
        seconds = max(now - then, 1e-3)
        parts = [
            f"{tally.found} found = {tally.kept} kept + {tally.rejected} rejected"
            f" + {tally.found - tally.kept - tally.rejected} pending",
            f"{(done - done_then) / seconds:.1f} pictures/s",
        ]
        if rates:
            parts.append(f"{(received - received_then) / seconds / 1e6:.2f} MB/s")
            parts.append(f"{rates.requests} requests, {rates.hits} from the store, {rates.waits} waits")
            paused = [f"{host} for {left:.0f} s" for host, left in sorted(rates.paused.items())]
            parts += [f"paused: {', '.join(paused)}"] if paused else []
        return f"{self._label}: " + "; ".join(parts)


@asynccontextmanager
async def showing(line: Callable[[], str]) -> AsyncIterator[None]:
    """Keep a line up to date while something runs."""

    async def keep() -> None:
        with live() as show:
            while True:
                show(line())
                await asyncio.sleep(SHOW_SECONDS)

    task = asyncio.create_task(keep())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
