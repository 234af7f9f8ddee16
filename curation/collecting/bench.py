"""`make bench`: CPU an image of our door, of bare aiohttp and of img2dataset, side by side from loopback."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

CONNECTIONS = 32
IMG2DATASET = Path(".venv-img2dataset/bin/python")
# What our door must reach: of bare aiohttp's CPU, and times better than img2dataset.
MOST_OF_BARE, TIMES_IMG2DATASET = 1.5, 4.0


@dataclass(frozen=True)
class Row:
    """One client: milliseconds of its CPU an image in every round, and whether it kept the right bytes."""

    name: str
    rounds: tuple[float, ...]
    is_right: bool

    @property
    def typical(self) -> float:
        """Return the median of the rounds."""
        return statistics.median(self.rounds)


def picture(number: int) -> bytes:
    """Return the bytes of a picture: always the same photograph, with the number in a comment."""
    start, rest = (
        _photograph()[:20],
        _photograph()[20:],
    )  # behind the JFIF header, by which readers know a JPEG
    return start + b"\xff\xfe\x00\x0a" + number.to_bytes(8, "big") + rest


@cache
def _photograph() -> bytes:
    """Return a JPEG of 1.4 megapixels and about 207 KB: blurred colours with some noise, at quality 88."""
    import numpy as np
    from PIL import Image

    width, height, blur = 1440, 960, 24
    random = np.random.default_rng(0)
    dots = random.integers(0, 256, (height // blur, width // blur, 3), dtype=np.uint8)
    colours = Image.fromarray(dots).resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(colours) + random.normal(0, 0.5, (height, width, 1))
    file = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=88)
    return file.getvalue()


class _Pictures(asyncio.Protocol):
    """As little of an HTTP server as a client needs: /NUMBER.jpg, and 404 for all else."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out, self._pending = transport, b""

    def data_received(self, data: bytes) -> None:
        *whole, self._pending = (self._pending + data).split(b"\r\n\r\n")
        for request in whole:
            name = request.split(b" ", 2)[1].strip(b"/").removesuffix(b".jpg")
            body, status = (picture(int(name)), b"200 OK") if name.isdigit() else (b"", b"404 Not Found")
            head = b"HTTP/1.1 %s\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n"
            if isinstance(self._out, asyncio.WriteTransport):
                self._out.writelines([head % (status, len(body)), body])


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Pictures, "127.0.0.1", 0, backlog=256)
    _photograph()
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


@contextmanager
def server() -> Iterator[int]:
    """Serve pictures from a process of its own, whose CPU is not counted; yields the port."""
    process = subprocess.Popen(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", __spec__.name, "serve"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield int(process.stdout.readline() if process.stdout else "")
    finally:
        process.terminate()
        process.communicate()


async def _all(urls: Sequence[str], fetch: Callable[[str], Any]) -> None:
    waiting = iter(urls)

    async def worker() -> None:
        for url in waiting:
            await fetch(url)

    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))


