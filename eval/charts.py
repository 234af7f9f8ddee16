"""Draws the charts of the report as SVG text: same summary, same bytes, colours that follow the page."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from curation.records import ProbeKind
from eval.case_scores import METHOD_ORDER
from eval.cells import KINDS
from eval.lags import LagMatrix, Sequential
from eval.summary import Summary, label

# Told apart by people with the common colour blindnesses (Okabe and Ito), on light and on dark ground.
PALETTE = ("#8a8f98", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9")
# Drawn in this colour, then replaced, because matplotlib knows no currentColor.
_INK = "#010203"
_STYLE = {
    "svg.hashsalt": "mmke-forge",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def method_colours(methods: Iterable[str]) -> dict[str, str]:
    """Return the colour of each method, the same on every page whatever else was run."""
    known = [*METHOD_ORDER, *(method for method in methods if method not in METHOD_ORDER)]
    return {method: PALETTE[known.index(method) % len(PALETTE)] for method in methods}


def metric_bars(summary: Summary) -> str:
    """Return grouped bars: six metrics, a bar a method, with 95 % intervals; unscored cells leave a gap."""
    with _axes(8.4, 3.4, "Six metrics for each method, with 95 % intervals") as (axes, drawn):
        width = 0.8 / len(summary.methods)
        for number, (method, colour) in enumerate(method_colours(summary.methods).items()):
            axes.bar([0], [0], width, color=colour, label=label(method))
            for place, cell in enumerate(summary.cell(method, kind) for kind in KINDS):
                if cell.mean is None:
                    continue
                x = place + (number - (len(summary.methods) - 1) / 2) * width
                axes.bar(x, 100 * cell.mean, width * 0.9, color=colour)
                if cell.low is not None and cell.high is not None:
                    axes.plot([x, x], [100 * cell.low, 100 * cell.high], color=_INK, linewidth=0.8)
        axes.set_xticks(range(len(KINDS)), [kind.value for kind in KINDS])
        axes.set_ylim(0, 105)
        axes.set_ylabel("x100")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncol=len(summary.methods), frameon=False)
    return drawn.getvalue()


def locality_and_reliability(summary: Summary) -> str:
    """Return the trade-off: reliability (mean of T-Rel, I-Rel) against locality (mean of T-Loc, I-Loc)."""
    with _axes(5.2, 3.6, "Locality against reliability, a point for each method") as (axes, drawn):
        for method, colour in method_colours(summary.methods).items():
            reliability = _pair(summary, method, ProbeKind.T_REL, ProbeKind.I_REL)
            locality = _pair(summary, method, ProbeKind.T_LOC, ProbeKind.I_LOC)
            if reliability is not None and locality is not None:
                axes.scatter([reliability], [locality], s=90, color=colour, zorder=3, label=label(method))
        axes.set_xlabel("reliability: mean of T-Rel and I-Rel")
        axes.set_ylabel("locality: mean of T-Loc and I-Loc")
        axes.set_xlim(0, 105)
        axes.set_ylim(0, 105)
        axes.grid(visible=True, color=_INK, alpha=0.15, linewidth=0.6)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="lower left", frameon=False)
    return drawn.getvalue()


def lag_map(matrix: LagMatrix) -> str:
    """Return a heat map: a row a position in the order, a column a number of later edits."""
    import numpy as np

    laters = sorted({cell.later for cell in matrix.cells})
    grid = np.full((matrix.edits, len(laters)), np.nan)
    for cell in matrix.cells:
        grid[cell.position, laters.index(cell.later)] = 100 * cell.value
    title = f"{matrix.kind.value} of {label(matrix.method)} by position and later edits"
    with _axes(4.2, 3.2, title) as (axes, drawn):
        # One pixel a cell: a shape for each would make megabytes of a long run.
        image = axes.imshow(grid, cmap="cividis", vmin=0, vmax=100, interpolation="none", aspect="auto")
        shown = range(0, len(laters), max(1, len(laters) // 8))
        axes.set_xticks(list(shown), [str(laters[place]) for place in shown])
        axes.set_xlabel("later edits")
        axes.set_ylabel("position in the order")
        axes.figure.colorbar(image, ax=axes, label="x100")
    return drawn.getvalue()


def decay_curves(sequential: Sequential, order: str, kind: ProbeKind) -> str:
    """Return a line a method: the mean after so many later edits."""
    with _axes(4.2, 3.0, f"{kind.value} by the number of later edits") as (axes, drawn):
        for method, colour in method_colours(sequential.methods).items():
            told = [m for m in sequential.matrices if (m.method, m.order, m.kind) == (method, order, kind)]
            points = [(mean.at, 100 * mean.mean) for m in told for mean in m.decay if mean.mean is not None]
            if points:
                axes.plot(*zip(*points, strict=True), color=colour, marker=".", label=label(method))
        axes.set_xlabel("later edits")
        axes.set_ylabel(kind.value)
        axes.set_ylim(0, 105)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="best", frameon=False)
    return drawn.getvalue()


def _pair(summary: Summary, method: str, one: ProbeKind, other: ProbeKind) -> float | None:
    means = [summary.cell(method, kind).mean for kind in (one, other)]
    known = [mean for mean in means if mean is not None]
    return 100 * sum(known) / 2 if len(known) == 2 else None


@contextmanager
def _axes(width: float, height: float, title: str) -> Iterator[tuple[Any, io.StringIO]]:
    """Give axes of so many inches to draw on; on leaving, the text gets the svg element.

    Without prologue or date, and in the page's colour instead of a fixed ink.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    drawn, buffer = io.StringIO(), io.StringIO()
    with mpl.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(width, height))
        yield axes, drawn
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight", metadata={**nothing, "Title": title}
        )
        pyplot.close(figure)
    text = buffer.getvalue()
    drawn.write(text[text.index("<svg") :].replace(_INK, "currentColor").strip())
