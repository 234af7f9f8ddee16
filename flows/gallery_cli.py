"""The `mmke gallery` command: contact sheets of what was collected, at any time."""

from __future__ import annotations

from typing import Annotated

import typer


def gallery(
    category: Annotated[
        str | None, typer.Argument(help="A category's key, such as building; all of them by default.")
    ] = None,
) -> None:
    """Write contact sheets of every picture seen, kept or not, with the reasons; prints the page to open.

    The pages need no server and fetch nothing; filter by state at their top.
    """
    from flows.gallery import write_sheets
    from flows.settings import load_settings

    typer.echo(f"contact sheet: {write_sheets(load_settings(), category)}")
