"""`make bench`: how many times faster than the plain loop an item is, side by side in one run, on a CPU."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from eval.bench.items import Item, made_up
from eval.bench.loops import Phases, ReferenceModel, clock_of, flips, plain_item, split_block
from eval.bench.subjects import editors, tiny_llava
from eval.editors.port import Editor
from eval.models.port import Edit
from eval.models.split import SplitModel
from eval.models.tiny import prepare_runtime
from eval.records import Dialect

# What a method must reach at 16 layers: of whole items, of edits on held trunks.
GOALS = {"FT-LLM": ("item", 10.0), "MEND": ("edit", 4.0), "KE": ("edit", 4.0), "IKE": ("item", 1.8)}


@dataclass(frozen=True)
class Row:
    """One method's CPU seconds an item. plain_edit: of the edit alone. flipped: how many ids have changed."""

    method: str
    plain: float
    plain_edit: float
    ours: float
    phases: dict[str, float]
    flipped: tuple[int, int, int, int]

    @property
    def item_ratio(self) -> float:
        """Return how many times faster a whole item is when this method runs alone."""
        return self.plain / self.ours

    @property
    def edit_ratio(self) -> float:
        """Return how many times faster the edit is with the trunk there, as in a run of several methods."""
        return self.plain_edit / self.phases["edit"] if self.phases["edit"] else float("inf")


def measure(layers: int, items: int, methods: Sequence[str]) -> list[Row]:
    """Return a row a method: its items by both ways in turn, on models of the same weights."""
    prepare_runtime()
    dialect = Dialect.TRAINER
    plain, ours = ReferenceModel(tiny_llava(layers)), SplitModel(tiny_llava(layers))
    made, shown = made_up(ours, items, dialect), made_up(ours, items + 4, dialect)[items:]
    with tempfile.TemporaryDirectory() as folder:
        train = [item.request.case for item in shown]
        ready = editors(ours, train, dialect, Path(folder))
        return [_row(plain, ours, ready[name], made, dialect) for name in methods]


def _row(
    plain: ReferenceModel, ours: SplitModel, editor: Editor, made: Sequence[Item], dialect: Dialect
) -> Row:
    clock = clock_of("cpu")
    phases, spent, edit_spent = Phases(clock), 0.0, 0.0
    flipped = (0, 0, 0, 0)
    for item in made:
        start = clock()
        base, slow = plain_item(plain, editor, item, dialect)
        spent += clock() - start
        start = clock()
        editor.edit(plain, [item.request], Edit())
        edit_spent += clock() - start
        our_base, fast = split_block(ours, editor, [item], dialect, phases)[0]
        changed = flips([*base, *slow], [*our_base, *fast])
        flipped = tuple(a + b for a, b in zip(flipped, changed, strict=True))  # type: ignore[assignment]
    count = len(made)
    by_phase = {name: seconds / count for name, seconds in phases.spent.items()}
    return Row(editor.name, spent / count, edit_spent / count, sum(by_phase.values()), by_phase, flipped)


def table(rows: Sequence[Row], layers: int, items: int) -> Table:
    """Return the table that make bench prints."""
    title = f"CPU seconds an item: tiny LLaVA, {layers} layers, 576 picture tokens, mean of {items} items"
    shown = Table(title=title, caption="ids changed: first choices, ordered top-10 candidates")
    for heading in (
        "method", "plain loop", "ours", "item", "features", "trunk", "edit", "read", "edit, trunk held",
        "ids changed",
    ):  # fmt: skip
        shown.add_column(heading, justify="left" if heading == "method" else "right")
    for row in rows:
        first, firsts, top, tops = row.flipped
        shown.add_row(
            row.method,
            f"{row.plain:.2f}",
            f"{row.ours:.2f}",
            f"{row.item_ratio:.1f}x",
            *(f"{row.phases[name]:.2f}" for name in ("features", "trunk", "edit", "read")),
            f"{row.edit_ratio:.1f}x",
            f"{first} of {firsts}, {top} of {tops}",
        )
    return shown


def main() -> None:
    """Measure, print table and goals, and leave with 1 where a first choice has changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--items", type=int, default=2)
    asked = parser.parse_args()
    methods = ("FT-LLM", "FT-Alignment", "IKE", "SERAC", "MEND", "KE")
    rows = measure(asked.layers, asked.items, methods)
    console = Console(width=140)
    console.print(table(rows, asked.layers, asked.items))
    for row in rows:
        what, least = GOALS.get(row.method, ("item", 0.0))
        ratio = row.item_ratio if what == "item" else row.edit_ratio
        if least:
            reached = "reached" if ratio >= least else "missed"
            console.print(f"{row.method}: {ratio:.1f}x an {what}, goal {least:g}x {reached}")
    raise SystemExit(any(row.flipped[0] for row in rows))


if __name__ == "__main__":
    main()
