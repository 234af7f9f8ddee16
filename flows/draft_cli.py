"""The `mmke draft` commands: drafting, what it costs, and what came of it."""

from __future__ import annotations

import sys
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer
from typer.core import TyperGroup

from flows.running import leave, prefect_settings

_MORE = (
    "`mmke draft report` writes a page of what came of it, `mmke draft spend` shows what was spent. "
    "OPENAI_API_KEY and OPENAI_BASE_URL name the endpoint: OpenAI's own, or any that speaks its API (vLLM, "
    "Ollama, llama.cpp). The table [llm] of mmke.toml says which model is asked and how, [draft] how items "
    "are drafted. Without an endpoint the embedded rule drafter writes, free of charge; all that it wrote is "
    "labelled drafter=rules, is_llm=false."
)


class _ItemsByDefault(TyperGroup):
    """A group whose first command needs no name: `mmke draft building` is `mmke draft items building`."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        if not args or args[0] not in self.commands:
            args = ["items", *args]
        return super().parse_args(ctx, args)


draft_app = typer.Typer(cls=_ItemsByDefault, help="Draft knowledge and questions with a language model.")


Categories = Annotated[
    list[str] | None, typer.Argument(help="Keys of categories, such as building; all by default.")
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="At most so many subjects a category, the first ones.")
]
Budget = Annotated[
    str | None,
    typer.Option(metavar="USD", help="Stop before the project has spent more than this in all, exit 5."),
]
MaxTokens = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Stop before the project has used more tokens than this in all."),
]
Price = Annotated[
    str | None,
    typer.Option(
        metavar="IN,OUT",
        help="What the model costs, in US dollars per million tokens, such as 0.25,2: for a model that "
        "the price table does not know, and 0,0 for one of your own.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Spend the money without asking.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be drafted and what it would cost; ask nothing.")
]
Batch = Annotated[
    bool,
    typer.Option("--batch", help="Ask by the Batch API: cheaper, within a day; run it again to collect."),
]
Wait = Annotated[
    bool, typer.Option("--wait", help="With --batch: stay until no batch is under way; Ctrl-C leaves them.")
]
RedoFrom = Annotated[
    str,
    typer.Option(
        metavar="PROMPT",
        help="Draft again what a prompt version was used for, such as original_knowledge.v1; or a model.",
    ),
]
RedoRejected = Annotated[
    bool,
    typer.Option("--redo-rejected", help="Draft again what a check or people turned down, told the reason."),
]


@draft_app.command(epilog=_MORE)
def items(  # one parameter an option
    categories: Categories = None,
    limit: Limit = None,
    budget: Budget = None,
    max_tokens: MaxTokens = None,
    price: Price = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    batch: Batch = False,
    wait: Wait = False,
    redo_from: RedoFrom = "",
    redo_rejected: RedoRejected = False,
) -> None:
    """Draft knowledge and questions with a language model, one item a subject.

    What is settled is left alone until its texts or pictures change or you ask for it again. Every answer is
    kept before it is read: killed, interrupted or out of money, the command goes on where it was and pays for
    nothing twice. Ctrl-C once lets the questions under way come to their end. What a check turns down is
    drafted again, told the reason, as often as [draft] redrafts says.
    """
    asked = (frozenset(categories or ()), limit, redo_from, redo_rejected)
    limits = (_dollars(budget), max_tokens, price, batch, wait)
    if dry_run:
        _show_plan(asked, limits)
        return
    with prefect_settings() as settings:
        from flows.draft import draft as stage
        from flows.drafting.money import Caps
        from flows.drafting.plan import DraftScope
        from flows.terminal import show_counts

        counts = stage(settings, DraftScope(*asked), Caps(*limits), _yes if yes else _ask)
        show_counts(counts)
    leave(sum(count.pending for count in counts))


def _dollars(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text.strip().removeprefix("$"))
    except InvalidOperation:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0:
        raise typer.BadParameter(f"{text!r} is no amount of US dollars, such as 20 or 2.50")
    return amount


def _yes(told: str) -> bool:
    from flows.terminal import say

    say(told)
    return True


def _ask(told: str) -> bool:
    """Show the estimate and ask on a terminal; elsewhere nobody can agree."""
    from flows.terminal import say

    say(told)
    return sys.stdin.isatty() and typer.confirm("spend it?", err=True)


def _show_plan(
    asked: tuple[frozenset[str], int | None, str, bool],
    limits: tuple[Decimal | None, int | None, str | None, bool, bool],
) -> None:
    from flows.drafting.money import Caps, plan_lines
    from flows.drafting.plan import DraftScope
    from flows.settings import load_settings
    from flows.terminal import say_result

    for line in plan_lines(load_settings(), DraftScope(*asked), Caps(*limits)):
        say_result(line)


@draft_app.command()
def spend() -> None:
    """Show what was spent on answers, by day, model and step, and what was perhaps paid for nothing."""
    from curation.drafting.money.spending import spend_rows, twice_lines
    from flows.drafting.money import spent_so_far
    from flows.settings import load_settings
    from flows.terminal import say_result, show_table

    found = spent_so_far(load_settings())
    headings, rows = spend_rows(found)
    show_table("Spent on answers, in US dollars", headings, rows)
    for line in twice_lines(found):
        say_result(line)


@draft_app.command()
def report() -> None:
    """Write a page of what came of drafting: checks, prompts, costs, and examples of what was turned down."""
    from flows.drafting.report import write_draft_report
    from flows.settings import load_settings

    typer.echo(f"report: {write_draft_report(load_settings())}")
