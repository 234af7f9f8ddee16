"""What one question to a language model came to and cost: the record that budgets and reports are made of."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from curation.records import EditType, Record, Sha256, Usage


class AnswerOutcome(StrEnum):
    """How one question to a language model ended; every question ends in one of these."""

    OK = "ok"
    REFUSAL = "refusal"
    TRUNCATED = "truncated"
    SCHEMA_INVALID = "schema_invalid"
    CHECK_FAILED = "check_failed"
    CONTENT_FILTER = "content_filter"
    TRANSPORT_FAILED = "transport_failed"
    BUDGET = "budget"


class DraftCall(Record):
    """One question for a draft.

    draw: as in LlmRequest. is_repair: asked once more because the answer before did not fit. cost: in US
    dollars by the price table of that day, None where the answer's price is not known. seconds: from sending
    to the last byte, None for an answer out of a batch. response_sha256: None when no answer came.
    detail: one plain sentence when outcome is not ok.
    """

    subject_id: str
    edit_type: EditType
    category: str
    step: str
    prompt_id: str
    model: str
    drafter: str
    draw: int
    is_repair: bool
    outcome: AnswerOutcome
    detail: str = ""
    usage: Usage = Usage()
    cost: Decimal | None = None
    seconds: float | None = None
    in_batch: bool = False
    request_sha256: Sha256
    response_sha256: Sha256 | None = None
