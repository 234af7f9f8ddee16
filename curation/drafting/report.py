"""What came of drafting, counted: the numbers and examples of the drafting page, without any page."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median

from curation.drafting.calls import AnswerOutcome, DraftCall
from curation.drafting.checks.finding import Finding
from curation.drafting.judges.judging import JudgeAgreement
from curation.drafting.money.spending import Spending
from curation.drafting.repair import KeptDraft
from curation.errors import Reason
from curation.records import Outcome, StageCount

EXAMPLES = 3
"""Examples shown of each reason."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a subject stands in the draft stage; reason: '' unless it was rejected."""

    subject_id: str
    category: str
    outcome: Outcome
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Ways:
    """How the subjects of a category came out; incoming is the sum of the rest.

    first: kept as the model first wrote it. repaired: kept, one of its answers asked for again because it did
    not fit. redrafted: kept after drafts that were turned down.
    """

    category: str
    first: int = 0
    repaired: int = 0
    redrafted: int = 0
    rejected: int = 0
    pending: int = 0

    @property
    def incoming(self) -> int:
        """Return how many subjects there were."""
        return self.first + self.repaired + self.redrafted + self.rejected + self.pending


@dataclass(frozen=True, slots=True)
class CheckRow:
    """How many of the drafts that came to an item fail a check."""

    check: str
    drafts: int
    failed: int


@dataclass(frozen=True, slots=True)
class GroupRow:
    """The drafts of a category, an editing type or a prompt version.

    drafts: all of them. whole: those that came to an item. passed: those that pass every check. failed: by
    check, drafts among the whole ones.
    """

    name: str
    drafts: int
    whole: int
    passed: int
    failed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CostRow:
    """The questions of one step to one model: US dollars, tokens, seconds of the answers that were timed.

    unpriced: answers whose price nobody had told. median, slowest: of the seconds, the second at the 95th
    percentile; None where nothing was timed (answers out of a batch are not).
    """

    step: str
    model: str
    questions: int
    repairs: int
    input_tokens: int
    output_tokens: int
    cost: Decimal
    unpriced: int
    median: float | None
    slowest: float | None
    outcomes: Mapping[AnswerOutcome, int]


@dataclass(frozen=True, slots=True)
class Example:
    """One draft that was turned down: its texts, what is wrong, and which raw answers it was made of.

    question: the one that the finding is about, '' for none. answers: prompt version and sha256 of each.
    """

    item_id: str
    subject: str
    category: str
    draw: int
    detail: str
    span: str
    original_text: str
    edited_text: str
    question: str
    answers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """A reason for which drafts were turned down: how many drafts, and subjects for whom that was the end."""

    reason: str
    drafts: int
    subjects: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class DraftReport:
    """All that the drafting page shows; the same store gives the same report."""

    count: StageCount
    ways: tuple[Ways, ...]
    checks: tuple[CheckRow, ...]
    by_category: tuple[GroupRow, ...]
    by_type: tuple[GroupRow, ...]
    by_prompt: tuple[GroupRow, ...]
    costs: tuple[CostRow, ...]
    outcomes: Mapping[AnswerOutcome, int]
    reasons: tuple[ReasonRow, ...]
    spending: Spending = field(default_factory=Spending)
    judges: tuple[JudgeAgreement, ...] = ()


def draft_report(
    count: StageCount,
    standings: Iterable[Standing],
    drafts: Iterable[KeptDraft],
    calls: Iterable[DraftCall],
    checks: Sequence[str],
    spending: Spending | None = None,
    judges: Sequence[JudgeAgreement] = (),
) -> DraftReport:
    """Return what came of drafting.

    count: of the draft stage. standings: of every subject in it. drafts: every draft that was kept, of any
    draw. calls: every question, the newest record of each request. checks: names of all checks, in order.
    judges: how judge models agree with people.
    """
    stand = sorted(standings, key=lambda one: one.subject_id)
    made = sorted(drafts, key=lambda draft: (draft.item_id, draft.draw))
    asked = sorted(calls, key=lambda call: (call.subject_id, call.step, call.draw, call.request_sha256))
    return DraftReport(
        count=count,
        ways=_ways(stand, made, asked),
        checks=_checks(made, checks),
        by_category=_groups(made, lambda draft: (draft.category,)),
        by_type=_groups(made, lambda draft: (draft.edit_type.value,)),
        by_prompt=_groups(made, lambda draft: {source.prompt_id for source in draft.provenance}),
        costs=_costs(asked),
        outcomes={kind: sum(call.outcome is kind for call in asked) for kind in AnswerOutcome},
        reasons=_reasons(stand, made),
        spending=spending or Spending(),
        judges=tuple(judges),
    )


