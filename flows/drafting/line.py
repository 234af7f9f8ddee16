"""Says in one line how far a drafting run is, how fast it goes and what it has spent."""

from __future__ import annotations

import time
from decimal import Decimal

from curation.drafting.money.budget import Money
from curation.drafting.money.spending import live_line
from flows.drafting.run import Tally
from flows.wiring import Writer

_NO_MONEY = Money(Decimal(0), Decimal(0), None, 0, 0, None)


class Line:
    """The line of progress of a run."""

    def __init__(self, tally: Tally, who: Writer) -> None:
        """Begin to count the time."""
        self._tally, self._who, self._began = tally, who, time.monotonic()

    def text(self) -> str:
        """Return the line for this moment; call inside the event loop."""
        tally, pace = self._tally, self._who.paced.now
        parts = [
            f"{tally.done}/{tally.total} items, {tally.kept} kept, {tally.rejected} rejected",
            f"{pace.per_second:.1f} answers/s",
            f"{pace.in_flight} of {pace.limit} in flight",
        ]
        if pace.retries:
            parts.append(f"{pace.retries} retries")
        if pace.paused_seconds:
            parts.append(f"paused for {pace.paused_seconds:.0f} s, as the endpoint asks")
        money = self._who.budget.money if self._who.budget else _NO_MONEY
        told = live_line(money, tally.done, tally.total, time.monotonic() - self._began)
        return "draft: " + "; ".join([*parts, told] if told else parts)
