"""What must hold for a drafted item, one function each: all that is wrong, in a fixed order."""

from __future__ import annotations

from curation.drafting.checks.answers import (
    answer_form,
    answer_in_edited_text,
    answer_in_question,
    answer_length,
    answer_not_in_original,
    answers_differ,
    coherent,
    counterfactual,
    hop,
    original_answer_known,
)
from curation.drafting.checks.finding import Finding
from curation.drafting.checks.naming import entity_named, leaks, text_names, user_named
from curation.drafting.checks.questions import question_form, refers, request_form, unrelated, wordings_differ
from curation.drafting.checks.writing import echoed, hostile, language, too_long
from curation.records import KnowledgeItem

__all__ = ["NAMES", "Finding", "check_item"]

_CHECKS = (
    hostile,
    echoed,
    language,
    too_long,
    entity_named,
    coherent,
    counterfactual,
    original_answer_known,
    answer_form,
    answer_length,
    answer_in_edited_text,
    answer_not_in_original,
    answers_differ,
    answer_in_question,
    leaks,
    text_names,
    user_named,
    refers,
    question_form,
    request_form,
    wordings_differ,
    hop,
    unrelated,
)
NAMES = tuple(check.__name__ for check in _CHECKS)
"""The names of the checks, in the order in which they are made."""


def check_item(item: KnowledgeItem) -> list[Finding]:
    """Return all that is wrong with an item, in the order of NAMES; [] when it passes every check.

    The checks are those that MMKE-Bench's known faults call for: answers that stand in the original text,
    questions asked twice, lists as answers, names in picture questions, targets too long for SERAC.
    """
    return [finding for check in _CHECKS for finding in check(item)]
