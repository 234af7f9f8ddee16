"""What the votes on an item add up to: the one place for the rules of review."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from curation.errors import Reason, Rejected
from curation.ids import nfc
from curation.records import Annotation, EditType, KnowledgeItem, Probe, ProbeKind, Verdict, VerdictState

REVIEWS_NEEDED = 2


@dataclass(frozen=True)
class _Stance:
    """What one vote asks for: usable, with these texts changed and these probes dropped."""

    usable: bool
    changes: dict[str, str]
    drops: frozenset[str]
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Outcome:
    state: VerdictState
    item: KnowledgeItem | None = None
    changed: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()


def resolve(item: KnowledgeItem, annotations: Sequence[Annotation]) -> Verdict | None:
    """Return what the votes on an item's current revision come to; None while too few have voted.

    A vote is *usable* (approve, or revise with its fixes, and nothing called wrong) or *not usable*
    (reject; a text `wrong`; a picture ticked; the last probe of a kind dropped; a fix asked for but
    not made). Reviews, in the queue "review", two or more annotators:

    | votes                                                  | verdict                         |
    | ------------------------------------------------------ | ------------------------------- |
    | fewer than two                                         | None (pending)                  |
    | all usable, no change                                  | APPROVED                        |
    | all usable, changes that do not contradict each other  | FIXED, with all of them applied |
    | all usable, two texts for one field                    | DISPUTED                        |
    | all usable, all drop the same spare probe              | FIXED, without the probe        |
    | all usable, a probe dropped by some only               | DISPUTED                        |
    | all usable, but a fix adds a fault (see _faults)       | DISPUTED, with that reason      |
    | none usable                                            | REJECTED                        |
    | some usable                                            | DISPUTED                        |

    A DISPUTED item is decided by the latest vote in the queue "adjudication": usable gives APPROVED or
    FIXED, not usable (or a fix that adds a fault) gives REJECTED. Skipped votes do not count, nor do
    votes on another revision; an annotator's later vote replaces the earlier.
    """
    votes = [vote for vote in latest_votes(counted(item, annotations)[0]) if not vote.skipped]
    reviews = [vote for vote in votes if vote.queue == "review"]
    if len(reviews) < REVIEWS_NEEDED:
        return None
    outcome = _joint(item, [_stance(item, vote) for vote in reviews])
    deciding = reviews
    adjudications = [vote for vote in votes if vote.queue == "adjudication"]
    if outcome.state is VerdictState.DISPUTED and adjudications:
        last = max(adjudications, key=lambda vote: (vote.updated_at, vote.annotation_id))
        outcome = _adjudicated(item, _stance(item, last))
        deciding = [*reviews, last]
    return Verdict(
        item_id=item.item_id,
        task_key=item.task_key,
        state=outcome.state,
        annotators=tuple(sorted({vote.annotator for vote in deciding})),
        changed=outcome.changed,
        reasons=outcome.reasons,
        item=outcome.item,
    )


def counted(
    item: KnowledgeItem, annotations: Sequence[Annotation]
) -> tuple[tuple[Annotation, ...], tuple[Rejected, ...]]:
    """Return the item's annotations that count, and why each other one of the item does not."""
    kept: list[Annotation] = []
    refused: list[Rejected] = []
    probe_ids = [probe.probe_id for probe in item.probes]
    for vote in annotations:
        if vote.item_id != item.item_id:
            continue
        key = f"{vote.task_key}#{vote.annotation_id}"
        if vote.task_key != item.task_key:
            refused.append(Rejected(key, Reason.STALE_ANNOTATION, "it is on another revision of the item"))
        elif not vote.skipped and [probe.probe_id for probe in vote.probe_votes] != probe_ids:
            refused.append(Rejected(key, Reason.MALFORMED_ANNOTATION, "its probes are not the item's"))
        else:
            kept.append(vote)
    return tuple(kept), tuple(refused)


