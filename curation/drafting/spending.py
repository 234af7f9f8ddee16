"""What a project has spent on answers, derived from the notes beside them: by day, model and step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from curation.drafting.budget import Money, Spent, dollars
from curation.drafting.llm import AnswerNote

Entry = tuple[str, AnswerNote | None, Sequence[Decimal | None]]
"""A request's hash, the note on its answer, and the most that each try may have cost (as `Responses.all`)."""


@dataclass(slots=True)
class SpendRow:
    """What the answers of one day, model and step cost, in US dollars and tokens.

    unpriced: answers that were kept while nobody had set prices. twice, twice_cost: tries that no answer came
    of and that were perhaps charged, at the most that they may have cost.
    """

    day: str
    model: str
    step: str
    answers: int = 0
    in_batch: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal = Decimal(0)
    unpriced: int = 0
    twice: int = 0
    twice_cost: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class PossiblyTwice:
    """A request with tries that no answer came of: sent, perhaps charged, and asked again or not yet."""

    request_sha256: str
    tries: int
    cost: Decimal
    is_answered: bool


@dataclass(frozen=True, slots=True)
class Spending:
    """All that was spent: rows in order of day, model and step, and what was possibly paid twice."""

    rows: tuple[SpendRow, ...] = ()
    twice: tuple[PossiblyTwice, ...] = field(default=())

    @property
    def spent(self) -> Spent:
        """Return the sums that a budget begins with; lost tries count at the most that they may have cost."""
        cost = sum((row.cost + row.twice_cost for row in self.rows), Decimal(0))
        return Spent(cost, sum(row.input_tokens + row.output_tokens for row in self.rows))


def step_of(prompt_id: str) -> str:
    """Return the step that a prompt version belongs to: 'original_knowledge.v1' to 'original_knowledge'."""
    return prompt_id.rpartition(".v")[0] or prompt_id


def spending(entries: Iterable[Entry]) -> Spending:
    """Return what was spent, of every request that was ever sent or answered, in any order."""
    rows: dict[tuple[str, str, str], SpendRow] = {}
    twice = []
    for request_sha256, note, tries in entries:
        place = (note.at[:10], note.model, step_of(note.prompt_id)) if note else ("", "", "")
        lost = tries[:-1] if note else tries  # one try is the answer's
        if note is None and not lost:
            continue
        row = rows.setdefault(place, SpendRow(*place))
        if note is not None:
            row.answers += 1
            row.in_batch += note.in_batch
            row.input_tokens += note.usage.input_tokens
            row.output_tokens += note.usage.output_tokens
            row.cost += note.cost or Decimal(0)
            row.unpriced += note.cost is None
        if lost:
            cost = sum((amount for amount in lost if amount is not None), Decimal(0))
            row.twice += len(lost)
            row.twice_cost += cost
            twice.append(PossiblyTwice(request_sha256, len(lost), cost, note is not None))
    ordered = sorted(twice, key=lambda one: one.request_sha256)
    return Spending(tuple(rows[place] for place in sorted(rows)), tuple(ordered))


def spend_rows(found: Spending) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table that `mmke draft spend` prints, the sum last."""
    headings = ["day", "model", "step", "answers", "in batch", "tokens in", "tokens out", "cost"]
    headings += ["perhaps paid for nothing"]
    rows = [[row.day or "unanswered", row.model, row.step, *_figures(row)] for row in found.rows]
    total = SpendRow("", "", "")
    for row in found.rows:
        for name in ("answers", "in_batch", "input_tokens", "output_tokens", "cost", "unpriced"):
            setattr(total, name, getattr(total, name) + getattr(row, name))
        total.twice += row.twice
        total.twice_cost += row.twice_cost
    return headings, [*rows, ["all", "", "", *_figures(total)]]


def _figures(row: SpendRow) -> list[str]:
    cost = dollars(row.cost) if row.answers > row.unpriced or not row.answers else "no price"
    if row.unpriced and row.answers > row.unpriced:
        cost += f" + {row.unpriced} without a price"
    twice = f"{row.twice}, at most {dollars(row.twice_cost)}" if row.twice else "-"
    counts = (row.answers, row.in_batch, row.input_tokens, row.output_tokens)
    return [*(f"{count:,}" for count in counts), cost, twice]


def live_line(money: Money, done: int, total: int, seconds: float) -> str:
    """Return where a run stands: money and time left. done, total: items; seconds: since its start."""
    parts = []
    if money.spent or money.reserved or money.cap is not None:
        cap = f" of {dollars(money.cap)}" if money.cap is not None else ""
        parts.append(f"{dollars(money.spent)} spent and {dollars(money.reserved)} held{cap}")
    if money.max_tokens is not None:
        parts.append(f"{money.tokens + money.reserved_tokens:,} of {money.max_tokens:,} tokens")
    if 0 < done < total:
        parts.append(f"about {duration(seconds / done * (total - done))} left")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a length of time for a person: '40 s', '12 min', '3 h 20 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
