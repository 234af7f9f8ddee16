"""What a drafting run may cost: its prices and caps, the estimate before it, and what was spent so far."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from curation.drafting.batches.folder import waiting_in
from curation.drafting.casting import without_composite
from curation.drafting.draft import Sources, draft_item
from curation.drafting.llm import LlmRequest, LlmResponse
from curation.drafting.money.budget import Budget, Spent
from curation.drafting.money.estimate import (
    JUDGE_QUESTIONS,
    PICTURE_QUESTIONS,
    Estimate,
    KeptAnswers,
    NotKeptError,
    confirm_text,
    estimate,
    step_statistics,
    steps_of,
    still_to_ask,
)
from curation.drafting.money.prices import Prices, load_prices
from curation.drafting.money.spending import Spending, spending
from curation.drafting.repair import Step
from curation.drafting.steps.asking import Asking
from curation.errors import PrerequisiteError
from flows.drafting.batch import FOLDER
from flows.drafting.plan import DraftScope, Plan, Task, make_plan, newer_prompts
from flows.settings import Settings
from flows.wiring import artefacts, sources_of, writer_of
from warehouse.artefacts import Responses
from warehouse.store import open_store

Agree = Callable[[str], bool]
DEFAULT_OUTPUT_TOKENS = 8_000


@dataclass(frozen=True)
class Caps:
    """What a project may spend in all before a run stops: US dollars and tokens, None for no cap.

    price: IN,OUT in US dollars per million tokens, None for the price table's. in_batch: asked in batches,
    at their prices. waits: until no batch is under way any more.
    """

    budget: Decimal | None = None
    max_tokens: int | None = None
    price: str | None = None
    in_batch: bool = False
    waits: bool = False

    def prices(self, settings: Settings) -> Prices:
        """Return the prices of a run. Raises PrerequisiteError where they are not sound."""
        # What is drafted by an endpoint of our own is free, whatever the table says.
        given = self.price if writer_of(settings).drafter == "llm" else "0,0"
        return load_prices(given, settings.draft.prices)

    def budget_for(self, settings: Settings) -> Budget:
        """Return the budget of a run, which begins with all that was spent before."""
        spent: Spent = spent_so_far(settings).spent
        return Budget(self.prices(settings), self.budget, self.max_tokens, spent, in_batch=self.in_batch)


def spent_so_far(settings: Settings) -> Spending:
    """Return what the project has spent on answers."""
    return spending(Responses(artefacts(settings)).all(), waiting_in(settings.home / FOLDER))


def agreed(settings: Settings, plan: Plan, caps: Caps, agree: Agree | None) -> None:
    """See that a run which costs something is agreed to; agree is shown the estimate.

    Raises PrerequisiteError when it is not, and when nobody told the price of a model that is asked.
    """
    prices, judge = caps.prices(settings), judge_of(settings)
    if all(prices.is_free(model) for model in (writer_of(settings).model, judge) if model):
        return
    if agree is None:
        message = "drafting would cost money: run `mmke draft` first, which shows how much and asks"
        raise PrerequisiteError(message)
    if not agree(cost_text(settings, plan, caps)):
        raise PrerequisiteError("nothing was asked: agree to the cost, or say --yes")


def plan_lines(settings: Settings, scope: DraftScope, caps: Caps) -> list[str]:
    """Return what a run would draft and what that would cost; nothing is asked or written down."""
    with open_store(settings.home) as store:
        plan = make_plan(store, settings, scope)
        told = [*plan.told, *newer_prompts(store, settings)]
    return [plan.summary, *cost_text(settings, plan, caps).splitlines(), *told]


def judge_of(settings: Settings) -> str:
    """Return the name of the model that judges drafts, '' for none; nobody judges what rules write."""
    return settings.draft.judge_model if writer_of(settings).is_llm else ""


def cost_text(settings: Settings, plan: Plan, caps: Caps) -> str:
    """Return what a person is told of the cost of a plan; no question is put to anybody."""
    writer, responses, judge = writer_of(settings), Responses(artefacts(settings)), judge_of(settings)
    entries = list(responses.all())
    kept = KeptAnswers(responses)
    any_kept = any(note for _, note, _ in entries)
    questions = asyncio.run(_questions(plan, settings, kept, any_kept=any_kept))
    if writer.is_llm and settings.draft.text_only_tries:
        questions["try_without_image"] = len(plan.tasks) * PICTURE_QUESTIONS * settings.draft.text_only_tries
    spent = spending(entries).spent.cost

    def cost(model: str, asked: Counter[str], found: int) -> Estimate:
        return estimate(
            asked,
            found,
            model=model,
            prices=caps.prices(settings),
            statistics=step_statistics((note for _, note, _ in entries if note), model),
            in_flight=settings.llm.in_flight,
            max_output_tokens=settings.llm.max_output_tokens or DEFAULT_OUTPUT_TOKENS,
            drafts=1 + settings.draft.redrafts,
            today=datetime.now(UTC).date(),
            spent=spent,
            cap=caps.budget,
            in_batch=caps.in_batch,
        )

    judged = Counter({step: count * len(plan.tasks) for step, count in Counter(JUDGE_QUESTIONS).items()})
    return confirm_text(
        cost(writer.model, questions, kept.kept), cost(judge, judged, 0) if judge and plan.tasks else None
    )


class _BeforeComposites:
    """Answers from what is kept, up to the questions; what comes after them needs composite pictures."""

    def __init__(self, kept: KeptAnswers) -> None:
        self._kept = kept

    async def complete(self, request: LlmRequest) -> LlmResponse:
        answer = await self._kept.complete(request)
        if request.prompt_id.startswith(Step.QUESTIONS):
            raise NotKeptError(Step.PORTABILITY)
        return answer


async def _questions(plan: Plan, settings: Settings, kept: KeptAnswers, *, any_kept: bool) -> Counter[str]:
    """Count the questions of a plan by step, as far as they can be known before the answers."""
    asking = Asking(_BeforeComposites(kept), writer_of(settings))
    sources, _ = await sources_of(settings, plan.subjects)
    questions: Counter[str] = Counter()
    for task in plan.tasks:
        kind = task.subject.edit_type
        first = await _first_unkept(task, sources, asking) if any_kept else steps_of(kind)[0]
        questions.update(still_to_ask(kind, first) if first else ())
    return questions


async def _first_unkept(task: Task, sources: Sources, asking: Asking) -> str:
    """Return the first step of a task that is still to be asked, '' when none is."""
    casting = without_composite(task.subject, task.roles)
    try:
        await draft_item(task.subject, casting, sources, asking, task.redrafts)
    except NotKeptError as error:
        return next(step for step in steps_of(task.subject.edit_type) if step.startswith(error.step))
    return ""
