"""Makes the passes of a drafting run: one that asks online, or as many as batches have answers for."""

from __future__ import annotations

import asyncio

from curation.drafting.endpoint.pacing import RunStoppedError
from curation.drafting.llm import LanguageModel
from curation.errors import ForgeError
from flows.drafting.batch import beside_batches, open_batches, submit_and_collect
from flows.drafting.line import Line
from flows.drafting.money import Caps
from flows.drafting.plan import Plan
from flows.drafting.run import DraftRun, Means
from flows.ledger import Ledger
from flows.paces import showing
from flows.settings import Settings
from flows.terminal import say
from flows.wiring import Writer, artefacts
from warehouse.artefacts import Responses


class Passes:
    """The passes of one run over the tasks of its plan; ended_by: the error that ended it early."""

    def __init__(self, settings: Settings, plan: Plan, means: Means, who: Writer) -> None:
        """Prepare them."""
        self._settings, self._plan, self._means, self._who = settings, plan, means, who
        self._ledger = Ledger(settings.home)
        self._left = list(plan.tasks)
        self._run: DraftRun | None = None
        self._waits: asyncio.Task[object] | None = None
        self._redrafts = self._as_before = 0
        self.ended_by: ForgeError | None = None

    async def online(self) -> None:
        """Draft all tasks in one pass."""
        store = Responses(artefacts(self._settings))
        await self._pass(beside_batches(self._settings.home, self._who.model, store))

    async def in_batches(self, caps: Caps) -> None:
        """Fetch what batches have answered, draft as far as that goes, and submit what is to be asked next.

        caps.waits: until no batch is under way any more.
        """
        self._waits = asyncio.current_task()
        who, prices = self._who, caps.prices(self._settings)
        store = Responses(artefacts(self._settings))
        async with open_batches(self._settings.home, who.address, who.endpoint, store, prices) as batches:
            await submit_and_collect(
                batches,
                self._pass,
                wait=caps.waits,
                show=lambda line: say(f"  {line}"),
                budget=lambda: caps.budget_for(self._settings),
                endpoint=who.paced,
            )

    def stop(self) -> None:
        """Ask nothing more. What is asked online comes to its end; batches go on without us."""
        stopped = RunStoppedError("stopped")
        if self._run is not None:
            self._run.stop(stopped)
        self._who.paced.stop(stopped)
        if self._waits is not None:
            self._waits.cancel()

    async def _pass(self, model: LanguageModel) -> None:
        self._run = run = DraftRun(self._left, self._means, model, self._ledger)
        async with showing(Line(run.tally, self._who).text):
            await run.run()
        self._left = run.left
        self._redrafts += run.tally.redrafts
        self._as_before += run.tally.left_as_before
        self.ended_by = self.ended_by or run.ended_by

    def lines(self) -> list[str]:
        """Return what there is to tell at the end."""
        lines = []
        if self._redrafts:
            lines.append(f"{self._redrafts} drafts were made again, told what was wrong")
        if self._as_before:
            lines.append(f"{self._as_before} new drafts were turned down; the items of before stay")
        return lines
