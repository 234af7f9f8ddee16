"""The `mmke taxonomy` commands: whether the categories are sound, and how full each one is."""

from __future__ import annotations

from collections.abc import Mapping
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
    """Show for each category how many subjects are wanted and how many were collected, by editing type."""
    from curation.records import EditType
    from curation.taxonomy import load_taxonomy
    from flows.settings import load_settings
    from flows.terminal import say_result, show_table

    settings = load_settings()
    categories = load_taxonomy(settings.taxonomy)
    have = collected(settings.home)
    headings = ["category", "collected", "wanted", "", "share"]
    for kind in EditType:
        part = [one for one in categories.values() if one.edit_type is kind]
        show_table(_title(kind.value, part, have), headings, [_row(one, have) for one in part])
    for key in sorted(set(have) - set(categories)):
        say_result(f"{have[key]} subjects were collected of {key}, which is no category any more")


def collected(home: Path) -> dict[str, int]:
    """Return how many subjects with pictures the warehouse has of each category; none before a collect."""
    from warehouse.store import read_store

    if not (home / "warehouse.duckdb").exists():
        return {}
    with read_store(home) as store:
        kept = "SELECT category, count(*) FROM outcome WHERE stage = 'subjects' AND outcome = 'kept'"
        return dict(store.rows(f"{kept} GROUP BY 1 ORDER BY 1"))


def _title(kind: str, part: list[Category], have: Mapping[str, int]) -> str:
    counted = sum(have.get(one.key, 0) for one in part)
    return f"{kind.replace('_', ' ')}: {counted} of {sum(one.quota for one in part)} subjects"


def _row(category: Category, have: Mapping[str, int]) -> list[str]:
    number = have.get(category.key, 0)
    share = min(1.0, number / category.quota) if category.quota else 1.0
    # Rounded down, so that a full bar is a filled quota; one subject shows.
    filled = max(int(share * _BAR), 1 if number else 0)
    bar = "█" * filled + "·" * (_BAR - filled)
    return [category.key, str(number), str(category.quota), bar, f"{int(share * 100)} %"]
