"""The draft stage: a language model writes knowledge and questions; what fails a check is drafted again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from prefect import flow

from curation.drafting.casting import Casting, compose
from curation.errors import ForgeError, LimitReachedError
from curation.records import KnowledgeItem, Outcome, StageCount
from flows.drafting.again import STAGE
from flows.drafting.examine import examiner
from flows.drafting.money import Caps, agreed
from flows.drafting.passes import Passes
from flows.drafting.plan import DraftScope, Plan, Task, make_plan, newer_prompts
from flows.drafting.run import Means, subject_outcome
from flows.settings import Settings
from flows.stopping import ending_early
from flows.terminal import say, show_counts
from flows.wiring import artefacts, sources_of, writer
from warehouse.store import Store, held, open_store, outcome_event

AT_ONCE = 2
"""Items in flight for each request in flight: enough that the endpoint never waits for us."""

ROWS_TOLD = 10
"""So many unsound rows of the user's own files are told one by one."""


@flow(name="draft", validate_parameters=False)
def draft(
    settings: Settings,
    scope: DraftScope | None = None,
    caps: Caps | None = None,
    agree: Callable[[str], bool] | None = None,
) -> list[StageCount]:
    """Draft one item a subject; what is settled is left alone, and no answer is paid for twice.

    scope: a part of it, or what is to be drafted again. caps: on what may be spent. agree: is shown what the
    run costs before anything is asked, where a price is not zero; None for a run that may cost nothing.
    SIGINT and SIGTERM end it early with what is under way kept, by SystemExit with 128 and the signal's
    number. Raises LimitReachedError when a cap is reached, RunStoppedError when the endpoint does not answer
    any more, PrerequisiteError when it cannot be used or the run is not agreed to.
    """
    scope, caps, ended_by = scope or DraftScope(), caps or Caps(), list[int]()
    end: ForgeError | None = None
    with held(settings.home, "draft", f"drafting in {settings.home}", 0.0):
        with open_store(settings.home) as store:
            plan = make_plan(store, settings, scope)
            _enter(store, plan, scope)
            plan.told += newer_prompts(store, settings)
        if plan.tasks:
            agreed(settings, plan, caps, agree)
            end = _drafted_all(settings, plan, caps, ended_by)
    for line in plan.told:
        say(f"  {line}")
    with open_store(settings.home) as store:
        counts = [store.count(STAGE)]
    if ended_by:
        say(f"stopped: {counts[0].kept} items are kept, {counts[0].pending} pending; run it again")
        raise SystemExit(128 + ended_by[0])
    if end is not None:
        show_counts(counts)
        raise end
    return counts


def drafted(store: Store) -> list[KnowledgeItem]:
    """Return the items that the draft stage keeps at present, in id order."""
    states = store.outcomes(STAGE)
    items = [KnowledgeItem.model_validate(value) for value in store.payloads("item").values()]
    return [item for item in items if states.get(item.subject_id) == Outcome.KEPT]


def _enter(store: Store, plan: Plan, scope: DraftScope) -> None:
    """Write down what a run finds: subjects without the pictures for an item, and the pending ones."""
    pending = [subject_outcome(task, Outcome.PENDING) for task in plan.tasks if task.stands is None]
    uncast = [
        outcome_event(
            STAGE,
            subject.subject_id,
            Outcome.REJECTED,
            unit="subjects",
            category=subject.category,
            reason=why.reason,
            detail=why.detail,
            inputs=inputs,
        )
        for subject, why, inputs in plan.uncast
    ]
    store.append([*uncast, *pending])
    if scope.whole:
        store.forget(STAGE, plan.subjects)


def _drafted_all(settings: Settings, plan: Plan, caps: Caps, ended_by: list[int]) -> ForgeError | None:
    """Draft the tasks of a plan; return the error that ended it early."""
    say(f"  {plan.summary}")
    try:
        return asyncio.run(_draft_all(settings, plan, caps, ended_by))
    except asyncio.CancelledError:
        if not ended_by:
            raise
        return None


async def _draft_all(settings: Settings, plan: Plan, caps: Caps, ended_by: list[int]) -> ForgeError | None:
    sources, out = await sources_of(settings, plan.subjects)
    plan.told += [f"left out: {one.key}: {one.reason}: {one.detail}" for one in out[:ROWS_TOLD]]
    plan.told += [f"{len(out) - ROWS_TOLD} more rows are left out"] if len(out) > ROWS_TOLD else []
    kept = artefacts(settings)

    def casting_of(task: Task) -> Casting:
        return compose(task.subject, task.roles, kept.get, kept.put)

    async with writer(settings, caps.budget_for(settings)) as who:
        means = Means(
            settings=who.settings,
            sources=sources,
            compose=casting_of,
            examine=examiner(settings.draft) if who.settings.is_llm else None,
            redrafts=settings.draft.redrafts,
            draws=settings.draft.draws,
            at_once=AT_ONCE * settings.llm.in_flight,
        )
        passes = Passes(settings, plan, means, who)
        work = passes.in_batches(caps) if caps.in_batch else passes.online()
        with ending_early(passes.stop, ended_by):
            try:
                await work
            except LimitReachedError as error:
                passes.ended_by = error
    plan.told += passes.lines()
    return _with_the_way_on(passes.ended_by)


def _with_the_way_on(error: ForgeError | None) -> ForgeError | None:
    """Return the error that ended a run; where a cap did, with the command that goes on."""
    if not isinstance(error, LimitReachedError):
        return error
    return LimitReachedError(f"{error}; what is not drafted is pending: mmke draft --budget MORE goes on")
