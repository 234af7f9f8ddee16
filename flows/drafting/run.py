"""Drafts many items at a time in one event loop; what came of them is saved in batches as it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field

from curation.drafting.batches.records import WaitingError
from curation.drafting.calls import DraftCall
from curation.drafting.casting import Casting
from curation.drafting.checks.finding import Finding
from curation.drafting.draft import Sources, StepFailed, draft_item
from curation.drafting.endpoint.pacing import RunStoppedError
from curation.drafting.llm import LanguageModel, LlmRequest, LlmResponse
from curation.drafting.repair import KeptDraft, Redraft, is_worth_another, redrafts_after
from curation.drafting.steps.asking import Asking, DraftSettings
from curation.errors import ForgeError, TransientError
from curation.records import KnowledgeItem, Outcome, Record
from flows.drafting.again import STAGE
from flows.drafting.plan import Task
from flows.ledger import Ledger
from warehouse.store import Event, outcome_event, record_event

SAVE_SECONDS = 1.0
WAITING_TO_BE_SAVED = 512

Examine = Callable[[KnowledgeItem, Asking], Awaitable[tuple[Sequence[Finding], Sequence[tuple[str, Record]]]]]


@dataclass(frozen=True)
class Means:
    """What items are drafted with.

    compose: the casting of a task, with its composite picture; reads and writes files. examine: what models
    find wrong with an item that passes the checks, and records to keep of it (key, record); None for nothing.
    redrafts: how often a draft that was turned down is made again in a run. draws: the most drafts of an item
    over all runs. at_once: items in flight.
    """

    settings: DraftSettings
    sources: Sources
    compose: Callable[[Task], Casting]
    examine: Examine | None
    redrafts: int
    draws: int
    at_once: int


@dataclass
class Tally:
    """Where a run stands, in items; in = kept + rejected + pending. redrafts: drafts beyond the first."""

    total: int
    kept: int = 0
    rejected: int = 0
    pending: int = 0
    redrafts: int = 0
    left_as_before: int = 0

    @property
    def done(self) -> int:
        """Return how many items are settled."""
        return self.kept + self.rejected


@dataclass
class _Ended:
    """What came of a task. pending: why it is not settled, None when it is."""

    task: Task
    drafts: list[KeptDraft] = field(default_factory=list)
    calls: list[DraftCall] = field(default_factory=list)
    opinions: list[tuple[str, Record]] = field(default_factory=list)
    pending: str | None = None


class _Gate:
    """Lets no question pass once it is closed; those under way come to their end."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.closed: ForgeError | None = None

    async def complete(self, request: LlmRequest) -> LlmResponse:
        if self.closed is not None:
            raise copy(self.closed)  # one error raised many times would gather all their tracebacks
        return await self._model.complete(request)


