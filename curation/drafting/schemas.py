"""What a model has to answer at each drafting step: the one definition of the JSON and its limits."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

from curation.errors import IntegrityError

MAX_ANSWER_WORDS = 12
MAX_ORIGINAL_WORDS = 80
MAX_EDITED_WORDS = 60
MAX_QUESTION_WORDS = 40


def _words_at_most(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if not text.strip():
            raise ValueError("must not be empty")
        if len(text.split()) > limit:
            raise ValueError(f"must have at most {limit} words")
        return text

    return AfterValidator(check)


def _tidy(text: str) -> str:
    if text != text.strip() or text.endswith((".", ",", ";")):
        raise ValueError("must have no blank at its ends and no full stop, comma or semicolon at its end")
    return text


def _asks(text: str) -> str:
    if text.count("?") != 1 or not text.endswith("?"):
        raise ValueError("must be one question that ends with its only question mark")
    return text


Original = Annotated[str, _words_at_most(MAX_ORIGINAL_WORDS)]
Edited = Annotated[str, _words_at_most(MAX_EDITED_WORDS)]
Request = Annotated[str, _words_at_most(MAX_QUESTION_WORDS)]
Question = Annotated[str, _words_at_most(MAX_QUESTION_WORDS), AfterValidator(_asks)]
Answer = Annotated[str, _words_at_most(MAX_ANSWER_WORDS), AfterValidator(_tidy)]


class Draft(BaseModel):
    """An answer of a model; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Change(Draft):
    """One changed fact: what it is about, the value before and the value after."""

    aspect: Answer
    original: Answer
    edited: Answer


class Addition(Draft):
    """One fact that a user adds: what it is about and its value."""

    aspect: Answer
    value: Answer


def _exactly(count: int, what: str) -> AfterValidator:
    def check(values: list[Draft]) -> list[Draft]:
        if len(values) != count:
            raise ValueError(f"must hold exactly {count} {what}")
        return values

    return AfterValidator(check)


class OriginalKnowledge(Draft):
    """Step 1: one short paragraph of what is true."""

    original_text: Original


class EditedEntity(Draft):
    """Step 2 for visual_entity: the counterfactual paragraph and its two changed facts."""

    edited_text: Edited
    changes: Annotated[list[Change], _exactly(2, "changes")]


class EditedSemantic(Draft):
    """Step 2 for visual_semantic: the counterfactual paragraph and its one changed fact."""

    edited_text: Edited
    changes: Annotated[list[Change], _exactly(1, "change")]


class EditedUser(Draft):
    """Step 2 for user_specific: what the user tells, and the two added facts."""

    edited_text: Edited
    additions: Annotated[list[Addition], _exactly(2, "additions")]


class QuestionPair(Draft):
    """The two wordings of one reliability question: about the name, and about what is shown."""

    text_question: Question
    image_question: Question


class Portability(Draft):
    """One question one hop beyond the edited fact `bridge`, and its answer."""

    question: Question
    bridge: Answer
    answer: Answer


class QuestionsEntity(Draft):
    """Step 3 for visual_entity; reliability[i] asks for changes[i]."""

    request: Request
    rephrased_request: Request
    reliability: Annotated[list[QuestionPair], _exactly(2, "pairs")]
    portability: Portability


class QuestionsSemantic(Draft):
    """Step 3 for visual_semantic; all three questions ask for changes[0]."""

    request: Request
    rephrased_request: Request
    text_question: Question
    image_question: Question
    rephrased_image_question: Question


class QuestionsUser(Draft):
    """Step 3 for user_specific; reliability[i] asks for additions[i]."""

    request: Request
    rephrased_request: Request
    reliability: Annotated[list[QuestionPair], _exactly(2, "pairs")]


class Guess(Draft):
    """What a model answers to a question about a picture that it does not see."""

    answer: Request


class Choice(Draft):
    """A judge's choice: the letter of one option of the menu that it was given."""

    choice: Answer


Edit = EditedEntity | EditedSemantic | EditedUser
Questions = QuestionsEntity | QuestionsSemantic | QuestionsUser

_SCHEMAS: dict[str, type[Draft]] = {
    schema.__name__: schema
    for schema in (
        OriginalKnowledge,
        EditedEntity,
        EditedSemantic,
        EditedUser,
        QuestionsEntity,
        QuestionsSemantic,
        QuestionsUser,
        Guess,
        Choice,
    )
}


def schema_named(name: str) -> type[Draft]:
    """Return the schema that a prompt's front matter names; IntegrityError for an unknown one."""
    if name not in _SCHEMAS:
        raise IntegrityError(f"a prompt names the schema {name}, which does not exist")
    return _SCHEMAS[name]