def earlier_votes(item: KnowledgeItem, annotations: Sequence[Annotation]) -> tuple[str, ...]:
    """Return the reviews of an item in one line each, without names, for whoever adjudicates."""
    votes = [vote for vote in latest_votes(counted(item, annotations)[0]) if not vote.skipped]
    return tuple(_line(vote) for vote in votes if vote.queue == "review")


def _line(vote: Annotation) -> str:
    parts = [f"{vote.decision}; left {vote.original_verdict}, right {vote.edited_verdict}"]
    parts += [f"{probe.probe_id} {probe.verdict}" for probe in vote.probe_votes if probe.verdict != "ok"]
    parts += [f"{role} picture out" for role in vote.bad_images]
    fixes = [("left text", vote.original_fix), ("right text", vote.edited_fix)]
    for probe in vote.probe_votes:
        fixes += [(f"{probe.probe_id} question", probe.question), (f"{probe.probe_id} answer", probe.answer)]
    parts += [f'{name} to read "{text}"' for name, text in fixes if text is not None]
    parts += [", ".join(vote.reasons)] if vote.reasons else []
    parts += [f'note: "{vote.comment}"'] if vote.comment else []
    return "; ".join(parts)


def latest_votes(votes: Sequence[Annotation]) -> list[Annotation]:
    """Return each annotator's last vote in each queue, by queue and annotator."""
    last: dict[tuple[str, str], Annotation] = {}
    for vote in sorted(votes, key=lambda vote: (vote.updated_at, vote.annotation_id)):
        last[(vote.queue, vote.annotator)] = vote
    return [last[key] for key in sorted(last)]


def _stance(item: KnowledgeItem, vote: Annotation) -> _Stance:
    asked = {"original_text": vote.original_fix, "edited_text": vote.edited_fix}
    current = {"original_text": item.original_text, "edited_text": item.edited_text}
    idle = vote.original_verdict == "fix" and not _changes(asked["original_text"], item.original_text)
    idle = idle or (vote.edited_verdict == "fix" and not _changes(asked["edited_text"], item.edited_text))
    for probe, said in zip(item.probes, vote.probe_votes, strict=True):
        places = {
            f"probes.{probe.probe_id}.question": said.question,
            f"probes.{probe.probe_id}.answer": said.answer,
        }
        asked |= places
        current |= dict(zip(places, (probe.question, probe.answer), strict=True))
        idle = idle or (
            said.verdict == "fix" and not any(_changes(asked[place], current[place]) for place in places)
        )
    changes = {
        place: _clean(text) for place, text in asked.items() if text and _changes(text, current[place])
    }
    drops = frozenset(said.probe_id for said in vote.probe_votes if said.verdict == "drop")
    refused = vote.decision == "reject" or "wrong" in (vote.original_verdict, vote.edited_verdict)
    unmade = idle or (vote.decision == "revise" and not changes and not drops)
    usable = not (refused or unmade or vote.bad_images or _leaves_a_gap(item, drops))
    asks = (Reason.REVISION_ASKED.value,) if vote.decision == "revise" and not usable else ()
    return _Stance(usable, changes, drops, (*asks, *vote.reasons))


