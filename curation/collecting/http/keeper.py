"""The thread that writes to the store, so that many answers share one flush to disk."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Sequence

from curation.collecting.http.records import Entry, FetchStore
from curation.collecting.http.settings import DoorSettings
from curation.errors import PrerequisiteError

_BATCH = 64
_GIB = 2**30

_Waiting = tuple[Entry, asyncio.Future[None]]


class Keeper:
    """Keeps entries in the order in which they come."""

    def __init__(self, store: FetchStore, settings: DoorSettings) -> None:
        """Start the thread; call inside a running event loop."""
        self._store, self._settings = store, settings
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._full: PrerequisiteError | None = None
        self._thread = threading.Thread(target=self._run, name="mmke-http-keeper", daemon=True)
        self._thread.start()

    async def keep(self, entry: Entry) -> None:
        """Return when the entry is on disk. Raises PrerequisiteError when there is no room for it."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((entry, done))
        await done

    async def check_room(self) -> None:
        """Raise PrerequisiteError when the disk or the budget is used up."""
        await asyncio.to_thread(self._check, 0)

    def check_known(self) -> None:
        """Raise PrerequisiteError when the last write found no room: nothing more is worth asking for."""
        if self._full:
            raise self._full

    async def close(self) -> None:
        """Return when all is written and the thread has ended."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, more = [first], True
            while more and len(batch) < _BATCH and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    more = False
                else:
                    batch.append(following)
            self._write(batch)

    def _write(self, batch: Sequence[_Waiting]) -> None:
        error: Exception | None = None
        entries = [entry for entry, _ in batch]
        size = sum(len(entry.body) for entry in entries if entry.body)
        try:
            self._check(size)
            self._store.keep(entries)
        except OSError as failure:
            message = f"cannot write {size} bytes ({failure.strerror}); free some disk space and run again"
            self._full = PrerequisiteError(message)
            error = self._full
        except Exception as failure:  # noqa: BLE001 - handed to those who wait for it
            error = failure
        self._loop.call_soon_threadsafe(_settle, batch, error)

    def _check(self, size: int) -> None:
        free, least = self._store.free_bytes(), self._settings.min_free_gib * _GIB
        if free - size < least:
            self._full = PrerequisiteError(
                f"{free / _GIB:.1f} GiB are free on the disk, and {least / _GIB:.1f} are never used "
                "(min_free_gib): free some disk space and run again"
            )
            raise self._full
        budget = self._settings.disk_budget_gib
        if budget is not None and self._store.used_bytes() + size > budget * _GIB:
            self._full = PrerequisiteError(
                f"pictures and answers would take more than {budget} GiB: raise disk_budget_gib under [http] "
                "in mmke.toml"
            )
            raise self._full


def _settle(batch: Sequence[_Waiting], error: Exception | None) -> None:
    for _, done in batch:
        if done.done():
            continue
        if error:
            done.set_exception(error)
        else:
            done.set_result(None)
