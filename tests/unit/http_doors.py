"""Short ways to open a door to a loopback server, for the tests of the network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from curation.collecting.http.door import Door, DoorSettings, FetchRecord
from curation.collecting.port import Fetched
from curation.errors import Rejected
from tests.loopback import Loopback
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches

Found = TypeVar("Found")
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40


def through(
    server: Loopback,
    home: Path,
    work: Callable[[Door], Awaitable[Found]],
    *,
    refresh: bool = False,
    **settings: object,
) -> Found:
    """Return what work makes of a door that trusts the server and keeps things under home."""

    async def run() -> Found:
        store = Fetches(Artefacts(home))
        values = {"trusted_hosts": (server.host,), "patience_seconds": 5.0, **settings}
        try:
            async with Door(DoorSettings.model_validate(values), store, refresh=refresh) as door:
                return await work(door)
        finally:
            store.close()

    return asyncio.run(run())


def picture(
    server: Loopback, home: Path, url: str, *, refresh: bool = False, **settings: object
) -> Fetched | Rejected:
    """Return one picture, or why there is none, through a door of its own."""
    return through(server, home, lambda door: door.picture(url, "key"), refresh=refresh, **settings)


def record(home: Path, url: str) -> FetchRecord:
    """Return what is remembered of a picture."""
    found = Fetches(Artefacts(home)).find(f"picture {url}")
    assert found
    return FetchRecord.model_validate(found)
