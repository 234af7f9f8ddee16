"""Times hashes beside imagehash and imagededup: `python -m curation.deduplicating.bench_hashes`."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps
from rich.console import Console
from rich.table import Table

from curation.deduplicating.features import features, phash
from curation.deduplicating.photographs import of_sample
from curation.errors import PrerequisiteError

IMAGEDEDUP = Path(".venv-imagededup/bin/python")
NAIVE, OURS, RECORD, THEIRS = "imagehash.phash(Image.open)", "phash", "features", "imagededup PHash"
MOST_BITS = 2
# Of whom, in whose time, at least how many times as fast.
GOALS = ((OURS, NAIVE, 4.0), (OURS, THEIRS, 6.0), (RECORD, NAIVE, 1.0))
# 1.2 and 1.9 megapixels.
_SIZES = ((1280, 960), (1600, 1200))
# Run in imagededup's own environment: a path a line in, CPU seconds and hash a line out. The registry's
# torchvision needs CUDA's libraries; the hashes need no torchvision, only the import of one.
_SERVER = """
import sys, time
from unittest.mock import MagicMock
try:
    import torchvision
except Exception:
    for name in ("", ".models", ".models.vision_transformer", ".transforms"):
        sys.modules["torchvision" + name] = MagicMock()
from imagededup.methods import PHash
method = PHash(verbose=False)
for line in sys.stdin:
    start = time.process_time()
    found = method.encode_image(image_file=line.strip())
    print(time.process_time() - start, found, flush=True)
"""

Timed = tuple[float, int]
Way = Callable[[Path], Timed]


@dataclass(frozen=True, slots=True)
class Row:
    """One way to hash: CPU milliseconds an image; drift: an image's bits of 64 away from imagehash's."""

    name: str
    milliseconds: float
    drift: tuple[int, ...]


def written(pictures: Sequence[Image.Image], folder: Path, count: int) -> list[Path]:
    """Write photographs as baseline JPEGs of the two sizes in turn, at quality 84 and 4:2:0."""
    paths = []
    for number, picture in enumerate(pictures[:count]):
        paths.append(folder / f"{number:03d}.jpg")
        sized = ImageOps.fit(picture, _SIZES[number % 2], Image.Resampling.LANCZOS)
        sized.save(paths[-1], "JPEG", quality=84)
    return paths


def measure(paths: Sequence[Path], ways: dict[str, Way], repeats: int) -> list[Row]:
    """Return a row a way: every file by every way in turn, `repeats` times; the median a file counts."""
    for way in ways.values():  # imports and caches are nobody's time
        way(paths[0])
    spent: dict[tuple[str, Path], list[float]] = {(name, path): [] for name in ways for path in paths}
    hashes: dict[tuple[str, Path], int] = {}
    for _ in range(repeats):
        for path in paths:
            for name, way in ways.items():
                seconds, hashes[name, path] = way(path)
                spent[name, path].append(seconds)
    return [
        Row(
            name,
            1000 * statistics.fmean(statistics.median(spent[name, path]) for path in paths),
            tuple((hashes[name, path] ^ hashes[NAIVE, path]).bit_count() for path in paths),
        )
        for name in ways
    ]


def _timed(work: Callable[[Path], int]) -> Way:
    def way(path: Path) -> Timed:
        start = time.process_time()
        found = work(path)
        return time.process_time() - start, found

    return way


def _naive(path: Path) -> int:
    import imagehash

    return int(str(imagehash.phash(Image.open(path))), 16)


@contextmanager
def _imagededup() -> Iterator[Way]:
    """Yield imagededup's way, in a process of its own that counts its own CPU time."""
    command = [str(IMAGEDEDUP), "-c", _SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603

        def way(path: Path) -> Timed:
            assert server.stdin is not None  # noqa: S101
            assert server.stdout is not None  # noqa: S101
            server.stdin.write(f"{path}\n")
            server.stdin.flush()
            answer = server.stdout.readline().split()
            if not answer:
                raise PrerequisiteError(f"{IMAGEDEDUP} has no working imagededup: {_how_to_make()}")
            return float(answer[0]), int(answer[1], 16)

        yield way


def _how_to_make() -> str:
    return "run `make .venv-imagededup/.done`"


def table(rows: Sequence[Row], title: str) -> Table:
    """Return the table that the bench prints."""
    shown = Table(title=title, caption="drift: bits of 64 from imagehash's pHash, mean and most")
    for heading in ("way", "ms CPU an image", "images a CPU second", "x imagehash", "drift"):
        shown.add_column(heading, justify="left" if heading == "way" else "right")
    naive = next(row.milliseconds for row in rows if row.name == NAIVE)
    for row in rows:
        drift = f"{statistics.fmean(row.drift):.2f}, {max(row.drift)}"
        cells = (
            f"{row.milliseconds:.1f}",
            f"{1000 / row.milliseconds:.0f}",
            f"{naive / row.milliseconds:.2f}",
        )
        shown.add_row(row.name, *cells, "-" if row.name == NAIVE else drift)
    return shown


def main() -> None:
    """Measure, print table and goals, and leave with 1 where one of our hashes is not imagehash's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=Path, default=Path(".cache/sample/gcompris-qt-data.deb"))
    parser.add_argument("--images", type=int, default=72)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    console = Console(width=110)
    ways = {
        NAIVE: _timed(_naive),
        OURS: _timed(lambda path: phash(path.read_bytes())),
        RECORD: _timed(lambda path: features(path.read_bytes()).phash[0]),
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = written(of_sample(asked.sample), Path(folder), asked.images)
        kilobytes = statistics.fmean(path.stat().st_size for path in paths) / 1000
        if IMAGEDEDUP.exists():
            with _imagededup() as theirs:
                rows = measure(paths, {**ways, THEIRS: theirs}, asked.repeats)
        else:
            console.print(f"imagededup is left out, as {IMAGEDEDUP} is not there: {_how_to_make()}")
            rows = measure(paths, ways, asked.repeats)
    console.print(table(rows, f"{len(paths)} JPEGs of 1.2 and 1.9 megapixels, {kilobytes:.0f} KB on average"))
    by_name = {row.name: row for row in rows}
    for fast, slow, least in GOALS:
        if slow in by_name:
            ratio = by_name[slow].milliseconds / by_name[fast].milliseconds
            reached = "reached" if ratio >= least else "missed"
            console.print(f"{fast}: {ratio:.1f}x {slow}, goal {least:g}x {reached}")
    raise SystemExit(any(max(by_name[name].drift) > MOST_BITS for name in (OURS, RECORD)))


if __name__ == "__main__":
    main()
