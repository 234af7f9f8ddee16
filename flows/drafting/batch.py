"""What the draft stage needs of batches: collect what is ready, make a pass, submit what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from curation.drafting.batches.records import BatchTally
from curation.errors import LimitReachedError

if TYPE_CHECKING:
    from curation.drafting.batches.run import Batches
    from curation.drafting.endpoint.openai_model import OpenAIModel
    from curation.drafting.llm import Endpoint, LanguageModel
    from curation.drafting.money.budget import Budget
    from curation.drafting.money.prices import Prices
    from warehouse.artefacts import Responses

FOLDER = "batches"
FIRST_SECONDS, LAST_SECONDS = 5.0, 120.0
"""Between two looks at batches under way; each in vain makes the next one half as much later."""
LONGEST_SECONDS = 3600.0
"""However long the endpoint asks us to stay away."""


@asynccontextmanager
async def open_batches(
    home: Path,
    address: tuple[str | None, str],
    model: OpenAIModel,
    store: Responses,
    prices: Prices | None = None,
) -> AsyncIterator[Batches]:
    """Yield the batches of a project, held for this process alone.

    address: base URL (None for OpenAI's own) and key of the endpoint that model asks, too: it spells the
    requests, so that a batch asks for the same as an online call.
    """
    from curation.drafting.batches.endpoint import BatchEndpoint
    from curation.drafting.batches.model import Wire
    from curation.drafting.batches.run import Batches
    from curation.drafting.endpoint.openai_wire import PATHS

    endpoint = BatchEndpoint(*address)
    wire = Wire(f"/v1{PATHS[model.api]}", model.body)
    batches = Batches(home / FOLDER, endpoint, store, wire, prices=prices)
    try:
        with batches.locked():
            yield batches
    finally:
        await endpoint.aclose()


def beside_batches(home: Path, model: LanguageModel, store: Responses) -> LanguageModel:
    """Return an online model that leaves alone what a batch under way is going to answer."""
    from curation.drafting.batches.model import AfterBatches

    return AfterBatches(model, store, home / FOLDER)


async def submit_and_collect(
    batches: Batches,
    one_pass: Callable[[LanguageModel], Awaitable[None]],
    *,
    wait: bool,
    show: Callable[[str], None],
    budget: Callable[[], Budget | None] = lambda: None,
    endpoint: Endpoint | None = None,
) -> BatchTally:
    """Fetch the answers of known batches, make a pass, submit what it wanted; return where all stands.

    one_pass(model): drafts every pending item, as in a run without batches; a question that has no answer yet
    raises WaitingError (a TransientError), so that its item stays pending. Items move on by one question a
    pass. wait: until nothing is under way, else one pass. show: is told one line for each thing that happens.
    budget: makes one at batch prices, of all that the project has spent or may have spent by then; called
    before every pass. endpoint: recovers lost online answers. Interrupted or killed at any moment, it goes on
    where it was when called again. Raises LimitReachedError at the end when the budget kept questions back.
    """
    delay, passed = FIRST_SECONDS, False
    while True:
        over = await batches.collect(show, lambda tokens: _affords(budget(), tokens))
        if over or not passed:
            model = batches.model(budget(), endpoint)
            await one_pass(model)
            await batches.submit(model, show)
            delay, passed = FIRST_SECONDS, True
        if not wait or not batches.under_way:
            break
        await asyncio.sleep(max(delay, min(batches.pause_seconds, LONGEST_SECONDS)))
        delay = min(delay * 1.5, LAST_SECONDS)
    tally = batches.tally()
    show(tally.sentence())
    if tally.held:
        raise LimitReachedError(
            f"the budget keeps {tally.held} questions back; go on with a larger --budget (answers are kept)"
        )
    return tally


def _affords(budget: Budget | None, tokens: int) -> bool:
    """Tell whether all that was or may have been spent is within the caps; tokens: of batches under way."""
    if budget is None:
        return True
    money = budget.money
    dear = money.cap is not None and money.spent > money.cap
    return not dear and (money.max_tokens is None or money.tokens + tokens <= money.max_tokens)