class DraftRun:
    """One pass over tasks with one model; left holds the tasks that are pending after it."""

    def __init__(self, tasks: Sequence[Task], means: Means, model: LanguageModel, ledger: Ledger) -> None:
        """Prepare a pass."""
        self._todo = deque(tasks)
        self._means = means
        self._gate = _Gate(model)
        self._ledger = ledger
        self._ends: asyncio.Queue[_Ended] = asyncio.Queue(WAITING_TO_BE_SAVED)
        self._over = asyncio.Event()
        self.tally = Tally(len(tasks))
        self.left: list[Task] = []
        self.ended_by: ForgeError | None = None

    def stop(self, error: ForgeError) -> None:
        """Ask nothing more; what is under way comes to its end and is kept."""
        self.ended_by = self.ended_by or error
        self._gate.closed = self._gate.closed or error

    async def run(self) -> None:
        """Draft every task, and save what comes of it; an error that nobody expected is raised at the end."""
        workers = [
            asyncio.create_task(self._work()) for _ in range(min(self._means.at_once, len(self._todo)))
        ]
        saver = asyncio.create_task(self._save())
        try:
            ends = await asyncio.gather(*workers, return_exceptions=True)
            self._over.set()
            await saver
        finally:
            for one in (*workers, saver):
                one.cancel()
        self.left.extend(self._todo)
        self.tally.pending = len(self.left)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _work(self) -> None:
        while self._todo and self._gate.closed is None:
            task = self._todo.popleft()
            ended = _Ended(task)
            try:
                await self._draft(ended)
            except WaitingError as error:  # nothing went wrong: the question goes into a batch
                ended.pending = str(error)
                ended.calls = [call for call in ended.calls if call.response_sha256]
            except TransientError as error:
                ended.pending = str(error)
            except ForgeError as error:
                self.stop(error)
                ended.pending = str(error)
            except Exception:
                self.stop(RunStoppedError("an error that nobody expected"))
                raise
            self._count(ended)
            await self._ends.put(ended)

    async def _draft(self, ended: _Ended) -> None:
        """Draft a task's item, again with the reason where it is turned down."""
        means, task = self._means, ended.task
        asking = Asking(self._gate, means.settings, record=ended.calls.append)
        casting = await asyncio.to_thread(means.compose, task)
        redrafts = task.redrafts
        for _ in range(1 + means.redrafts):
            draft = await self._one(ended, casting, asking, redrafts)
            ended.drafts.append(draft)
            if not is_worth_another(draft) or draft.draw + 1 >= means.draws:
                return
            redrafts = redrafts_after(draft, draft.draw + 1)

    async def _one(
        self, ended: _Ended, casting: Casting, asking: Asking, redrafts: tuple[Redraft, ...]
    ) -> KeptDraft:
        means, subject = self._means, ended.task.subject
        made = await draft_item(subject, casting, means.sources, asking, redrafts)
        about = {
            "item_id": f"item-{subject.subject_id}",
            "subject_id": subject.subject_id,
            "edit_type": subject.edit_type,
            "category": subject.category,
            "draw": redrafts[-1].draw if redrafts else 0,
            "redrafts": redrafts,
            "inputs_sha256": ended.task.inputs,
        }
        if isinstance(made, StepFailed):
            why = {"reason": made.rejected.reason, "detail": made.rejected.detail, "step": made.step}
            return KeptDraft.model_validate(about | why | {"item": None, "provenance": made.provenance})
        findings = made.findings
        if not findings and means.examine is not None:
            found, opinions = await means.examine(made.item, asking)
            findings = tuple(found)
            ended.opinions.extend(opinions)
        first = findings[0] if findings else None
        return KeptDraft.model_validate(
            about
            | {
                "item": made.item,
                "findings": findings,
                "reason": first.reason if first else None,
                "detail": first.detail if first else "",
                "provenance": made.item.provenance,
            }
        )

    def _count(self, ended: _Ended) -> None:
        tally = self.tally
        tally.redrafts += max(0, len(ended.drafts) - 1)
        if ended.pending is not None:
            self.left.append(ended.task)
            tally.pending += 1
        elif ended.drafts[-1].reason is None:
            tally.kept += 1
        else:
            tally.rejected += 1
            tally.left_as_before += ended.task.stands is Outcome.KEPT

    async def _save(self) -> None:
        """Save what has come to its end, now and then, until all has."""
        while not (self._over.is_set() and self._ends.empty()):
            with suppress(TimeoutError):
                async with asyncio.timeout(SAVE_SECONDS):
                    await self._over.wait()
            part = [self._ends.get_nowait() for _ in range(self._ends.qsize())]
            events = [event for ended in part for event in _events(ended)]
            if events:
                await self._ledger.append(events)


def _events(ended: _Ended) -> list[Event]:
    """Return what is written down of a task: every question, and all else once it is settled."""
    task = ended.task
    events = [record_event("draft_call", call.request_sha256, call) for call in ended.calls]
    if ended.pending is not None:
        if task.stands is None:
            events.append(subject_outcome(task, Outcome.PENDING, detail=ended.pending))
        return events
    events += [record_event("draft", draft.key, draft) for draft in ended.drafts]
    events += [record_event("judgement", key, record) for key, record in ended.opinions]
    last = ended.drafts[-1]
    if last.item is not None and last.reason is None:
        events.append(record_event("item", last.item_id, last.item))
        events.append(subject_outcome(task, Outcome.KEPT))
    elif task.stands is not Outcome.KEPT:
        events.append(subject_outcome(task, Outcome.REJECTED, last))
    return events


def subject_outcome(task: Task, state: Outcome, draft: KeptDraft | None = None, detail: str = "") -> Event:
    """Return the event that says where a subject stands in the draft stage."""
    return outcome_event(
        STAGE,
        task.subject.subject_id,
        state,
        unit="subjects",
        category=task.subject.category,
        reason=draft.reason if draft else None,
        detail=draft.detail if draft else detail,
        inputs=None if state is Outcome.PENDING else task.inputs,
    )
