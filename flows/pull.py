"""The pull stage: votes come back from Label Studio, are saved raw, and become verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from prefect import flow

from curation.errors import Reason, Rejected
from curation.records import (
    AgreementRow,
    Annotation,
    KnowledgeItem,
    Outcome,
    StageCount,
    Verdict,
    VerdictState,
)
from curation.reviewing.agreement import agreement
from curation.reviewing.forms import parse
from curation.reviewing.verdicts import earlier_votes, resolve
from flows.draft import drafted
from flows.push import review_task
from flows.settings import Settings
from flows.terminal import say
from flows.wiring import Desks, artefacts
from warehouse.store import Event, Store, open_store, outcome_event, record_event

STAGE, VOTES = "pull", "votes"
ADJUDICATION = "adjudication"


@flow(name="pull", validate_parameters=False)
def pull(settings: Settings, desks: Desks) -> list[StageCount]:
    """Fetch the votes, resolve every item, and send disputed items to a third person."""
    kept = artefacts(settings)
    raw = [*desks.review.pull(None), *desks.adjudication.pull(None)]
    parsed = [(vote, parse(vote, kept.put(vote.raw))) for vote in raw]
    votes = [vote for _, vote in parsed if isinstance(vote, Annotation)]
    with open_store(settings.home) as store:
        items = drafted(store)
        current = {item.task_key for item in items}
        store.append([record_event("annotation", vote.annotation_id, vote) for vote in votes])
        store.settle(
            VOTES, [_vote_outcome(raw_vote.annotation_id, vote, current) for raw_vote, vote in parsed]
        )
        of_item: dict[str, list[Annotation]] = defaultdict(list)
        for vote in votes:
            of_item[vote.item_id].append(vote)
        verdicts = {item.item_id: resolve(item, of_item[item.item_id]) for item in items}
        store.append([record_event("verdict", key, verdict) for key, verdict in verdicts.items() if verdict])
        store.settle(STAGE, [_outcome(item, verdicts[item.item_id]) for item in items])
        counts = [store.count(VOTES), store.count(STAGE)]
    disputed = [item for item in items if _is_disputed(verdicts[item.item_id])]
    tasks = [review_task(item, ADJUDICATION, earlier_votes(item, of_item[item.item_id])) for item in disputed]
    if tasks:
        report = desks.adjudication.push(tasks, kept.get)
        say(f"  {len(tasks)} items are disputed; {len(report.created)} new ones wait for a third person")
    return counts


def votes_on(store: Store, items: Sequence[KnowledgeItem]) -> list[Annotation]:
    """Return the stored votes on the present wording of items."""
    current = {item.task_key for item in items}
    votes = [Annotation.model_validate(value) for value in store.payloads("annotation").values()]
    return [vote for vote in votes if vote.task_key in current]


def verdicts_on(store: Store, items: Sequence[KnowledgeItem]) -> list[Verdict]:
    """Return the stored verdicts on the present wording of items."""
    current = {item.task_key for item in items}
    verdicts = [Verdict.model_validate(value) for value in store.payloads("verdict").values()]
    return [verdict for verdict in verdicts if verdict.task_key in current]


def agreement_of(settings: Settings) -> list[AgreementRow]:
    """Return how far the first two votes agree, from what is stored."""
    with open_store(settings.home) as store:
        return agreement(votes_on(store, drafted(store)))


def _is_disputed(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.state is VerdictState.DISPUTED


def _vote_outcome(key: str, vote: Annotation | Rejected, current: set[str]) -> Event:
    reason, detail = None, ""
    if isinstance(vote, Rejected):
        reason, detail = vote.reason, vote.detail
    elif vote.task_key not in current:
        reason, detail = Reason.STALE_ANNOTATION, "the item changed after the vote"
    state = Outcome.REJECTED if reason else Outcome.KEPT
    return outcome_event(VOTES, key, state, unit="votes", category="", reason=reason, detail=detail)


def _outcome(item: KnowledgeItem, verdict: Verdict | None) -> Event:
    state, reason, detail = Outcome.PENDING, None, "too few votes"
    if verdict is not None and verdict.state is VerdictState.REJECTED:
        state, reason, detail = Outcome.REJECTED, Reason.REVIEWERS_REJECTED, ", ".join(verdict.reasons)
    elif verdict is not None and verdict.state is VerdictState.DISPUTED:
        detail = "disputed; waits for a third person"
    elif verdict is not None:
        state, detail = Outcome.KEPT, f"{verdict.state} {', '.join(verdict.changed)}".strip()
    return outcome_event(
        STAGE, item.item_id, state, unit="items", category=item.category, reason=reason, detail=detail
    )
