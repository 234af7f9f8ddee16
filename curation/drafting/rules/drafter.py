"""Answers every drafting step from the values of a rendered prompt alone, by facts and templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from curation.drafting.rules import knowledge, questions
from curation.drafting.rules.values import TooFewFactsError, Values

__all__ = ["MODEL_NAME", "TooFewFactsError", "answer"]

MODEL_NAME = "rule-drafter/2"

_STEPS: dict[str, Callable[[Values], Iterator[dict[str, Any]]]] = {
    "OriginalKnowledge": knowledge.original,
    "EditedEntity": knowledge.edited_entity,
    "EditedSemantic": knowledge.edited_semantic,
    "EditedUser": knowledge.edited_user,
    "QuestionsEntity": questions.reliability_entity,
    "QuestionsSemantic": questions.reliability_semantic,
    "QuestionsUser": questions.reliability_user,
    "PortabilityEntity": questions.portability_entity,
    "PortabilityComposite": questions.portability_composite,
    "Locality": questions.locality,
}


def answer(schema_name: str, values: Values) -> dict[str, Any]:
    """Return the JSON object for a step; with every row of `revision` it is another one than before.

    Raises TooFewFactsError when the text does not give enough, or nothing else, KeyError for a value that is
    not there.
    """
    if schema_name not in _STEPS:
        raise TooFewFactsError(f"rules cannot answer with {schema_name}: that takes a language model")
    revision = values.get("revision", [])
    turned_down = len(revision) if isinstance(revision, list) else 0
    offered: list[dict[str, Any]] = []
    for candidate in _STEPS[schema_name](values):
        if candidate not in offered:
            offered.append(candidate)
        if len(offered) > turned_down:
            return candidate
    raise TooFewFactsError("there is no other draft by rule")
