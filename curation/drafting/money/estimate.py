"""Estimates before a run what its questions will cost: from kept answers, else from documented counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from curation.drafting.llm import AnswerNote, LlmRequest, LlmResponse, ResponseStore, read_response
from curation.drafting.money.budget import dollars
from curation.drafting.money.prices import Prices
from curation.drafting.money.spending import duration, step_of
from curation.errors import TransientError
from curation.records import EditType, Usage

DEFAULT_TOKENS = {
    "original_knowledge": (1_000, 800),
    "edited_knowledge": (1_500, 1_200),
    "questions": (1_300, 1_000),
    "portability": (1_800, 800),
    "locality": (1_800, 600),
    "try_without_image": (400, 400),
    "judge": (1_200, 600),
}
"""Tokens into and out of a question of each step, where no answer of the model is kept.

In: prompt, schema and source texts of some 1,000 characters at four bytes a token, and 500 for a picture
where one goes along. Out: 100 to 250 for the answer, the rest for what a model thinks before it.
"""

DEFAULT_SECONDS = 5.0
"""How long an answer takes, where no answer of the model is kept."""

BYTES_A_TOKEN = 4
"""English text; a budget holds a token for each byte, so at most so many times the tokens that come out."""

ASKED_TWICE = 2
"""An answer that does not fit its schema is asked for once more."""


PICTURE_QUESTIONS = 4
"""An item asks at most so many different things of its pictures."""

JUDGE_QUESTIONS = ("judge_edit", "judge_edit", "judge_questions", "judge_questions")
"""What a judge is asked of an item: each menu in both orders."""


class NotKeptError(TransientError):
    """No answer to this question is kept: it is still to be asked. step: the name of its prompt."""

    def __init__(self, step: str) -> None:
        """Remember the step."""
        super().__init__(f"no answer to a question of the step {step} is kept")
        self.step = step


class KeptAnswers:
    """A language model that asks nobody: it counts how many answers a run would find kept."""

    def __init__(self, store: ResponseStore) -> None:
        """Look into a store."""
        self._store = store
        self.kept = 0

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return a kept answer; NotKeptError with the step of the question when there is none."""
        data = self._store.get(request.request_sha256)
        if data is None:
            raise NotKeptError(step_of(request.prompt_id))
        self.kept += 1
        return read_response(data.decode("utf-8"))


def steps_of(edit_type: EditType) -> tuple[str, ...]:
    """Return the prompts that an item of an editing type is drafted with, in order."""
    port = f"portability_{edit_type}" if edit_type is EditType.VISUAL_ENTITY else "portability_composite"
    kinds = ("edited_knowledge", "questions")
    return ("original_knowledge", *(f"{kind}_{edit_type}" for kind in kinds), port, "locality")


def still_to_ask(edit_type: EditType, first: str) -> tuple[str, ...]:
    """Return the steps of an item from the first one without a kept answer on."""
    steps = steps_of(edit_type)
    return steps[steps.index(first) :] if first in steps else (first,)


