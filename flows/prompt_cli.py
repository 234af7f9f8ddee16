"""The `mmke prompt` commands: which prompts there are, what they send, how versions differ, a try."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from curation.drafting.llm import LlmRequest
    from curation.drafting.steps.prompting import Prompt
    from flows.prompt_trials import Case, Trial
    from flows.prompt_versions import Comparison
    from flows.settings import Settings

prompt_app = typer.Typer(
    no_args_is_help=True,
    help="Look at the prompts that drafting uses, and try new ones. A published version is never edited: "
    "copy its file, change it, try it (`mmke prompt try draft.md --item petra`), then add it as the next "
    "version. Nothing is drafted anew because of it before `mmke draft --redo-from NAME.v1` asks for that.",
)

Id = Annotated[
    str,
    typer.Argument(help="A version (locality.v1), a name (locality: its newest version), or a file (x.md)."),
]


@prompt_app.command("list")
def list_prompts() -> None:
    """List all prompt versions: what each is for, and when and why it was written."""
    from curation.drafting.steps.prompting import load_prompt, load_version, prompt_ids
    from flows.terminal import say_result

    width = max(map(len, prompt_ids()))
    for prompt_id in prompt_ids():
        prompt = load_version(prompt_id)
        mark = "*" if load_prompt(prompt.name) == prompt else " "
        say_result(f"{prompt_id:<{width}} {mark} {prompt.changed}  {prompt.why or prompt.purpose}")
    say_result("\n* the newest version, which drafting uses")


@prompt_app.command()
def show(
    prompt: Id,
    item: Annotated[
        str,
        typer.Option(metavar="SUBJECT", help="Show the exact request that it makes of this subject's item."),
    ] = "",
) -> None:
    """Show a prompt's text, or the exact request that it sends for an item, with its hash.

    Nobody is asked. Pictures are shown by their hash.
    """
    from flows.prompt_trials import find_case, find_prompt, request_of
    from flows.settings import load_settings
    from flows.terminal import say_result

    found = find_prompt(prompt)
    if not item:
        say_result(f"{found.prompt_id}  sha256 {found.sha256}")
        say_result(f"purpose    {found.purpose}\nschema     {found.schema_name}")
        say_result(
            f"variables  {', '.join(sorted(found.variables))}\nchanged    {found.changed}  {found.why}\n"
        )
        say_result(found.text)
        return
    settings = load_settings()
    _show_request(settings, request_of(settings, found, find_case(settings, item)))


@prompt_app.command()
def diff(
    first: Id,
    second: Id,
    items: Annotated[int, typer.Option(min=0, help="Compare the answers on at most so many items.")] = 10,
) -> None:
    """Show how two prompts differ: line by line, and in their answers to the same items.

    Answers are compared where drafts with both are there, on items that are always the same; nobody is asked.
    """
    from flows.prompt_trials import find_prompt
    from flows.prompt_versions import compare, text_difference
    from flows.settings import load_settings
    from flows.terminal import say_result

    before, after = find_prompt(first), find_prompt(second)
    lines = text_difference(before, after)
    say_result("\n".join(lines) if lines else "the texts are the same")
    if items:
        _show_comparison(before, after, compare(load_settings(), before, after, items))


@prompt_app.command("try")
def try_one(
    prompt: Id,
    item: Annotated[str, typer.Option(metavar="SUBJECT", help="The subject whose item it is tried on.")],
    budget: Annotated[
        str | None, typer.Option(metavar="USD", help="Ask nothing that takes the project over this in all.")
    ] = None,
    price: Annotated[
        str | None, typer.Option(metavar="IN,OUT", help="What the model costs, as for `mmke draft`.")
    ] = None,
) -> None:
    """Ask the model once with a prompt, often a draft of one, and show what comes of it.

    The steps before and after it keep the answers that they have. The raw answer is kept, so that the same
    try costs nothing again; no item changes.
    """
    from flows.prompt_trials import find_case, find_prompt
    from flows.settings import load_settings

    settings, found = load_settings(), find_prompt(prompt)
    case = find_case(settings, item)
    _show_trial(asyncio.run(_asked(settings, found, case, _dollars(budget), price)))


async def _asked(
    settings: Settings, prompt: Prompt, case: Case, budget: Decimal | None, price: str | None
) -> Trial:
    from flows.drafting.money import Caps
    from flows.prompt_trials import try_prompt
    from flows.wiring import writer

    caps = Caps(budget=budget, price=price)
    async with writer(settings, caps.budget_for(settings)) as who:
        return await try_prompt(settings, prompt, case, who.model)


def _dollars(text: str | None) -> Decimal | None:
    try:
        amount = Decimal(text) if text is not None else None
    except InvalidOperation:
        amount = Decimal("NaN")
    if amount is not None and not (amount.is_finite() and amount >= 0):
        raise typer.BadParameter("give an amount of US dollars, such as 0.50", param_hint="--budget")
    return amount


def _show_request(settings: Settings, request: LlmRequest) -> None:
    from flows.terminal import say_result
    from flows.wiring import artefacts
    from warehouse.artefacts import Responses

    responses = Responses(artefacts(settings))
    say_result(f"request    sha256 {request.request_sha256}")
    note = responses.note(request.request_sha256)
    kept = f"yes, on {note.at}, answer {note.answer}" if note is not None else "no"
    say_result(f"answered   {kept}")
    say_result(f"prompt     {request.prompt_id}  sha256 {request.prompt_sha256}")
    say_result(f"model      {request.model}  {json.dumps(request.parameters, sort_keys=True)}")
    say_result(f"draw       {request.draw}")
    for message in request.messages:
        say_result(f"\n--- {message.role}\n{message.text}")
        for image in message.images:
            say_result(f"[picture   sha256 {image.sha256}, {len(image.data)} bytes of JPEG]")
    say_result(f"\n--- answers fit the schema {request.schema_name}")
    say_result(json.dumps(request.schema, indent=1, sort_keys=True))


def _show_comparison(first: Prompt, second: Prompt, found: Comparison) -> None:
    from flows.terminal import say_result, show_table

    names = [first.prompt_id, second.prompt_id]
    if not found.subjects:
        say_result(
            f"\nno item was drafted with both: `mmke draft --redo-from {first.prompt_id}` makes drafts"
        )
        return
    say_result(f"\nAnswers to the same {len(found.subjects)} items")
    for subject in found.subjects:
        answers = [_fields(version.answers[subject]) for version in (found.first, found.second)]
        say_result(f"\n{subject}")
        for name in dict.fromkeys([*answers[0], *answers[1]]):
            for version, fields in zip(names, answers, strict=True):
                say_result(f"  {name:<24} {version.rpartition('.')[2]:<4} {fields.get(name, '-')}")
    say_result("")
    one, two = found.items
    rates = [
        [check, f"{left} of {one}", f"{right} of {two}"]
        for check, left, right in found.passed
        if (left, right) != (one, two) or check == found.passed[-1][0]
    ]
    show_table("Drafts that passed", ["check", *names], rates)


def _show_trial(trial: Trial) -> None:
    from flows.terminal import say_result

    say_result(_as_lines(trial.answer) if trial.answer else "no answer")
    for call in trial.calls:
        what = "repair" if call.is_repair else "question"
        cost = f"{call.cost} USD" if call.cost is not None else "no price"
        took = f"{call.seconds:.1f} s" if call.seconds is not None else "kept before"
        tokens = f"{call.usage.input_tokens} + {call.usage.output_tokens} tokens"
        say_result(f"\n{what:<10} {call.outcome.value}  {tokens}  {cost}  {took}  {call.detail}")
        say_result(f"request    sha256 {call.request_sha256}")
    if trial.failed is not None:
        say_result(f"turned down: {trial.failed.reason.value}, {trial.failed.detail}")
    elif trial.findings is None:
        say_result("checks     not made: the kept answers to the later steps do not fit this one")
    elif not trial.findings:
        say_result("checks     passed, as far as they concern this step")
    else:
        for finding in trial.findings:
            where = f"{finding.probe_id}: " if finding.probe_id else ""
            say_result(
                f"{finding.check:<10} {finding.reason.value}  {where}{finding.detail} '{finding.span}'"
            )


def _as_lines(answer: str) -> str:
    """Return an answer with a line for each of its fields, as it came where it is no JSON."""
    return "\n".join(f"{name:<24} {value}".rstrip() for name, value in _fields(answer).items())


def _fields(answer: str) -> dict[str, str]:
    """Return the fields of an answer, each as one text; the whole answer where it is no one JSON object."""
    from curation.drafting.steps.answers import json_objects

    found = json_objects(answer)
    if len(found) != 1:
        return {"answer": answer}
    values = json.loads(found[0])
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
    }
