"""The `mmke collect` and `mmke dedupe` commands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.pairs_cli import pull_pairs, push_pairs
from flows.running import leave, prefect_settings


class Verdict(StrEnum):
    """What a person says of two pictures."""

    SAME = "same"
    DIFFERENT = "different"


dedupe_app = typer.Typer(
    invoke_without_command=True,
    help="Find pictures that show the same photograph and keep the best of each; writes a gallery.",
)

dedupe_app.command(name="push-pairs")(push_pairs)
dedupe_app.command(name="pull-pairs")(pull_pairs)


def collect(
    categories: Annotated[
        list[str] | None, typer.Argument(help="Keys of categories, such as building; all by default.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many subjects a category, within its quota.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--from", help="Take this folder of pictures, with its licences.toml, alone."),
    ] = None,
    refresh: Annotated[
        bool,
        typer.Option("--refresh", help="Ask again for what is here, in case a source has changed it."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Count what would come and how long it takes; fetch no picture."),
    ] = False,
) -> None:
    """Collect subjects, their source texts and their pictures; writes contact sheets.

    Every picture has an author, a licence, a page and a sha256, or is rejected with the reason. What a
    category is to hold stands in the taxonomy (`mmke taxonomy show`), where to look in mmke.toml under
    [[sources]], how gently in [http]. Killed or interrupted, it goes on where it was.
    """
    from flows.scope import Scope

    scope = Scope(frozenset(categories or ()), limit, folder, refresh)
    if dry_run:
        from flows.settings import load_settings
        from flows.survey import show_survey, survey

        settings = scope.sources(load_settings())
        show_survey(survey(settings, scope), settings)
        return
    with prefect_settings() as settings:
        from flows.collect import collect as stage
        from flows.terminal import show_counts

        counts = stage(scope.sources(settings), scope)
        show_counts(counts)
        typer.echo(f"contact sheets: {settings.home / 'galleries' / 'collected' / 'index.html'}")
        if told := scope.to_stay(settings):
            typer.echo(told)
    leave(sum(count.pending for count in counts))


@dedupe_app.callback()
def dedupe(context: typer.Context) -> None:
    """Find pictures that show the same photograph and keep the best of each; writes a gallery."""
    if context.invoked_subcommand:
        return
    with prefect_settings() as settings:
        from flows.dedupe import dedupe as stage
        from flows.terminal import show_counts

        show_counts(stage(settings))
        typer.echo(f"gallery: {settings.home / 'galleries' / 'duplicates.html'}")


@dedupe_app.command()
def rule(
    first: Annotated[str, typer.Argument(help="A picture's id or the sha256 of its bytes.")],
    second: Annotated[str, typer.Argument(help="The other picture's.")],
    verdict: Annotated[Verdict, typer.Argument(help="Whether one of the two is to go.")],
    note: Annotated[str, typer.Option(help="Why, for the record.")] = "",
) -> None:
    """Rule on a pair of pictures: the ruling is added to a text file that every later run obeys."""
    from flows.dedupe import rule as add
    from flows.settings import load_settings

    settings = load_settings()
    made = add(settings, first, second, verdict.value, note=note)
    typer.echo(
        f"ruled: {made.first[:12]} and {made.second[:12]} are {made.verdict}; in {settings.dedupe.rulings}"
    )
