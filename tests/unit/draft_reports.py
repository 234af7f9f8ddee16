"""Drafts and questions that the tests of the drafting page are written with."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from curation.drafting.calls import AnswerOutcome, DraftCall
from curation.drafting.checks.finding import Finding
from curation.drafting.repair import KeptDraft
from curation.errors import Reason
from curation.ids import sha256_json
from curation.records import EditType, Provenance, StageCount, Usage
from tests.samples import PROVENANCE, ZERO, make_item

PROMPTS = ("original_knowledge.v1", "questions_visual_entity.v2")
CHECKS = ("hostile", "too_long", "leaks")
LEAK = Finding(
    check="leaks", reason=Reason.NAME_LEAKED, probe_id="I-Rel-1", detail="I-Rel-1 names it", span="Norway"
)


def request_of(number: int, draw: int, prompt: str) -> str:
    return sha256_json([number, draw, prompt])


def provenance(number: int, draw: int = 0) -> tuple[Provenance, ...]:
    return tuple(
        PROVENANCE.model_copy(
            update={"prompt_id": prompt, "request_sha256": request_of(number, draw, prompt)}
        )
        for prompt in PROMPTS
    )


def draft(number: int, draw: int = 0, *findings: Finding, **changes: Any) -> KeptDraft:
    """Return a draft that passes, or one with findings."""
    item = make_item(number)
    values: dict[str, Any] = {
        "item_id": item.item_id,
        "subject_id": item.subject_id,
        "edit_type": EditType.VISUAL_ENTITY,
        "category": "building",
        "draw": draw,
        "item": item,
        "reason": findings[0].reason if findings else None,
        "detail": findings[0].detail if findings else "",
        "findings": findings,
        "provenance": provenance(number, draw),
        "inputs_sha256": ZERO,
    }
    return KeptDraft(**(values | changes))


def call(number: int, draw: int = 0, prompt: str = PROMPTS[0], **changes: Any) -> DraftCall:
    """Return a question that was answered in two seconds for a cent."""
    values: dict[str, Any] = {
        "subject_id": f"subject-{number}",
        "edit_type": EditType.VISUAL_ENTITY,
        "category": "building",
        "step": prompt.rpartition(".")[0],
        "prompt_id": prompt,
        "model": "gpt-5-mini",
        "drafter": "llm",
        "draw": draw,
        "is_repair": False,
        "outcome": AnswerOutcome.OK,
        "usage": Usage(input_tokens=100, output_tokens=10),
        "cost": Decimal("0.01"),
        "seconds": 2.0,
        "request_sha256": request_of(number, draw, prompt),
        "response_sha256": ZERO,
    }
    return DraftCall(**(values | changes))


def counted(kept: int = 0, pending: int = 0, **rejected: int) -> StageCount:
    total = kept + pending + sum(rejected.values())
    return StageCount(
        stage="draft", unit="subjects", incoming=total, kept=kept, rejected=rejected, pending=pending
    )
