"""The `mmke taxonomy` commands: whether the categories are sound, and how full each one is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from curation.records import Category

taxonomy_app = typer.Typer(no_args_is_help=True, help="Check the categories and see how full they are.")

_BAR = 24


@taxonomy_app.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(help="A file of [[category]] tables; what mmke.toml names as taxonomy by default."),
    ] = None,
) -> None:
    """List everything that is wrong with the taxonomy; exit 3 when something is.

    To add a category, write a [[category]] table (key, name, edit_type, quota, fine_types, search_terms,
    wikidata, sources) to a file and name it in mmke.toml: taxonomy = "taxonomy.toml".
    """
    from curation.errors import PrerequisiteError
    from curation.taxonomy import problems, read_table
    from flows.settings import load_settings

    path = file or load_settings().taxonomy
    table = read_table(path)
    found = problems(table)
    for problem in found:
        typer.echo(problem)
    if found:
        raise PrerequisiteError(f"the taxonomy has {len(found)} problems; correct {path or 'taxonomy.toml'}")
    typer.echo(f"the taxonomy is sound: {len(table['category'])} categories")


@taxonomy_app.command()
def show() -> None:
    """Show for each category how many subjects are wanted and how many were collected."""
    from curation.taxonomy import load_taxonomy
    from flows.settings import load_settings
    from flows.terminal import show_table

    settings = load_settings()
    show_table(*taxonomy_rows(list(load_taxonomy(settings.taxonomy).values()), collected(settings.home)))


def collected(home: Path) -> dict[str, int]:
    """Return how many subjects with pictures the warehouse has of each category; none before a collect."""
    from curation.errors import PrerequisiteError
    from warehouse.store import read_store

    try:
        with read_store(home) as store:
            kept = "SELECT category, count(*) FROM outcome WHERE stage = 'subjects' AND outcome = 'kept'"
            return dict(store.rows(f"{kept} GROUP BY 1"))
    except PrerequisiteError:
        return {}


def taxonomy_rows(categories: list[Category], have: dict[str, int]) -> tuple[str, list[str], list[list[str]]]:
    """Return title, headings and rows of the table."""
    raise NotImplementedError
