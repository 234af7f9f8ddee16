"""The verbs of `mmke evaluate`: run (the plain form), plan, verify, rescore and sequential."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup


class _PlainForm(TyperGroup):
    """`mmke evaluate 0.1.0` is `mmke evaluate run 0.1.0`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - the class of typer's click
        if args and args[0] not in {*self.commands, "--help"}:
            args = ["run", *args]
        return list(super().parse_args(ctx, args))


evaluate_app = typer.Typer(
    cls=_PlainForm,
    no_args_is_help=True,
    help="Edit a model case by case over a frozen release, and measure six metrics. "
    "`mmke evaluate VERSION` is `mmke evaluate run VERSION`.",
)

Version = Annotated[str, typer.Argument(help="Three numbers, such as 0.1.0.")]
Model = Annotated[
    str,
    typer.Option(
        help="tiny-llava, tiny-blip2 or tiny-minigpt4 (trained here), or a folder or hub name of a real one."
    ),
]
Methods = Annotated[
    list[str] | None,
    typer.Option("--method", help="A method; again for more. By default those of the settings: all."),
]
Protocol = Annotated[str, typer.Option(help="What the numbers mean: clean, or reference (MMKE-Bench's own).")]
Precision = Annotated[
    str | None,
    typer.Option(
        help="exact (float32), default (bfloat16 below the edit) or fast (and TF32). On a CPU: exact."
    ),
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or cuda:0; a real model takes a GPU it finds.")]
Limit = Annotated[int | None, typer.Option(help="Only so many cases, always the same.")]
Shard = Annotated[str, typer.Option(help="i/n: the i-th, from 1, of n parts; each may run anywhere.")]
Tokens = Annotated[int, typer.Option(help="Greatest length of a free answer, in tokens.")]
Generate = Annotated[bool, typer.Option("--generate/--no-generate", help="Ask for free answers too.")]
AtOnce = Annotated[
    int, typer.Option("--edits-at-once", help="Edits made side by side; fewer need less memory.")
]
BlockSize = Annotated[int, typer.Option("--block", help="Cases worked on at once.")]
MODEL = "tiny-llava"


@evaluate_app.command()
def run(
    version: Version,
    model: Model = MODEL,
    method: Methods = None,
    protocol: Protocol = "clean",
    precision: Precision = None,
    device: Device = None,
    shard: Shard = "1/1",
    limit: Limit = None,
    workers: Annotated[int, typer.Option(help="Processes, or actors of Ray; one a GPU.")] = 1,
    ray: Annotated[
        str | None, typer.Option(help="Let Ray's actors work: the cluster's address, or local.")
    ] = None,
    tokens: Tokens = 24,
    generate: Generate = True,
    edits_at_once: AtOnce = 8,
    block: BlockSize = 16,
) -> None:
    """Edit a model with every method, one case at a time, and measure; a killed run goes on where it was."""
    from flows.running import prefect_settings

    part = _shard(shard)
    with prefect_settings() as settings:
        from eval.plan import Options
        from flows.evaluate import evaluate, options_for
        from flows.terminal import show_counts

        others = Options(
            tokens=tokens if generate else 0, limit=limit, edits_at_once=edits_at_once, block=block,
            shard=part,
        )  # fmt: skip
        options = options_for(model, protocol, precision, device, others)
        show_counts(evaluate(settings, version, model, tuple(method or ()), options, workers, ray))


@evaluate_app.command()
def plan(
    version: Version,
    model: Model = MODEL,
    method: Methods = None,
    protocol: Protocol = "clean",
    precision: Precision = None,
    device: Device = None,
    shard: Shard = "1/1",
    limit: Limit = None,
    tokens: Tokens = 24,
    generate: Generate = True,
    edits_at_once: AtOnce = 8,
    block: BlockSize = 16,
) -> None:
    """Estimate cases, tokens, time and memory of a run; exit 3 and what would fit when it cannot."""
    from eval.plan import Options
    from flows.evaluate import options_for, plan_evaluation
    from flows.settings import load_settings

    others = Options(
        tokens=tokens if generate else 0, limit=limit, edits_at_once=edits_at_once, block=block,
        shard=_shard(shard),
    )  # fmt: skip
    options = options_for(model, protocol, precision, device, others)
    plan_evaluation(load_settings(), version, model, tuple(method or ()), options)


@evaluate_app.command()
def verify(
    version: Version,
    cases: Annotated[int, typer.Option(help="How many cases to replay, always the same.")] = 4,
    model: Model = MODEL,
    method: Methods = None,
    protocol: Protocol = "clean",
    precision: Precision = None,
    device: Device = None,
    edits_at_once: AtOnce = 8,
) -> None:
    """Replay cases one by one through the plain full model; exit 4 when exact ids are not the same."""
    from eval.plan import Options
    from flows.evaluate import options_for, verify_evaluation
    from flows.settings import load_settings

    options = options_for(model, protocol, precision, device, Options(edits_at_once=edits_at_once))
    verify_evaluation(load_settings(), version, model, tuple(method or ()), options, cases)


@evaluate_app.command()
def rescore(
    version: Version,
    model: Model = MODEL,
    protocol: Protocol = "clean",
    precision: Precision = None,
    device: Device = None,
    tokens: Tokens = 24,
    generate: Generate = True,
) -> None:
    """Sum up the kept records again: no model, no GPU. Name the model and protocol as in the run."""
    from eval.plan import Options
    from flows.evaluate import options_for, rescore_evaluation
    from flows.settings import load_settings

    options = options_for(model, protocol, precision, device, Options(tokens=tokens if generate else 0))
    rescore_evaluation(load_settings(), version, model, options)


@evaluate_app.command()
def sequential(
    version: Version,
    edits: Annotated[int, typer.Option(help="How many edits, one on top of the other.")] = 30,
    order: Annotated[str, typer.Option(help="shuffled, release, related or users.")] = "shuffled",
    seed: Annotated[int, typer.Option(help="Of the shuffle, and of the choice of users.")] = 1,
    users: Annotated[int, typer.Option(help="Order users: how many.")] = 0,
    items: Annotated[int, typer.Option(help="Order users: at most so many edits of each.")] = 0,
    in_a_row: Annotated[bool, typer.Option("--in-a-row/--in-turns", help="Order users.")] = False,
    gap: Annotated[
        list[int] | None,
        typer.Option(help="After every edit, ask again the case so many edits back; again for more."),
    ] = None,
    checkpoint: Annotated[
        list[int] | None,
        typer.Option(help="After so many edits ask all again; by default after each, or 1, 2, 5, 10, ..."),
    ] = None,
    model: Model = MODEL,
    method: Methods = None,
    protocol: Protocol = "clean",
    precision: Precision = None,
    device: Device = None,
    tokens: Annotated[int, typer.Option(help="Greatest length of a free answer; 0: none.")] = 0,
) -> None:
    """Edit in sequence and ask earlier cases again: the whole lag matrix, against the unedited model."""
    from flows.running import prefect_settings

    with prefect_settings() as settings:
        from eval.orders import Order, lookback
        from eval.plan import Options
        from flows.evaluate import evaluate_in_sequence, options_for
        from flows.terminal import show_counts

        options = options_for(model, protocol, precision, device, Options(tokens=tokens))
        chosen = Order(order, seed, users, items, in_a_row)
        back = lookback(edits, gap or (), checkpoint or ())
        show_counts(
            evaluate_in_sequence(settings, version, model, tuple(method or ()), options, chosen, back)
        )


def _shard(text: str) -> tuple[int, int]:
    index, slash, parts = text.partition("/")
    if not slash or not index.isdigit() or not parts.isdigit():
        raise typer.BadParameter(f"{text!r} is no shard; write i/n, such as 1/4", param_hint="--shard")
    return int(index), int(parts)
