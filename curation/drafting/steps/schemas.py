"""What a model has to answer at each drafting step: the one definition of the JSON and its limits.

The values that the prompts of the steps are given, by the same names everywhere:

name, fine_type, category: the subject without its disambiguation, the noun for it in questions, its category.
source_title, source_text: the subject's encyclopaedic text.
original_text, edited_text: what is true and what is taught, as earlier steps wrote them.
changes: rows of aspect, edited (the value that is taught) and, but for users, original.
stand_in_name, stand_in_text: entity and semantic items: the subject whose picture is shown, and its text. No
edited value may stand in that text: who recognises the picture would know the answer without the edit.
user_name, relation, relation_noun: user items: the owner's first name, how they relate to the thing
('Employed at'), and the noun that goes after 'your' ('employer').
bridges: PortabilityEntity: one or two rows of aspect, original, bridge (the edited value), bridge_text (the
second source text, which is about the bridge) and original_value_text (one about the original value, or '').
whose: PortabilityComposite: how the question speaks of the thing that is asked about ('Anna's hammer').
side, main_colour: PortabilityComposite: 'left' or 'right', and a colour or '' where none is clear: what was
computed of the half that shows it. other_name: what the other half shows.
text_name, text_fine_type, text_category, text_text: Locality: the unrelated subject that T-Loc asks about.
image_name, image_fine_type, image_category, image_text: Locality: the one that the I-Loc picture shows.
taken: Locality: rows of value, which no answer may be.
revision: rows of reason, detail and comment: why earlier drafts of this step were turned down; none at first.
"""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from curation.errors import IntegrityError

MAX_ANSWER_WORDS = 12
MAX_ORIGINAL_WORDS = 80
MAX_EDITED_WORDS = 100
MAX_QUESTION_WORDS = 40
MAX_EVIDENCE_WORDS = 60


def _words_at_most(limit: int, *, allow_empty: bool = False) -> AfterValidator:
    def check(text: str) -> str:
        text = unicodedata.normalize("NFC", text)
        if not text.strip() and not allow_empty:
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
Evidence = Annotated[str, _words_at_most(MAX_EVIDENCE_WORDS)]
Visible = Annotated[str, _words_at_most(MAX_QUESTION_WORDS, allow_empty=True)]


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
    """Step 2 for visual_semantic: the counterfactual paragraph and its one changed fact.

    visible: the words of edited_text, letter for letter, that tell what the picture of the stand-in shows;
    '' where neither its text nor its picture says so.
    """

    edited_text: Edited
    visible: Visible
    changes: Annotated[list[Change], _exactly(1, "change")]


class EditedUser(Draft):
    """Step 2 for user_specific: what the user tells, and the two added facts."""

    edited_text: Edited
    additions: Annotated[list[Addition], _exactly(2, "additions")]


class QuestionPair(Draft):
    """The two wordings of one reliability question: about the name, and about what is shown."""

    text_question: Question
    image_question: Question


class PortabilityEntity(Draft):
    """Portability for visual_entity: one hop from a row of `bridges` to a fact of that row's text.

    bridge: the row's bridge. evidence: the words of the row's text, letter for letter, that hold the answer.
    """

    question: Question
    bridge: Answer
    answer: Answer
    evidence: Evidence


class PortabilityComposite(Draft):
    """Portability for the others: a plain visual attribute of one half of the side-by-side picture.

    attribute: 'side' (the answer is `side`), 'main_colour' (the answer is `main_colour`), or 'seen':
    something else that the attached picture shows plainly; not to be chosen where no picture is attached.
    """

    attribute: Literal["side", "main_colour", "seen"]
    question: Question
    answer: Answer


class LocalityQuestion(Draft):
    """A question on an unrelated subject, and its answer as that subject's text gives it."""

    question: Question
    answer: Answer


class Locality(Draft):
    """T-Loc by name and I-Loc about a picture: true facts of two subjects that the edit does not touch."""

    text: LocalityQuestion
    image: LocalityQuestion


class QuestionsEntity(Draft):
    """Step 3 for visual_entity; reliability[i] asks for changes[i]."""

    request: Request
    rephrased_request: Request
    reliability: Annotated[list[QuestionPair], _exactly(2, "pairs")]


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
        PortabilityEntity,
        PortabilityComposite,
        Locality,
        Guess,
        Choice,
    )
}


def schema_named(name: str) -> type[Draft]:
    """Return the schema that a prompt's front matter names; IntegrityError for an unknown one."""
    if name not in _SCHEMAS:
        raise IntegrityError(f"a prompt names the schema {name}, which does not exist")
    return _SCHEMAS[name]
