"""Draws the charts of the report as SVG text: same summary, same bytes, colours that follow the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from html import escape
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
    "text.parse_math": False,
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
    with svg_axes(8.4, 3.4, "Six metrics for each method, with 95 % intervals") as (axes, drawn):
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
    with svg_axes(5.2, 3.6, "Locality against reliability, a point for each method") as (axes, drawn):
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
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return drawn.getvalue()


def lag_map(matrix: LagMatrix) -> str:
    """Return a heat map: a row a position in the order, a column a number of later edits; empty: not probed.

    Drawn as one pixel a cell and by hand: there is one for each method and metric, and a long run has many
    cells.
    """
    laters = sorted({cell.later for cell in matrix.cells})
    column = {later: number for number, later in enumerate(laters)}
    pixels = {(column[cell.later], cell.position): _shade(cell.value) for cell in matrix.cells}
    title = f"{matrix.kind.value} of {label(matrix.method)} by position and later edits"
    scale = _bitmap({(0, row): _shade(1 - row / 20) for row in range(21)}, 1, 21)
    return (
        '<svg viewBox="0 0 320 240" role="img" font-family="sans-serif" font-size="10" fill="currentColor">'
        f"<title>{escape(title)}</title>"
        + _placed(_bitmap(pixels, len(laters), matrix.edits), 34, 8, 230, 190)
        + _placed(scale, 280, 8, 8, 190)
        + f'<text x="292" y="16">100</text><text x="292" y="198">0</text>'
        f'<text x="30" y="18" text-anchor="end">1</text>'
        f'<text x="30" y="198" text-anchor="end">{matrix.edits}</text>'
        f'<text x="34" y="211">{laters[0]}</text><text x="264" y="211" text-anchor="end">{laters[-1]}</text>'
        '<text x="149" y="224" text-anchor="middle">later edits</text>'
        '<text transform="translate(12 103) rotate(-90)" text-anchor="middle">position in the order</text>'
        "</svg>"
    )


def _shade(share: float) -> tuple[int, int, int, int]:
    """Return orange for 0, pale for a half, blue for 1: told apart by everyone, on light and dark ground."""
    low, middle, high = (213, 94, 0), (240, 236, 225), (0, 114, 178)
    start, end, way = (low, middle, 2 * share) if share < 0.5 else (middle, high, 2 * share - 1)
    red, green, blue = (round(one + (other - one) * way) for one, other in zip(start, end, strict=True))
    return red, green, blue, 255


def _bitmap(pixels: Mapping[tuple[int, int], tuple[int, int, int, int]], width: int, height: int) -> str:
    """Return a picture of pixels by (column, row) as a data URI, transparent where there is none."""
    from PIL import Image

    image = Image.new("RGBA", (width, height))
    for place, colour in pixels.items():
        image.putpixel(place, colour)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _placed(uri: str, x: int, y: int, width: int, height: int) -> str:
    size = f'x="{x}" y="{y}" width="{width}" height="{height}"'
    return f'<image {size} preserveAspectRatio="none" style="image-rendering:pixelated" href="{uri}"/>'


def decay_curves(sequential: Sequential, order: str, kind: ProbeKind) -> str:
    """Return a line a method: the mean after so many later edits."""
    with svg_axes(4.2, 3.0, f"{kind.value} by the number of later edits") as (axes, drawn):
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
def svg_axes(width: float, height: float, title: str) -> Iterator[tuple[Any, io.StringIO]]:
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
