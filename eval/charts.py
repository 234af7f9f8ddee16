"""Draws the charts of the report as SVG text: same summary, same bytes, colours that follow the page."""

from __future__ import annotations

import io
from typing import Any

from curation.records import ProbeKind
from eval.summary import KINDS, Summary, label

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


def colours(summary: Summary) -> dict[str, str]:
    """Return the colour of each method, the same in all charts."""
    return {method: PALETTE[number % len(PALETTE)] for number, method in enumerate(summary.methods)}


def metric_bars(summary: Summary) -> str:
    """Return grouped bars: six metrics, a bar a method, with 95 % intervals; unscored cells leave a gap."""
    figure, axes = _figure(8.4, 3.4)
    width = 0.8 / len(summary.methods)
    for number, (method, colour) in enumerate(colours(summary).items()):
        cells = [summary.cell(method, kind) for kind in KINDS]
        for place, cell in enumerate(cells):
            if cell.mean is None or cell.low is None or cell.high is None:
                continue
            x = place + (number - (len(summary.methods) - 1) / 2) * width
            axes.bar(
                x, 100 * cell.mean, width * 0.9, color=colour, label=label(method) if place == 0 else None
            )
            axes.plot([x, x], [100 * cell.low, 100 * cell.high], color=_INK, linewidth=0.8)
    axes.set_xticks(range(len(KINDS)), [kind.value for kind in KINDS])
    axes.set_ylim(0, 105)
    axes.set_ylabel("x100")
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 1.16), ncol=len(summary.methods), frameon=False)
    return _svg(figure, "Six metrics for each method, with 95 % intervals")


def locality_and_reliability(summary: Summary) -> str:
    """Return the trade-off: reliability (mean of T-Rel, I-Rel) against locality (mean of T-Loc, I-Loc)."""
    figure, axes = _figure(5.2, 3.6)
    for method, colour in colours(summary).items():
        reliability = _pair(summary, method, ProbeKind.T_REL, ProbeKind.I_REL)
        locality = _pair(summary, method, ProbeKind.T_LOC, ProbeKind.I_LOC)
        if reliability is not None and locality is not None:
            axes.scatter([reliability], [locality], s=90, color=colour, zorder=3)
            axes.annotate(label(method), (reliability, locality), xytext=(8, 6), textcoords="offset points")
    axes.set_xlabel("reliability: mean of T-Rel and I-Rel")
    axes.set_ylabel("locality: mean of T-Loc and I-Loc")
    axes.set_xlim(0, 110)
    axes.set_ylim(0, 108)
    axes.grid(visible=True, color=_INK, alpha=0.15, linewidth=0.6)
    return _svg(figure, "Locality against reliability, a point for each method")


def _pair(summary: Summary, method: str, one: ProbeKind, other: ProbeKind) -> float | None:
    means = [summary.cell(method, kind).mean for kind in (one, other)]
    known = [mean for mean in means if mean is not None]
    return 100 * sum(known) / 2 if len(known) == 2 else None


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """Return a figure of so many inches and its axes, in the page's style."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    with mpl.rc_context(_STYLE):
        figure, axes = pyplot.subplots(figsize=(width, height))
    return figure, axes


def _svg(figure: Any, title: str) -> str:  # noqa: ANN401 - matplotlib is untyped here
    """Return the figure as an svg element without prologue, date or fixed ink."""
    import matplotlib as mpl
    from matplotlib import pyplot

    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(
            buffer, format="svg", transparent=True, bbox_inches="tight",
            metadata={"Date": None, "Creator": None, "Format": None, "Type": None, "Title": title},
        )  # fmt: skip
    pyplot.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(_INK, "currentColor").strip()
