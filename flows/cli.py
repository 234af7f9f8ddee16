"""The `mmke` command: one verb a stage, each a thin shell over the step that does the work."""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from curation.errors import ForgeError
from flows.collect_cli import collect, dedupe_app
from flows.draft_cli import draft_app
from flows.evaluate_cli import evaluate_app
from flows.gallery_cli import gallery
from flows.model_cli import model_app
from flows.prompt_cli import prompt_app
from flows.review_cli import review_app
from flows.running import prefect_settings
from flows.taxonomy_cli import taxonomy_app

app = typer.Typer(
    name="mmke",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich would double the time of --help
    help="Make, check, release and use a multimodal knowledge-editing benchmark.\n\n"
    "The stages, in order: collect, dedupe, draft, push, pull, release freeze, evaluate, report; "
    "`mmke run` does them all. A killed command is simply run again: nothing is lost or paid twice.\n\n"
    "Exit codes: 0 done; 1 unexpected; 2 wrong usage; 3 something is not installed or not there; "
    "4 a stored file is not what it should be; 5 a budget or quota is used up (go on with a larger one); "
    "6 done, but some things are pending (run it again); "
    "7 a port is in use; 130 interrupted; 143 terminated.",
)
release_app = typer.Typer(no_args_is_help=True, help="Cut and verify releases.")
app.add_typer(release_app, name="release")
app.add_typer(evaluate_app, name="evaluate")
app.add_typer(model_app, name="model")
app.add_typer(taxonomy_app, name="taxonomy")
app.add_typer(dedupe_app, name="dedupe")
app.add_typer(review_app, name="review")
app.add_typer(draft_app, name="draft")
app.add_typer(prompt_app, name="prompt")
app.command()(collect)
app.command()(gallery)

Version = Annotated[str, typer.Argument(help="Three numbers, such as 0.1.0.")]
Scripted = Annotated[
    bool,
    typer.Option("--scripted", help="Let scripted annotators vote, as the demo does in place of people."),
]
Until = Annotated[str, typer.Option("--until", help="Stop after this stage.")]


@app.command()
def push() -> None:
    """Push drafted items to Label Studio, each once; a changed item becomes a new task."""
    with prefect_settings() as settings:
        from flows.push import push as stage
        from flows.terminal import show_counts
        from flows.wiring import desks, studio

        with studio(settings) as server:
            show_counts(stage(settings, desks(server, settings)))


@app.command()
def pull() -> None:
    """Pull votes from Label Studio, resolve them, and print how far the annotators agree."""
    with prefect_settings() as settings:
        from flows.pull import agreement_of
        from flows.pull import pull as stage
        from flows.terminal import show_agreement, show_counts
        from flows.wiring import desks, studio

        with studio(settings) as server:
            show_counts(stage(settings, desks(server, settings)))
        show_agreement(agreement_of(settings))


@app.command(name="label-studio")
def label_studio(
    port: Annotated[int | None, typer.Option(help="The port on 127.0.0.1; a free one by default.")] = None,
) -> None:
    """Keep Label Studio up for people to vote in, and print the address and the account. Ctrl-C stops it."""
    from flows.settings import load_settings
    from flows.wiring import studio

    settings = load_settings()
    with studio(settings, port) as server:
        typer.echo(f"Label Studio: {server.url}\n  account:  {server.user}\n  password: {server.password}")
        typer.echo("Ctrl-C stops it; `mmke pull` afterwards fetches the votes.")
        while True:
            signal.pause()


@release_app.command()
def freeze(version: Version) -> None:
    """Freeze the approved items as a version: built aside, verified, renamed.

    The same items give the same bytes; a version that exists with other bytes is refused (exit 4).
    """
    with prefect_settings() as settings:
        from flows.freeze import freeze as stage
        from flows.terminal import show_counts

        show_counts(stage(settings, version))


@release_app.command()
def verify(folder: Annotated[Path, typer.Argument(help="The release's folder.")]) -> None:
    """Verify every byte of a release and print what it holds; exit 4 names the file that is wrong."""
    from warehouse.release import open_release

    release = open_release(folder)
    pictures = len({image.sha256 for entry in release.items for image in entry.item.images})
    typer.echo(
        f"release {release.version} is whole: {len(release.items)} items, {pictures} pictures, "
        f"drafter={release.drafter}, is_llm={str(release.is_llm).lower()}, content {release.content_sha256}"
    )


@app.command()
def report(version: Version) -> None:
    """Write the static report page of a release."""
    with prefect_settings() as settings:
        from flows.report import report as stage

        typer.echo(f"report: {stage(settings, version)}")


@app.command()
def run(version: Version = "0.1.0", scripted: Scripted = False, until: Until = "report") -> None:
    """Run every stage in order: collect, dedupe, draft, verify (push and pull), freeze, evaluate, report."""
    with prefect_settings() as settings:
        from flows.pipeline import STAGES, pipeline

        if until not in STAGES:
            raise typer.BadParameter(f"{until!r} is no stage; the stages are {', '.join(STAGES)}")
        page = pipeline(settings, version, scripted, until)
        if page:
            typer.echo(f"report: {page}")


@app.command()
def status() -> None:
    """Show every stage's in = kept + rejected (by reason) + pending, and the items a category."""
    from flows.overview import stage_counts, status_rows
    from flows.settings import load_settings
    from flows.terminal import show_counts, show_table

    settings = load_settings()
    show_counts(stage_counts(settings))
    headings, rows = status_rows(settings)
    show_table("Kept at each stage, a category", headings, rows)


@app.command()
def why(key: Annotated[str, typer.Argument(help="A subject, item or picture id, or a part of one.")]) -> None:
    """Print where a thing stands in every stage, and the reason."""
    from flows.overview import explain
    from flows.settings import load_settings
    from flows.terminal import say_result

    for line in explain(load_settings(), key):
        say_result(line)


def _terminated(signum: int, frame: FrameType | None) -> None:
    """Leave by the ordinary way on SIGTERM, so that servers are stopped and files closed."""
    raise SystemExit(128 + signum)


def main() -> None:
    """Run the command line; an error that we know is one line with its own exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        app()
    except ForgeError as error:
        from flows.terminal import inert

        sys.stderr.write(f"error: {inert(str(error))}\n")
        # Prefect keeps the error till the very end; with its frames DuckDB would complain of open handles.
        traceback.clear_frames(error.__traceback__)
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"error: the disk is full ({error}); free some space, then run the command again\n")
        raise SystemExit(3) from None
    except ModuleNotFoundError as error:
        fix = "run `make setup`, or install mmke-forge[eval,sample]"
        sys.stderr.write(f"error: the package {error.name} is missing; {fix}\n")
        raise SystemExit(3) from None
