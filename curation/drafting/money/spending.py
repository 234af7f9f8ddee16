"""What a project has spent on answers, derived from the notes beside them: by day, model and step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from curation.drafting.llm import AnswerNote
from curation.drafting.money.budget import Money, Spent, dollars

WAITS = "in a batch"
"""What stands for the day, the model and the step of questions that wait in a batch."""

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

    @property
    def told(self) -> str:
        """Return how often it was tried, in words."""
        return "one try without an answer" if self.tries == 1 else f"{self.tries} tries without an answer"


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


def spending(entries: Iterable[Entry], under_way: Collection[str] = ()) -> Spending:
    """Return what was spent, of every request that was ever sent or answered, in any order.

    under_way: hashes of requests that wait in a batch: their last try is not lost, but held at its worst.
    """
    rows: dict[tuple[str, str, str], SpendRow] = {}
    twice = []
    for request_sha256, note, tries in entries:
        waits = note is None and request_sha256 in under_way
        place = (note.at[:10], note.model, step_of(note.prompt_id)) if note else (WAITS if waits else "",) * 3
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
        if lost := lost[:-1] if waits else lost:
            cost = sum((amount for amount in lost if amount is not None), Decimal(0))
            twice.append(PossiblyTwice(request_sha256, len(lost), cost, note is not None))
    ordered = sorted(twice, key=lambda one: one.request_sha256)
    return Spending(tuple(rows[place] for place in sorted(rows)), tuple(ordered))


def spend_rows(found: Spending) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the table that `mmke draft spend` prints, narrow enough for a terminal.

    The sums of each day, then of each model, of each step and of all; tries without an answer that were
    perhaps charged stand under 'unanswered', since of those nothing else is known.
    """
    rows = []
    for name in ("day", "model", "step"):
        keys = sorted({getattr(row, name) for row in found.rows})
        for key in keys:
            part = [row for row in found.rows if getattr(row, name) == key]
            rows.append([key or "unanswered", *_short_figures(_sum(part))])
    return _SHORT_HEADINGS, [*rows, ["all", *_short_figures(_sum(found.rows))]]


def twice_lines(found: Spending, most: int = 20) -> list[str]:
    """Return a line for each request that was possibly paid for twice, and one for those beyond `most`."""
    lines = [
        f"possibly paid twice: {one.request_sha256}: {one.told}, at most "
        f"{dollars(one.cost)}; {'answered since' if one.is_answered else 'not answered'}"
        for one in found.twice[:most]
    ]
    rest = found.twice[most:]
    if rest:
        cost = sum((one.cost for one in rest), Decimal(0))
        lines.append(f"and {len(rest):,} more, at most {dollars(cost)}: mmke draft report lists them")
    return lines


def ledger_rows(found: Spending) -> tuple[list[str], list[list[str]]]:
    """Return headings and rows of the whole table, by day, model and step, the sum last."""
    rows = [[row.day or "unanswered", row.model, row.step, *_figures(row)] for row in found.rows]
    return _HEADINGS, [*rows, ["all", "", "", *_figures(_sum(found.rows))]]


_SHORT_HEADINGS = ["by day, by model, by step", "answers", "tokens in", "out", "cost", "unsure"]
_HEADINGS = [
    "day",
    "model",
    "step",
    "answers",
    "in batch",
    "tokens in",
    "tokens out",
    "cost",
    "unsure, at most",
]
_SUMMED = ("answers", "in_batch", "input_tokens", "output_tokens", "unpriced", "twice")


def _sum(rows: Iterable[SpendRow]) -> SpendRow:
    total = SpendRow("", "", "")
    for row in rows:
        for name in _SUMMED:
            setattr(total, name, getattr(total, name) + getattr(row, name))
        total.cost += row.cost
        total.twice_cost += row.twice_cost
    return total


def _short_figures(row: SpendRow) -> list[str]:
    answers, _, tokens_in, tokens_out, cost, lost = _figures(row)
    return [answers, tokens_in, tokens_out, cost, lost]


def _figures(row: SpendRow) -> list[str]:
    cost = dollars(row.cost) if row.answers > row.unpriced or not row.answers else "no price"
    if row.unpriced and row.answers > row.unpriced:
        cost += f" + {row.unpriced} without a price"
    lost = f"{row.twice}: {dollars(row.twice_cost)}" if row.twice else "-"
    counts = (row.answers, row.in_batch, row.input_tokens, row.output_tokens)
    return [*(f"{count:,}" for count in counts), cost, lost]


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