def _ways(
    stand: Sequence[Standing], made: Sequence[KeptDraft], asked: Sequence[DraftCall]
) -> tuple[Ways, ...]:
    repairs = {call.request_sha256 for call in asked if call.is_repair}
    newest = {draft.subject_id: draft for draft in made if draft.reason is None}
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in stand:
        way = str(one.outcome)
        draft = newest.get(one.subject_id)
        if one.outcome is Outcome.KEPT:
            requests = {source.request_sha256 for source in draft.provenance} if draft else set()
            way = "redrafted" if draft and draft.draw else "repaired" if requests & repairs else "first"
        counts[one.category][way] += 1
    return tuple(Ways(category, **counts[category]) for category in sorted(counts))


def _failed(draft: KeptDraft) -> set[str]:
    return {finding.check for finding in draft.findings}


def _checks(made: Sequence[KeptDraft], names: Sequence[str]) -> tuple[CheckRow, ...]:
    whole = [draft for draft in made if draft.item is not None]
    failed = Counter(name for draft in whole for name in _failed(draft))
    known = [*names, *sorted(set(failed) - set(names))]
    return tuple(CheckRow(name, len(whole), failed[name]) for name in known)


def _groups(made: Sequence[KeptDraft], names: Callable[[KeptDraft], Iterable[str]]) -> tuple[GroupRow, ...]:
    groups: defaultdict[str, list[KeptDraft]] = defaultdict(list)
    for draft in made:
        for name in names(draft):
            groups[name].append(draft)
    rows = []
    for name in sorted(groups):
        whole = [draft for draft in groups[name] if draft.item is not None]
        failed = Counter(check for draft in whole for check in sorted(_failed(draft)))
        passed = sum(draft.reason is None for draft in groups[name])
        rows.append(GroupRow(name, len(groups[name]), len(whole), passed, dict(sorted(failed.items()))))
    return tuple(rows)


def _costs(asked: Sequence[DraftCall]) -> tuple[CostRow, ...]:
    groups: defaultdict[tuple[str, str], list[DraftCall]] = defaultdict(list)
    for call in asked:
        groups[call.step, call.model].append(call)
    return tuple(_cost(step, model, groups[step, model]) for step, model in sorted(groups))


def _cost(step: str, model: str, calls: Sequence[DraftCall]) -> CostRow:
    seconds = sorted(call.seconds for call in calls if call.seconds is not None)
    answered = [call for call in calls if call.response_sha256 is not None]
    return CostRow(
        step=step,
        model=model,
        questions=len(calls),
        repairs=sum(call.is_repair for call in calls),
        input_tokens=sum(call.usage.input_tokens for call in calls),
        output_tokens=sum(call.usage.output_tokens for call in calls),
        cost=sum((call.cost for call in calls if call.cost is not None), Decimal(0)),
        unpriced=sum(call.cost is None for call in answered),
        median=median(seconds) if seconds else None,
        slowest=seconds[-(-95 * len(seconds) // 100) - 1] if seconds else None,
        outcomes=Counter(call.outcome for call in calls),
    )


def _reasons(stand: Sequence[Standing], made: Sequence[KeptDraft]) -> tuple[ReasonRow, ...]:
    found: defaultdict[str, list[tuple[KeptDraft, Finding | None]]] = defaultdict(list)
    for draft in made:
        if draft.reason is None:
            continue
        first: dict[Reason, Finding | None] = {draft.reason: None}
        for finding in reversed(draft.findings):
            first[finding.reason] = finding
        for why, about in first.items():
            found[why.value].append((draft, about))
    ends = Counter(one.reason for one in stand if one.outcome is Outcome.REJECTED)
    rows = []
    for reason in sorted({*found, *ends}, key=lambda name: (-ends[name], -len(found[name]), name)):
        shown = tuple(_example(draft, about) for draft, about in found[reason][:EXAMPLES])
        rows.append(ReasonRow(reason, len(found[reason]), ends[reason], shown))
    return tuple(rows)


def _example(draft: KeptDraft, about: Finding | None) -> Example:
    item = draft.item
    probes = item.probes if item and about else ()
    asked = [probe.question for probe in probes if about and probe.probe_id == about.probe_id]
    return Example(
        item_id=draft.item_id,
        subject=item.subject_name if item else draft.subject_id,
        category=draft.category,
        draw=draft.draw,
        detail=about.detail if about else draft.detail,
        span=about.span if about else "",
        original_text=item.original_text if item else "",
        edited_text=item.edited_text if item else "",
        question=asked[0] if asked else "",
        answers=tuple((source.prompt_id, source.response_sha256) for source in draft.provenance),
    )