async def bare(urls: Sequence[str], folder: Path) -> None:
    """Download with aiohttp alone: stream to disk, sha256 on the way."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as session:

        async def fetch(url: str) -> None:
            digest = hashlib.sha256()
            async with session.get(url) as response:
                with (folder / url.rpartition("/")[2]).open("wb") as file:
                    async for part in response.content.iter_chunked(65536):
                        digest.update(part)
                        file.write(part)

        await _all(urls, fetch)


async def ours(urls: Sequence[str], folder: Path) -> None:
    """Download through the door into its store, flushed to disk and recorded."""
    from curation.collecting.http.door import Door, DoorSettings
    from warehouse.artefacts import Artefacts
    from warehouse.fetches import Fetches

    trusted = (urls[0].split("/")[2],)
    settings = DoorSettings(trusted_hosts=trusted, concurrency=CONNECTIONS)
    async with Door(settings, Fetches(Artefacts(folder))) as door:

        async def fetch(url: str) -> None:
            await door.picture(url, url)

        await _all(urls, fetch)


CLIENTS = {"bare aiohttp": bare, "mmke door": ours}


def _client(name: str, port: int, count: int, folder: Path) -> None:
    """Run one client in this process and print its CPU seconds, imports left out."""
    import aiohttp  # noqa: F401 - imported by every client, and not what is measured

    run = CLIENTS[name]
    urls = [f"http://127.0.0.1:{port}/{number}.jpg" for number in range(count)]
    with tempfile.TemporaryDirectory() as warm:
        asyncio.run(run(urls[:CONNECTIONS], Path(warm)))
    before = _cpu(resource.RUSAGE_SELF)
    asyncio.run(run(urls, folder))
    sys.stdout.write(json.dumps(_cpu(resource.RUSAGE_SELF) - before))


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def measure(port: int, count: int, rounds: int) -> list[Row]:
    """Return a row a client, the clients in turn within every round."""
    spent: dict[str, list[float]] = {name: [] for name in CLIENTS}
    right = dict.fromkeys(CLIENTS, True)
    for _ in range(rounds):
        for name in CLIENTS:
            with tempfile.TemporaryDirectory() as folder:
                command = [sys.executable, "-m", __spec__.name, "client", name, str(port), str(count), folder]
                done = subprocess.run(  # noqa: S603 - our own command, no shell
                    command, check=True, capture_output=True, text=True
                )
                spent[name].append(1000 * json.loads(done.stdout) / count)
                right[name] &= _is_right(Path(folder), count)
    return [Row(name, tuple(spent[name]), right[name]) for name in CLIENTS]


def _is_right(folder: Path, count: int) -> bool:
    """Return whether the pictures under folder are those that were served, each once."""
    size = len(picture(0))
    found = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_size == size]
    kept = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in found)
    return kept == sorted(hashlib.sha256(picture(number)).hexdigest() for number in range(count))


def measure_img2dataset(python: Path, port: int, count: int) -> Row:
    """Return img2dataset's row: CPU of all its processes, its start-up taken off by measuring two sizes."""
    sizes, spent, is_right = (count, 3 * count), [], True
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            before = _cpu(resource.RUSAGE_CHILDREN)
            _run_img2dataset(python, port, size, Path(folder))
            spent.append(_cpu(resource.RUSAGE_CHILDREN) - before)
            is_right &= _is_right(Path(folder), size)
    return Row("img2dataset", (1000 * (spent[1] - spent[0]) / (sizes[1] - sizes[0]),), is_right)


def _run_img2dataset(python: Path, port: int, count: int, folder: Path) -> None:
    """Download with what it offers to leave pictures as they came: no resizing, no new encoding."""
    urls = folder / "urls.txt"
    urls.write_text("".join(f"http://127.0.0.1:{port}/{number}.jpg\n" for number in range(count)))
    options = {
        "url_list": str(urls),
        "output_folder": str(folder / "out"),
        "processes_count": 1,
        "thread_count": CONNECTIONS,
        "resize_mode": "no",
        "skip_reencode": True,
        "compute_hash": "sha256",
        "number_sample_per_shard": 1000,
    }
    program = f"import img2dataset; img2dataset.download(**{options!r})"
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    subprocess.run(  # noqa: S603 - our own command, no shell
        [python, "-c", program], check=True, capture_output=True, env=environment
    )


def main() -> int:
    """Print the table. Returns 1 only when a client kept other bytes than were served."""
    parser = argparse.ArgumentParser(prog="python -m curation.collecting.bench", description=__doc__)
    parser.add_argument("--count", type=int, default=400, help="pictures a round")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    console = Console()
    with server() as port:
        rows = measure(port, options.count, options.rounds)
        if IMG2DATASET.exists():
            rows.append(measure_img2dataset(IMG2DATASET, port, options.count))
        else:
            console.print(
                f"img2dataset is left out: there is no {IMG2DATASET} (`make bench-images` installs it)"
            )
    by_name = {row.name: row for row in rows}
    table = Table("client", "ms CPU an image", "of bare aiohttp", "goal", "bytes")
    for row in rows:
        table.add_row(
            row.name, f"{row.typical:.2f}", *_against(row, by_name), "right" if row.is_right else "WRONG"
        )
    console.print(table)
    return 0 if all(row.is_right for row in rows) else 1


def _against(row: Row, rows: dict[str, Row]) -> tuple[str, str]:
    # Round by round: what else the machine does in a minute weighs on both clients alike.
    pairs = zip(row.rounds, rows["bare aiohttp"].rounds, strict=False)
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    goal = ""
    if row.name == "mmke door":
        goal = f"at most {MOST_OF_BARE}x"
    if row.name == "img2dataset":
        goal = f"{row.typical / rows['mmke door'].typical:.1f}x ours, at least {TIMES_IMG2DATASET}x"
    return f"{ratio:.2f}x", goal


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        asyncio.run(_serve())
    elif sys.argv[1:2] == ["client"]:
        _client(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
    else:
        raise SystemExit(main())
