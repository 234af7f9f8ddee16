"""What the draft stage needs of batches: collect what is ready, make a pass, submit what it wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from curation.drafting.batch_records import BatchTally

if TYPE_CHECKING:
    from curation.drafting.batches import Batches
    from curation.drafting.budget import Budget
    from curation.drafting.llm import Endpoint, LanguageModel

FIRST_SECONDS, LAST_SECONDS = 5.0, 120.0
"""Between two looks at batches under way; each in vain makes the next one half as much later."""


async def submit_and_collect(
    batches: Batches,
    one_pass: Callable[[LanguageModel], Awaitable[None]],
    *,
    wait: bool,
    show: Callable[[str], None],
    budget: Callable[[], Budget | None] = lambda: None,
    endpoint: Endpoint | None = None,
    first_seconds: float = FIRST_SECONDS,
) -> BatchTally:
    """Fetch the answers of known batches, make a pass, submit what it wanted; return where all stands.

    Call inside `with batches.locked()`. one_pass(model): drafts every pending item, as in a run without
    batches; a question that has no answer yet raises WaitingError (a TransientError), so that its item stays
    pending. Items move on by one question a pass. wait: until nothing is under way, else one pass. show: is
    told one line for each thing that happens. budget: makes one at batch prices, of all that the project has
    spent or may have spent by then; called before every pass. endpoint: recovers lost online answers.
    Interrupted or killed at any moment, it goes on where it was when called again.
    """
    delay, passed = first_seconds, False
    while True:
        over = await batches.collect(show, lambda: _affords(budget()))
        if over or not passed:
            model = batches.model(budget(), endpoint)
            await one_pass(model)
            await batches.submit(model, show)
            delay, passed = first_seconds, True
        if not wait or not batches.under_way:
            break
        await asyncio.sleep(delay)
        delay = min(delay * 1.5, LAST_SECONDS)
    tally = batches.tally()
    show(tally.sentence())
    return tally


def _affords(budget: Budget | None) -> bool:
    """Tell whether all that was or may have been spent is within the caps."""
    if budget is None:
        return True
    money = budget.money
    dear = money.cap is not None and money.spent > money.cap
    return not dear and (money.max_tokens is None or money.tokens <= money.max_tokens)
