"""Writes the page about verification: verdicts, agreement, pace, and the items on which people differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from markupsafe import Markup

from curation.galleries.page import harmless, write_page
from curation.galleries.thumbnails import LARGE, Thumbnails
from curation.records import AgreementRow, Coefficient, ImageRole
from eval.charts import PALETTE, svg_axes
from flows.review import Review, read_review, state_rows
from flows.settings import Settings
from flows.wiring import artefacts

PAGE = "review.html"
_GREY, _BLUE, _ORANGE, _GREEN, _PINK, _RED, _SKY = PALETTE
_COEFFICIENTS = (
    ("raw agreement", "raw", _SKY),
    ("Krippendorff's alpha", "alpha", _BLUE),
    ("Gwet's AC1", "ac1", _GREEN),
)
_COLOURS = (_GREEN, _SKY, _RED, _ORANGE, _GREY)
_SHOWN = (ImageRole.EDIT, ImageRole.REPHRASE)


def write_review_report(settings: Settings) -> Path:
    """Write the page and return its path; the same votes give the same bytes, and the store is only read."""
    out = settings.home / "galleries" / PAGE
    write_review_page(out, read_review(settings), artefacts(settings).get)
    return out


def write_review_page(out: Path, review: Review, read: Callable[[str], bytes]) -> None:
    """Write the page of a review; read: sha256 of a picture to its bytes."""
    shown = [[image for image in one.item.images if image.role in _SHOWN] for one in review.disagreements]
    thumbnails = Thumbnails([image.sha256 for images in shown for image in images], read, LARGE)
    write_page(
        "review.html.j2",
        out,
        review=review,
        rows=state_rows(review),
        changed=review.effect.changed,
        letters=review.letters,
        pictures=[[(image.role.value, thumbnails.of(image.sha256)) for image in images] for images in shown],
        styles=thumbnails.styles(),
        states_chart=Markup(states_chart(review)),  # noqa: S704 - matplotlib escapes the names
        agreement_chart=Markup(agreement_chart(review.controls)),  # noqa: S704 - matplotlib escapes the names
        number=_number,
    )


def states_chart(review: Review) -> str:
    """Return one bar of all items, parted by what became of them; '' without items."""
    if not review.items:
        return ""
    with svg_axes(8.4, 1.5, "Items by what became of them") as (axes, drawn):
        left = 0
        for colour, (state, count) in zip(_COLOURS, review.effect.states.items(), strict=True):
            axes.barh([0], [count], left=left, height=0.6, color=colour, label=f"{state} {count}")
            left += count
        axes.set_yticks([])
        axes.set_xlabel("items")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=len(_COLOURS), frameon=False)
    return drawn.getvalue()


def agreement_chart(rows: Sequence[AgreementRow]) -> str:
    """Return three dots a control with their 95 % intervals; '' where nobody judged the same thing."""
    judged = [row for row in rows if row.raw.value is not None]
    if not judged:
        return ""
    with svg_axes(8.4, 1.0 + 0.42 * len(judged), "Agreement a control, with 95 % intervals") as (axes, drawn):
        for offset, (label, name, colour) in zip((0.22, 0.0, -0.22), _COEFFICIENTS, strict=True):
            for place, row in enumerate(reversed(judged)):
                one: Coefficient = getattr(row, name)
                if one.value is None:
                    continue
                low, high = (one.value if end is None else end for end in (one.low, one.high))
                axes.plot([low, high], [place + offset] * 2, color=colour, linewidth=1.6)
                axes.plot([one.value], [place + offset], "o", color=colour, markersize=5)
            axes.plot([], [], "o-", color=colour, label=label)
        axes.set_yticks(range(len(judged)), [harmless(row.control, 30) for row in reversed(judged)])
        axes.set_xlim(right=1.02)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=3, frameon=False)
    return drawn.getvalue()


def _number(one: Coefficient) -> str:
    if one.value is None:
        return "–"
    return f"{one.value:.2f}" + ("" if one.low is None else f" [{one.low:.2f}, {one.high:.2f}]")
