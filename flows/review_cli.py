"""The `mmke review` commands: how verification stands, how far people agree, and what they changed."""

from __future__ import annotations

import typer

review_app = typer.Typer(
    no_args_is_help=True,
    help="How verification stands: agreement, pace, and what people changed.\n\n"
    "Both commands read the votes that `mmke pull` fetched; Label Studio need not run.",
)


@review_app.command()
def status() -> None:
    """Print what became of the items, how far annotators agree, and how long they took."""
    from flows.review import read_review, state_rows
    from flows.settings import load_settings
    from flows.terminal import show_agreement, show_table

    review = read_review(load_settings())
    show_table("What became of the drafts", ["", "items"], [list(row) for row in state_rows(review)])
    show_agreement(review.controls)
    show_agreement(review.annotators, "Each annotator with all others")
    rows = [
        [
            one.name,
            str(one.votes),
            _seconds(one.median),
            _seconds(one.low),
            _seconds(one.high),
            str(one.hasty),
        ]
        for one in review.paces
    ]
    show_table("Seconds a vote", ["annotator", "votes", "median", "25 %", "75 %", "hasty"], rows)


@review_app.command()
def report() -> None:
    """Write the page about verification: charts, tables, and the items on which people differ most.

    Annotators are called A, B, ... on it; `mmke review status` names them.
    """
    from flows.review_report import write_review_report
    from flows.settings import load_settings

    typer.echo(f"review: {write_review_report(load_settings())}")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
