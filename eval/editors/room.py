"""Whether a model has room for a case's questions behind a text that is put before each of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from eval.editors.port import EditRequest
from eval.models.port import DoesNotFitError, MultimodalModel, Question
from eval.records import Dialect, Unscored


def questions_of(request: EditRequest) -> list[Question]:
    """Return what the case's probes ask, longest text first; any picture is as long as another."""
    picture = request.prompt.question.picture
    asked = [
        Question(probe.question, probe.answer, picture if probe.image_role is not None else None)
        for probe in request.case.probes
    ]
    return sorted(asked, key=lambda question: (question.picture is None, -len(question.text)))


def has_room(model: MultimodalModel, questions: Sequence[Question], context: str, dialect: Dialect) -> bool:
    """Return whether the model takes every question with its answer behind a context."""
    for question in questions:
        try:
            model.encode(replace(question, context=context), dialect)
        except DoesNotFitError as error:
            # An answer without labels is that probe's own matter.
            if error.reason is Unscored.TOO_LONG:
                return False
    return True
