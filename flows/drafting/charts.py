"""Draws the charts of the drafting page: how items came out, and how long answers took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation.drafting.report import Ways
from curation.galleries.page import harmless
from eval.charts import PALETTE, svg_axes

_GREY, _BLUE, _ORANGE, _GREEN, _PINK, _RED, _SKY = PALETTE
WAYS = (("first", _GREEN), ("repaired", _SKY), ("redrafted", _BLUE), ("rejected", _RED), ("pending", _GREY))
"""The ways to come out, in order, each with its colour in every chart and bar of the page."""


def ways_chart(rows: Sequence[Ways]) -> str:
    """Return a bar a category, parted by how its subjects came out; '' without subjects."""
    if not rows:
        return ""
    title = "Subjects of each category by how they came out"
    with svg_axes(8.4, 0.9 + 0.28 * len(rows), title) as (axes, drawn):
        places = range(len(rows), 0, -1)
        left = [0] * len(rows)
        for way, colour in WAYS:
            widths = [getattr(row, way) for row in rows]
            axes.barh(places, widths, left=left, height=0.7, color=colour, label=way)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axes.set_yticks(places, [harmless(row.category, 40) for row in rows])
        axes.set_xlabel("subjects")
        axes.locator_params(axis="x", integer=True)
        axes.margins(y=0.02)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=len(WAYS), frameon=False)
    return drawn.getvalue()


def seconds_chart(seconds: Mapping[str, Sequence[float]]) -> str:
    """Return a line a step: the share of its answers that came within so many seconds; '' without any."""
    timed = {step: sorted(values) for step, values in sorted(seconds.items()) if values}
    if not timed:
        return ""
    with svg_axes(6.4, 3.2, "Share of answers that came within so many seconds") as (axes, drawn):
        for number, (step, values) in enumerate(timed.items()):
            at = [min(len(values) - 1, round(part / 100 * (len(values) - 1))) for part in range(101)]
            style = ("-", "--", ":")[number // len(PALETTE) % 3]
            colour = PALETTE[number % len(PALETTE)]
            axes.plot(
                [values[place] for place in at], range(101), style, color=colour, label=harmless(step, 40)
            )
        axes.set_xlabel("seconds")
        axes.set_ylabel("% of answers")
        axes.set_xlim(left=0)
        axes.set_ylim(0, 102)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
    return drawn.getvalue()
