"""The `mmke dedupe push-pairs` and `pull-pairs` commands: pairs in doubt, decided in Label Studio."""

from __future__ import annotations

import typer


def push_pairs() -> None:
    """Put the pairs in doubt before people in Label Studio, each once.

    `mmke label-studio` then shows them in the project "MMKE Forge - duplicates".
    """
    from flows.pairs import pair_desk
    from flows.pairs import push_pairs as push
    from flows.settings import load_settings
    from flows.wiring import studio

    settings = load_settings()
    with studio(settings) as server:
        report = push(settings, pair_desk(server, settings))
    typer.echo(
        f"{len(report.created)} new pairs in Label Studio, {len(report.existing)} were there; "
        "`mmke label-studio` opens it, `mmke dedupe pull-pairs` fetches the answers"
    )


def pull_pairs() -> None:
    """Fetch people's answers and add them to the rulings file, which the next `mmke dedupe` obeys.

    Pairs on which people disagree get no ruling.
    """
    from flows.pairs import pair_desk
    from flows.pairs import pull_pairs as pull
    from flows.settings import load_settings
    from flows.terminal import say_result, show_counts
    from flows.wiring import studio

    settings = load_settings()
    with studio(settings) as server:
        counts, lines = pull(settings, pair_desk(server, settings))
    for line in lines:
        say_result(line)
    show_counts(counts)
    if settings.dedupe.rulings.exists():
        typer.echo(f"rulings: {settings.dedupe.rulings}")
