"""A run that is killed at any moment: what had a record is never asked for again, and nothing is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from curation.collecting.http.door import Door
from curation.collecting.port import Fetched
from tests.loopback import Answer, Loopback
from tests.unit.http_doors import JPEG, through
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches

COUNT = 300
PROGRAM = """
import asyncio, sys
from pathlib import Path
from curation.collecting.http.door import Door, DoorSettings
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches

async def run(host, home, count):
    async with Door(DoorSettings(trusted_hosts=(host,), concurrency=8), Fetches(Artefacts(home))) as door:
        await asyncio.gather(*(door.picture(f"http://{host}/{n}", "a") for n in range(count)))

asyncio.run(run(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
"""


def killed_after(server: Loopback, home: Path, hits: int) -> None:
    """Run the program until the server has seen so many requests, then kill it without warning."""
    before = len(server.seen)
    command = [sys.executable, "-c", PROGRAM, server.host, str(home), str(COUNT)]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[2])
    while len(server.seen) < before + hits and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.wait()


def test_nothing_with_a_record_is_asked_for_again(tmp_path: Path) -> None:
    async def work(door: Door) -> list[object]:
        return list(await asyncio.gather(*(door.picture(server.url(f"/{n}"), "a") for n in range(COUNT))))

    with Loopback() as server:
        server.script("/*", lambda seen: Answer(JPEG + seen.path.encode(), delay=0.02))
        for hits in (60, 100):
            killed_after(server, tmp_path, hits)
            kept = Fetches(Artefacts(tmp_path))
            known = [f"/{n}" for n in range(COUNT) if kept.find(f"picture {server.url(f'/{n}')}")]
            assert 0 < len(known) < COUNT
            server.seen.clear()
        found = through(server, tmp_path, work)
        assert not {seen.path for seen in server.seen} & {*known, "/robots.txt"}
        assert [item.data for item in found if isinstance(item, Fetched)] == [
            JPEG + f"/{n}".encode() for n in range(COUNT)
        ]