@dataclass(frozen=True, slots=True)
class StepTokens:
    """What an answer of one step takes on the average, in tokens and seconds; answers: of so many."""

    input_tokens: float
    output_tokens: float
    seconds: float
    answers: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run is going to cost, in US dollars, tokens and seconds, beyond what was spent before.

    questions: by step, still to be asked. kept: answers that cost nothing because they are kept. worst: with
    every question asked as often and answered as long as may be. measured: questions whose step has kept
    answers of this model. price: where the model's price is from.
    """

    model: str
    questions: Mapping[str, int]
    kept: int
    expected: Decimal
    worst: Decimal
    input_tokens: int
    output_tokens: int
    seconds: float
    measured: int
    price: str
    spent: Decimal
    cap: Decimal | None
    in_batch: bool = False

    @property
    def asked(self) -> int:
        """Return how many questions are still to be asked."""
        return sum(self.questions.values())


def step_statistics(notes: Iterable[AnswerNote], model: str) -> dict[str, StepTokens]:
    """Return what the kept answers of a model took, by step."""
    found: defaultdict[str, list[AnswerNote]] = defaultdict(list)
    for note in notes:
        if note.model == model and note.usage != Usage():
            found[step_of(note.prompt_id)].append(note)
    return {step: _mean(rows) for step, rows in sorted(found.items())}


def _mean(rows: list[AnswerNote]) -> StepTokens:
    timed = [row.seconds for row in rows if row.seconds is not None]
    return StepTokens(
        sum(row.usage.input_tokens for row in rows) / len(rows),
        sum(row.usage.output_tokens for row in rows) / len(rows),
        sum(timed) / len(timed) if timed else DEFAULT_SECONDS,
        len(rows),
    )


def _default(step: str) -> StepTokens:
    known = (counts for name, counts in DEFAULT_TOKENS.items() if step.startswith(name))
    tokens_in, tokens_out = next(known, max(DEFAULT_TOKENS.values()))
    return StepTokens(tokens_in, tokens_out, DEFAULT_SECONDS, 0)


def estimate(
    questions: Mapping[str, int],
    kept: int,
    *,
    model: str,
    prices: Prices,
    statistics: Mapping[str, StepTokens],
    in_flight: int,
    max_output_tokens: int,
    drafts: int,
    today: date,
    spent: Decimal = Decimal(0),
    cap: Decimal | None = None,
    in_batch: bool = False,
) -> Estimate:
    """Return what a run of so many questions a step is going to cost.

    drafts: how often an item is drafted at most. max_output_tokens: of one answer. Raises PrerequisiteError
    when nobody told the model's price.
    """
    asked = Counter({step: count for step, count in questions.items() if count})
    means = {step: statistics.get(step) or _default(step) for step in asked}
    tokens_in = round(sum(count * means[step].input_tokens for step, count in asked.items()))
    tokens_out = round(sum(count * means[step].output_tokens for step, count in asked.items()))
    seconds = sum(count * means[step].seconds for step, count in asked.items())
    tries = ASKED_TWICE * drafts
    most_out = max_output_tokens * asked.total() * tries
    return Estimate(
        model=model,
        questions=dict(sorted(asked.items())),
        kept=kept,
        expected=prices.worst(model, tokens_in, tokens_out, in_batch=in_batch),
        worst=prices.worst(model, tokens_in * BYTES_A_TOKEN * tries, most_out, in_batch=in_batch),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        seconds=seconds / max(1, in_flight),
        measured=sum(count for step, count in asked.items() if means[step].answers),
        price=prices.told(model, today),
        spent=spent,
        cap=cap,
        in_batch=in_batch,
    )


def confirm_text(found: Estimate, judge: Estimate | None = None) -> str:
    """Return what a person is told before a run, as lines of plain text; a question may follow.

    judge: of what a judge model is asked beside the questions of the drafts.
    """
    lines = _questions(found)
    if found.kept:
        lines.append(f"{found.kept:,} answers are kept and cost nothing")
    if judge is not None:
        lines += _questions(judge)
    if found.asked:
        lines.append(f"about {duration(found.seconds)}" if not found.in_batch else _BATCH_TIME)
    if found.cap is not None:
        lines.append(f"it stops at {dollars(found.cap)}, of which {dollars(found.spent)} are spent")
    elif found.worst or (judge is not None and judge.worst):
        lines.append("there is no cap: set one with --budget")
    return "\n".join(lines)


_BATCH_TIME = "up to 24 hours for each step of an item; run it again to collect"


def _questions(found: Estimate) -> list[str]:
    """Say how many questions go to a model, what it costs a million tokens, and what that comes to."""
    kinds = Counter(dict.fromkeys(DEFAULT_TOKENS, 0))  # in the order of the steps
    for step, count in found.questions.items():
        kinds[next((kind for kind in DEFAULT_TOKENS if step.startswith(kind)), step)] += count
    steps = ", ".join(f"{count:,} {kind}" for kind, count in kinds.items() if count)
    lines = [f"{found.asked:,} questions to {found.model}" + (f": {steps}" if steps else ""), found.price]
    if found.asked:
        measured = f"kept answers for {found.measured:,} of the questions"
        lines.append(
            f"about {dollars(found.expected)}, {dollars(found.worst)} at the very most "
            f"({found.input_tokens:,} tokens in, {found.output_tokens:,} out; "
            f"by {measured if found.measured else 'documented token counts'})"
        )
    return lines
