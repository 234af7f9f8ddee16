"""What the commands of the stages share: a Prefect server while they work, and how they end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from flows.settings import Settings

PENDING = 6


@contextmanager
def prefect_settings() -> Iterator[Settings]:
    """Run a Prefect server for as long as a stage works, and yield the project's settings."""
    from flows.prefect_server import prefect_server
    from flows.settings import load_settings

    settings = load_settings()
    # Prefect reads it when it is imported; without it every chunk of a stage would get a thread at once.
    os.environ["PREFECT_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS"] = str(settings.workers)
    with prefect_server(settings.home / "prefect"):
        yield settings


def leave(pending: int) -> None:
    """End with exit code 6 where something is pending."""
    if pending:
        typer.echo(f"{pending} things are pending: run the command again", err=True)
        raise typer.Exit(PENDING)
