"""What the stages show while they work and when they end: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from curation.records import AgreementRow, Coefficient, StageCount

OUT = Console(highlight=False, width=None)
ERR = Console(stderr=True, highlight=False)
LINE_SECONDS = 5.0
_ACTING = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show how far long work is; the yielded function takes a label, how many are done, and of how many."""
    if not ERR.is_terminal:
        yield _plain_lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ERR, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def bar(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bars.add_task(label, total=total)
            bars.update(tasks[label], completed=done, total=total)

        yield bar


def _plain_lines() -> Callable[[str, int, int], None]:
    line = _now_and_then()
    return lambda label, done, total: line(f"{label}: {done}/{total}")


@contextmanager
def live() -> Iterator[Callable[[str], None]]:
    """Show where work without a known end stands; the yielded function takes the line to show."""
    if not ERR.is_terminal:
        yield _now_and_then()
        return
    with ERR.status("") as status:
        yield lambda text: status.update(Text(inert(text)))


def _now_and_then() -> Callable[[str], None]:
    last = time.monotonic()

    def line(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS:
            last = time.monotonic()
            say(f"  {text}")

    return line


def inert(text: str) -> str:
    """Return text without what acts in a terminal: escapes, other control and format characters."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _ACTING and char not in "\n\t" else char
        for char in text
    )


def say(text: str) -> None:
    """Write one plain line of progress to standard error; text from outside is never read as markup."""
    ERR.print(inert(text), markup=False, soft_wrap=True)


def say_result(text: str) -> None:
    """Write one plain line of a result to standard output."""
    OUT.print(inert(text), markup=False, soft_wrap=True)


def show_counts(counts: Sequence[StageCount]) -> None:
    """Print in = kept + rejected (by reason) + pending, one line a count."""
    for count in counts:
        reasons = ", ".join(f"{reason} {number}" for reason, number in sorted(count.rejected.items()))
        rejected = sum(count.rejected.values())
        shown = f"{rejected} rejected ({reasons})" if reasons else "0 rejected"
        summed = f"{count.kept} kept + {shown} + {count.pending} pending"
        say_result(f"{count.stage:<10} {count.incoming} {count.unit} = {summed}")


def show_agreement(rows: Sequence[AgreementRow], title: str = "Agreement of the annotators") -> None:
    """Print how far annotators agree, a line a control: Cohen's kappa, Krippendorff's alpha, Gwet's AC1.

    The interval is alpha's, 95 %; the page of `mmke review report` has the others. A dash where undefined.
    """
    table = Table(title=title)
    parts = any(row.part != "all" for row in rows)
    for heading in (*(("who",) if parts else ()), "control"):
        table.add_column(heading, overflow="fold")
    for heading in ("things", "raw", "kappa", "alpha", "95 % interval", "AC1"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        low, high = row.alpha.low, row.alpha.high
        interval = "-" if low is None or high is None else f"{low:.2f} to {high:.2f}"
        numbers = (_two(row.raw), _two(row.kappa), _two(row.alpha), interval, _two(row.ac1))
        words = (*((row.part,) if parts else ()), row.control, str(row.things), *numbers)
        table.add_row(*(Text(inert(word)) for word in words))
    OUT.print(table)


def show_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others numbers."""
    table = Table(title=title, box=SIMPLE_HEAD, padding=0, collapse_padding=True, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", min_width=6)
    for row in rows:
        table.add_row(*(Text(inert(cell)) for cell in row))
    OUT.print(table)


def _two(one: Coefficient) -> str:
    return "-" if one.value is None else f"{one.value:.2f}"