def _clean(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def _changes(text: str | None, current: str) -> bool:
    return text is not None and nfc(text) != nfc(current)


def _leaves_a_gap(item: KnowledgeItem, drops: frozenset[str]) -> bool:
    """Whether a kind of probe that the item has would be gone altogether."""
    left = {probe.kind for probe in item.probes if probe.probe_id not in drops}
    return any(probe.kind not in left for probe in item.probes)


def _joint(item: KnowledgeItem, stances: Sequence[_Stance]) -> _Outcome:
    said = tuple(sorted({reason for stance in stances for reason in stance.reasons}))
    if not any(stance.usable for stance in stances):
        return _Outcome(VerdictState.REJECTED, reasons=(Reason.REVIEWERS_REJECTED.value, *said))
    contradicts = any(
        len({stance.changes[place] for stance in stances if place in stance.changes}) > 1
        for place in {place for stance in stances for place in stance.changes}
    )
    split = len({stance.drops for stance in stances}) > 1
    if contradicts or split or not all(stance.usable for stance in stances):
        return _Outcome(VerdictState.DISPUTED, reasons=(Reason.REVIEWERS_DISAGREE.value, *said))
    changes = {place: text for stance in stances for place, text in stance.changes.items()}
    return _applied(item, changes, stances[0].drops, VerdictState.DISPUTED)


def _adjudicated(item: KnowledgeItem, stance: _Stance) -> _Outcome:
    if not stance.usable:
        reasons = (Reason.REVIEWERS_REJECTED.value, *sorted(set(stance.reasons)))
        return _Outcome(VerdictState.REJECTED, reasons=reasons)
    return _applied(item, stance.changes, stance.drops, VerdictState.REJECTED)


def _applied(
    item: KnowledgeItem, changes: dict[str, str], drops: frozenset[str], if_faulty: VerdictState
) -> _Outcome:
    """Return the item with the fixes in it, unless they add a fault that it did not have."""
    if not changes and not drops:
        return _Outcome(VerdictState.APPROVED, item)
    fixed = _fixed(item, changes, drops)
    faults = {reason for reason, _ in _faults(fixed) - _faults(item)}
    if faults:
        return _Outcome(if_faulty, reasons=tuple(sorted(reason.value for reason in faults)))
    changed = (*sorted(changes), *(f"probes.{probe_id} removed" for probe_id in sorted(drops)))
    return _Outcome(VerdictState.FIXED, fixed, changed)


def _fixed(item: KnowledgeItem, changes: dict[str, str], drops: frozenset[str]) -> KnowledgeItem:
    values: dict[str, Any] = {
        place: text for place, text in changes.items() if not place.startswith("probes.")
    }
    values["probes"] = [
        probe.model_dump()
        | {
            name: changes[place]
            for name in ("question", "answer")
            if (place := f"probes.{probe.probe_id}.{name}") in changes
        }
        for probe in item.probes
        if probe.probe_id not in drops
    ]
    return KnowledgeItem.model_validate(item.model_dump() | values)


def _faults(item: KnowledgeItem) -> set[tuple[Reason, str]]:
    """Return what is wrong between the texts of an item: (reason, probe id).

    Only faults that a fix adds matter, so this may be stricter than the drafting checks.
    """
    faults: set[tuple[Reason, str]] = set()
    if nfc(item.original_text) == nfc(item.edited_text):
        faults.add((Reason.NOT_COUNTERFACTUAL, ""))
    for probe in item.probes:
        faults |= {(reason, probe.probe_id) for reason in _probe_faults(item, probe)}
    answers = [
        probe.answer.casefold()
        for kind in (ProbeKind.T_REL, ProbeKind.I_REL)
        for probe in item.probes_of(kind)
    ]
    if len(set(answers)) < len(answers):
        faults.add((Reason.SAME_RELIABILITY_ANSWER, ""))
    return faults


def _probe_faults(item: KnowledgeItem, probe: Probe) -> list[Reason]:
    if probe.kind in (ProbeKind.T_LOC, ProbeKind.I_LOC):
        return []
    counterfactual = item.edit_type is not EditType.USER_SPECIFIC
    tests = {
        Reason.ANSWER_NOT_IN_EDITED_TEXT: not _holds(item.edited_text, probe.answer),
        Reason.ANSWER_IN_ORIGINAL_TEXT: counterfactual and _holds(item.original_text, probe.answer),
        Reason.ORIGINAL_ANSWER_NOT_IN_TEXT: bool(probe.original_answer)
        and not _holds(item.original_text, probe.original_answer or ""),
        Reason.NAME_LEAKED: probe.image_role is not None and _holds(probe.question, item.subject_name),
    }
    return [reason for reason, true in tests.items() if true]


def _holds(text: str, part: str) -> bool:
    return nfc(part).casefold() in nfc(text).casefold()
