"""The text in which KE's hyper-network reads an edit."""

from __future__ import annotations

from collections.abc import Sequence

from eval.models.port import DoesNotFitError, MultimodalModel, Question
from eval.records import Dialect, EditCase

# The reference cuts the condition to 32 tokens (KE/src/data/mmkb_dataset.py), which is less than most
# original texts: neither target nor request is ever read. The clean dialect reads all, so that both are.
REFERENCE_TOKENS = 32


def condition_ids(model: MultimodalModel, case: EditCase, dialect: Dialect) -> tuple[int, ...]:
    """Return the ids of 'original >> target || request', with the marks that the model begins a text with.

    Raises DoesNotFitError when they are more than the model's positions.
    """
    text = f"{case.original_text} >> {case.target} || {case.request}"
    ids = model.encode(Question(text), dialect, asked_only=True).ids
    return ids[:REFERENCE_TOKENS] if dialect is Dialect.KE else ids


def read_ids(model: MultimodalModel, cases: Sequence[EditCase], dialect: Dialect) -> list[int]:
    """Return the ids in the conditions of cases, ascending; 0, the reference's padding, is never learned."""
    ids: set[int] = set()
    for case in cases:
        try:
            ids.update(condition_ids(model, case, dialect))
        except DoesNotFitError:
            continue
    return sorted(ids - {0})
