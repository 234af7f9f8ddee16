"""What the draft stage needs of batches: collect what is ready, make a pass, submit what it wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from curation.drafting.batch_records import BatchTally

if TYPE_CHECKING:
    from curation.drafting.batches import Batches
    from curation.drafting.llm import LanguageModel

Pass = Callable[["LanguageModel"], Awaitable[None]]


async def submit_and_collect(
    batches: Batches, one_pass: Pass, *, wait: bool, show: Callable[[str], None]
) -> BatchTally:
    """Fetch the answers of known batches, make a pass, and submit what it wanted; return where all stands.

    one_pass(model): drafts every pending item with the model, as in a run without batches; a question whose
    answer is not there yet raises Waiting (a TransientError), so that its item stays pending. wait: go on
    until nothing is under way, else once. show: is told one line for each thing that happens.
    """
    raise NotImplementedError
