"""Tells how an item was drafted, draft by draft: what was asked, what came back, what was wrong with it."""

from __future__ import annotations

from curation.drafting.calls import AnswerOutcome, DraftCall
from curation.drafting.repair import KeptDraft
from warehouse.store import Store


def drafting_lines(store: Store, subject_id: str) -> list[str]:
    """Return the drafts of a subject's item in order, each with its questions, and those without a draft."""
    mine = "SELECT payload FROM current_event WHERE kind = ? AND payload ->> '$.subject_id' = ? ORDER BY key"
    drafts = [KeptDraft.model_validate_json(row[0]) for row in store.rows(mine, ["draft", subject_id])]
    calls = [DraftCall.model_validate_json(row[0]) for row in store.rows(mine, ["draft_call", subject_id])]
    place = {one.request_sha256: step for draft in drafts for step, one in enumerate(draft.provenance)}
    calls.sort(key=lambda call: (call.draw, place.get(call.request_sha256, 99), call.step, call.is_repair))
    lines = []
    for draft in sorted(drafts, key=lambda draft: draft.draw):
        lines += [*_draft(draft), *(_call(call) for call in calls if call.draw == draft.draw)]
    numbers = {draft.draw for draft in drafts}
    return lines + [_call(call) for call in calls if call.draw not in numbers]


def _draft(draft: KeptDraft) -> list[str]:
    end = "passes" if draft.reason is None else f"turned down: {draft.reason}: {draft.detail}"
    lines = [f"  draft {draft.draw}: {end}"]
    for redraft in draft.redrafts:
        if redraft.draw == draft.draw:
            why = ": ".join(part for part in (redraft.reason, redraft.detail, redraft.comment) if part)
            lines.append(f"    made again from {redraft.step}{', told ' + why if why else ''}")
    for finding in draft.findings:
        where = f" {finding.probe_id}" if finding.probe_id else ""
        span = f' "{finding.span}"' if finding.span else ""
        lines.append(f"    {finding.check}{where}: {finding.reason}{span}: {finding.detail}")
    return lines


def _call(call: DraftCall) -> str:
    said = call.outcome if call.outcome is AnswerOutcome.OK else f"{call.outcome}: {call.detail}"
    answer = f", answer {call.response_sha256}" if call.response_sha256 else ""
    again = ", asked once more" if call.is_repair else ""
    return (
        f"    {call.prompt_id} by {call.model} ({call.drafter}){again}: {said}; "
        f"request {call.request_sha256}{answer}"
    )
