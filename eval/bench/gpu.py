"""`make bench-gpu`: seconds an edit at real shapes, six methods by three models, beside loop and roofline."""

from __future__ import annotations

import argparse
import gc
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from eval.bench.items import Item, made_up
from eval.bench.loops import Phases, ReferenceModel, clock_of, flips, plain_item, split_block
from eval.bench.subjects import MODELS, editors, real_shape
from eval.editors.port import Editor
from eval.models.network import Loaded
from eval.models.precision import Precision
from eval.models.split import SplitModel
from eval.models.tiny import prepare_runtime
from eval.records import Dialect

METHODS = ("FT-LLM", "FT-Alignment", "KE", "MEND", "SERAC", "IKE")
# Milliseconds an item on one H100, from shapes alone: bfloat16 at 800 TFLOP/s, TF32 at 330, 3 TB/s, vision
# once an item, one packed trunk pass, weights shared by eight items; a method that runs alone.
FLOORS = {
    "blip2-opt-2.7b": {"FT-LLM": 61, "FT-Alignment": 113, "KE": 12, "MEND": 13, "SERAC": 13, "IKE": 217},
    "minigpt4-vicuna-7b": {"FT-LLM": 91, "FT-Alignment": 220, "KE": 21, "MEND": 22, "SERAC": 41, "IKE": 513},
    "llava-1.5-7b": {"FT-LLM": 117, "FT-Alignment": 743, "KE": 50, "MEND": 52, "SERAC": 98, "IKE": 542},
}
# Items of MMKE-Bench's eval split.
ITEMS = 1759
HEAD = (
    "| model | method | ours ms | plain ms | ratio | floor ms | to floor | peak GB | ids | top-10 ids |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


@dataclass(frozen=True)
class Cell:
    """One method on one model: seconds an item, the peak of the device's memory, changed ids (see flips)."""

    model: str
    method: str
    ours: float
    plain: float
    gigabytes: float
    flipped: tuple[int, ...]

    def line(self) -> str:
        """Return the cell as a row of the Markdown table."""
        floor = FLOORS[self.model][self.method]
        first, firsts, top, tops = self.flipped
        parts = (
            self.model, self.method, f"{1000 * self.ours:.0f}", f"{1000 * self.plain:.0f}",
            f"{self.plain / self.ours:.1f}x", f"{floor}", f"{1000 * self.ours / floor:.1f}x",
            f"{self.gigabytes:.1f}", f"{first} of {firsts}", f"{100 * top / tops:.3f} %",
        )  # fmt: skip
        return "| " + " | ".join(parts) + " |"


def cells(loaded: Loaded, device: str, items: int, replayed: int) -> Iterator[Cell]:
    """Yield a cell a method; items: of a block, edited together; replayed: how many go the plain way too."""
    dialect = Dialect.TRAINER
    ours, plain = SplitModel(loaded, batched=device != "cpu"), ReferenceModel(loaded)
    made, shown = made_up(ours, items, dialect), made_up(ours, items + 12, dialect)[items:]
    with tempfile.TemporaryDirectory() as folder:
        ready = editors(ours, [item.request.case for item in shown], dialect, Path(folder))
        for name in METHODS:
            yield _cell(ours, plain, ready[name], made, replayed, device)


def _cell(
    ours: SplitModel, plain: ReferenceModel, editor: Editor, made: Sequence[Item], replayed: int, device: str
) -> Cell:
    import torch

    clock, dialect = clock_of(device), Dialect.TRAINER
    # Once for the libraries to choose their kernels.
    split_block(ours, editor, made[:1], dialect, Phases(clock))
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    start = clock()
    read = split_block(ours, editor, made, dialect, Phases(clock))
    spent = clock() - start
    peak = torch.cuda.max_memory_allocated() / 1e9 if device != "cpu" else 0.0
    start = clock()
    replays = [plain_item(plain, editor, item, dialect) for item in made[:replayed]]
    plain_spent = clock() - start
    changed = [
        flips([*base, *slow], [*our_base, *fast])
        for (base, slow), (our_base, fast) in zip(replays, read, strict=False)
    ]
    flipped = tuple(sum(column) for column in zip(*changed, strict=True))
    return Cell(ours.name, editor.name, spent / len(made), plain_spent / replayed, peak, flipped)


def report(measured: Sequence[Cell], device: str, precision: Precision, items: int, replayed: int) -> str:
    """Return the section of docs/benchmarks.md that a run prints."""
    import torch

    where = torch.cuda.get_device_name() if device != "cpu" else "CPU"
    hours = ITEMS * sum(cell.ours for cell in measured) / 3600
    lines = [
        f"Random weights at real shapes, {where}, torch {torch.__version__}, precision {precision.value}; "
        f"blocks of {items} items, {replayed} of them replayed by the plain loop at the same precision.",
        "",
        HEAD,
        *(cell.line() for cell in measured),
        "",
        f"All {len(measured)} cells for {ITEMS:,} items: {hours:.2f} h.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure the cells one after the other, print the table, and write it to a file where one is named."""
    from rich.console import Console

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", type=Precision, default=Precision.DEFAULT, choices=list(Precision))
    parser.add_argument("--model", action="append", choices=MODELS, help="by default all three")
    parser.add_argument("--items", type=int, default=8, help="items of a block")
    parser.add_argument("--replayed", type=int, default=1, help="items that the plain loop does too")
    parser.add_argument("--out", type=Path, help="a file that gets the table")
    asked = parser.parse_args()
    prepare_runtime()
    import torch

    console = Console(width=160, markup=False, highlight=False)
    if asked.device != "cpu" and not torch.cuda.is_available():
        console.print("torch sees no GPU here; run `make bench-gpu` on a machine that has one")
        raise SystemExit(3)
    measured: list[Cell] = []
    for name in asked.model or MODELS:
        loaded = real_shape(name, asked.precision, asked.device)
        for cell in cells(loaded, asked.device, asked.items, asked.replayed):
            measured.append(cell)
            console.print(cell.line())
        del loaded
        gc.collect()
        torch.cuda.empty_cache()
    text = report(measured, asked.device, asked.precision, asked.items, asked.replayed)
    console.print(text)
    if asked.out:
        asked.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
