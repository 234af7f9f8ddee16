"""Times the search for near hashes: `python -m curation.deduplicating.bench_pairs`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from curation.deduplicating.faiss_index import FaissIndex
from curation.deduplicating.index import Pairs, pairs_across, pairs_within
from curation.deduplicating.search import Hashes

IMAGEDEDUP = Path(".venv-imagededup/bin/python")
_QUERIES = 8
_SAMPLE = 2000
# Run in imagededup's own environment: CPU seconds of one query of its C++ search, of _QUERIES measured.
_THEIRS = """
import json, sys, time
from imagededup.handlers.search.brute_force_cython import BruteForceCython
hashes = json.load(open(sys.argv[1]))
search = BruteForceCython(hashes, None)  # its C++ has a distance of its own
names = list(hashes)[: int(sys.argv[3])]
start = time.process_time()
for name in names:
    search.search(query=hashes[name], tol=int(sys.argv[2]))
print((time.process_time() - start) / len(names))
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: CPU seconds of ours and of another, and what is wanted of them."""

    what: str
    ours: float
    other: str
    theirs: float | None
    goal: str
    reached: bool
    equal: bool


def planted(count: int, radius: int, seed: int) -> Hashes:
    """Return random 64-bit hashes of which 5 % are neighbours of another, 0 to `radius` bits away."""
    random = np.random.default_rng(seed)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64)
    rows = random.permutation(count)
    copies, originals = rows[: count // 20], rows[count // 20 : count // 10]
    flips = random.integers(0, radius + 1, len(copies))
    bits = np.argsort(random.random((len(copies), 64)), axis=1)[:, :radius].astype(np.uint64)
    chosen = np.where(np.arange(radius) < flips[:, None], np.uint64(1) << bits, np.uint64(0))
    hashes[copies] = hashes[originals] ^ np.bitwise_or.reduce(chosen, axis=1)
    return hashes


def timed(work: Callable[[], Pairs]) -> tuple[Pairs, float]:
    """Return what work gives and the CPU seconds of this process that it took."""
    start = time.process_time()
    found = work()
    return found, time.process_time() - start


def equal(one: Pairs, other: Pairs) -> bool:
    """Return whether two searches found the same pairs at the same distances, and left nothing out."""
    columns = ((one.first, other.first), (one.second, other.second), (one.distance, other.distance))
    return not one.crowded and not other.crowded and all(np.array_equal(a, b) for a, b in columns)


def hundred_thousand() -> list[Line]:
    """Return all pairs of 100,000 at radius 8: against faiss, and against imagededup by extrapolation."""
    hashes = planted(100_000, 8, seed=1)
    ours, seconds = timed(lambda: pairs_within(hashes, 8))
    theirs, other = timed(lambda: FaissIndex().within(hashes, 8))
    what = f"all pairs of 100,000, r = 8 ({len(ours):,} pairs)"
    same = equal(ours, theirs)
    lines = [Line(what, seconds, "faiss IndexBinaryFlat", other, "at least 3x", other >= 3 * seconds, same)]
    query = imagededup_query(hashes, 8)
    if query is not None:
        total = query * len(hashes)
        name = f"imagededup, {_QUERIES} queries x {len(hashes) // _QUERIES:,}"
        lines.append(Line(what, seconds, name, total, "at least 1,000x", total >= 1000 * seconds, same))
    return lines


def imagededup_query(hashes: Hashes, radius: int) -> float | None:
    """Return the CPU seconds of one query of imagededup's search, None without its environment."""
    if not IMAGEDEDUP.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "hashes.json"
        file.write_text(json.dumps({str(n): f"{int(one):016x}" for n, one in enumerate(hashes)}))
        command = [str(IMAGEDEDUP), "-c", _THEIRS, str(file), str(radius), str(_QUERIES)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return float(done.stdout.split()[-1])


def a_million() -> list[Line]:
    """Return all pairs of a million at radius 3 and adding 1,000 to them; faiss checks a part."""
    hashes = planted(1_000_000, 3, seed=2)
    ours, seconds = timed(lambda: pairs_within(hashes, 3))
    tracemalloc.start()
    pairs_within(hashes, 3)
    memory = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    what = f"all pairs of 1,000,000, r = 3 ({len(ours):,} pairs), {memory:.0f} MB"
    checked = f"faiss, {_SAMPLE:,} rows of it only"
    theirs, other = timed(lambda: FaissIndex().across(hashes[:_SAMPLE], hashes, 3))
    own = theirs.first != theirs.second
    expected = set(zip(theirs.first[own].tolist(), theirs.second[own].tolist(), strict=True))
    either = [(one, two) for one, two, _ in ours]
    found = {pair for pair in [*either, *((two, one) for one, two in either)] if pair[0] < _SAMPLE}
    same = found == expected and not ours.crowded
    lines = [Line(what, seconds, checked, other, "at most 5 s", seconds <= 5, same)]
    batch = planted(1000, 8, seed=3)
    batch[:200] = hashes[:200] ^ np.uint64(0b10110000)
    for radius in (3, 8):
        added, quick = timed(lambda radius=radius: pairs_across(batch, hashes, radius))  # type: ignore[misc]
        flat, slow = timed(lambda radius=radius: FaissIndex().across(batch, hashes, radius))  # type: ignore[misc]
        what = f"adding 1,000 to 1,000,000, r = {radius} ({len(added):,} pairs)"
        goal = quick <= 1.5
        lines.append(
            Line(what, quick, "faiss IndexBinaryFlat", slow, "at most 1.5 s", goal, equal(added, flat))
        )
    return lines


def main(_: Sequence[str] | None = None) -> int:
    """Print the table; 1 when two searches found different pairs."""
    lines = hundred_thousand() + a_million()
    table = Table(title="Near pairs among random 64-bit hashes, 5 % planted; CPU seconds")
    for heading in ("search", "ours", "other", "CPU s", "ratio", "goal", "pairs"):
        table.add_column(heading, justify="right" if heading in ("ours", "CPU s", "ratio") else "left")
    for line in lines:
        ratio = f"{line.theirs / line.ours:,.1f}" if line.theirs is not None else ""
        theirs = f"{line.theirs:,.2f}" if line.theirs is not None else ""
        goal = line.goal if line.reached else f"{line.goal}, missed"
        same = "equal" if line.equal else "DIFFERENT"
        table.add_row(line.what, f"{line.ours:.2f}", line.other, theirs, ratio, goal, same)
    console = Console(width=150)
    console.print(table)
    if not IMAGEDEDUP.exists():
        console.print(f"imagededup is not measured: {IMAGEDEDUP} is not there (requirements/imagededup.txt)")
    return 0 if all(line.equal for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
