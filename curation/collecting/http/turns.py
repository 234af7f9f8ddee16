"""One caller at a time for each name, and nothing kept of names that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Locks by name, made when they are wanted and dropped after the last caller."""

    def __init__(self) -> None:
        """Start without any."""
        self._locks: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, name: str) -> AsyncIterator[None]:
        """Wait until nobody else is inside under this name."""
        lock, callers = self._locks.get(name) or (asyncio.Lock(), 0)
        self._locks[name] = lock, callers + 1
        try:
            async with lock:
                yield
        finally:
            lock, callers = self._locks.pop(name)
            if callers > 1:
                self._locks[name] = lock, callers - 1
