"""The first two steps of an item: what is true of its subject, and what a model is taught in its place."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from curation.drafting.checks.finding import plain
from curation.drafting.checks.words import says
from curation.drafting.mining.lexicon import pool
from curation.drafting.mining.phrases import bare_name
from curation.drafting.steps.asking import Sound
from curation.drafting.steps.prompting import Value
from curation.drafting.steps.schemas import Draft, Edit, EditedEntity, EditedSemantic, EditedUser
from curation.errors import Reason
from curation.ids import sha256_json
from curation.records import EditType, Subject


@dataclass(frozen=True, slots=True)
class TaughtFact:
    """A value that is taught and asked for; original: what is true in its place, None where nothing is."""

    aspect: str
    answer: str
    original: str | None


@dataclass(frozen=True, slots=True)
class Relation:
    """How a user relates to a thing ('Employed at'), and the noun that goes after 'your' ('employer')."""

    name: str
    noun: str


def original_values(subject: Subject) -> dict[str, Value]:
    """Return what the prompt of the original knowledge may be given."""
    return {"source_title": subject.text_source.title, "source_text": subject.source_text}


def edit_values(subject: Subject, original_text: str, stand_in: Subject | None) -> dict[str, Value]:
    """Return what the prompts of the edited knowledge may be given; stand_in: whose picture is shown."""
    values: dict[str, Value] = {"original_text": original_text, "source_text": subject.source_text}
    if stand_in is not None:
        values |= {"stand_in_name": bare_name(stand_in.name), "stand_in_text": stand_in.source_text}
    if subject.edit_type is EditType.USER_SPECIFIC:
        relation = relation_of(subject)
        values |= {
            "user_name": user_name(subject),
            "relation": relation.name,
            "relation_noun": relation.noun,
        }
    return values


def taught_facts(edit: Edit) -> tuple[TaughtFact, ...]:
    """Return the facts of an edit, in the order in which they are asked for."""
    if isinstance(edit, EditedUser):
        return tuple(TaughtFact(row.aspect, row.value, None) for row in edit.additions)
    return tuple(TaughtFact(row.aspect, row.edited, row.original) for row in edit.changes)


def fact_rows(facts: tuple[TaughtFact, ...]) -> list[dict[str, str]]:
    """Return facts as the rows `changes` of a prompt."""
    return [
        {"aspect": fact.aspect, "edited": fact.answer}
        | ({"original": fact.original} if fact.original is not None else {})
        for fact in facts
    ]


def sound_edit(original_text: str, stand_in: Subject | None) -> Sound:
    """Return the test of an edit by what no later step could mend, so that none is asked for in vain.

    Each taught value is in the edited text and not in the original one; text and picture agree; who
    recognises the stand-in in the picture does not know a taught value from that.
    """

    def wrong(draft: Draft) -> tuple[Reason, str] | None:
        if not isinstance(draft, EditedEntity | EditedSemantic | EditedUser):
            return None
        for fact in taught_facts(draft):
            fault = _fault(fact, draft.edited_text, original_text, stand_in)
            if fault is not None:
                return fault
        if isinstance(draft, EditedSemantic) and draft.visible not in draft.edited_text:
            return Reason.EDIT_NOT_COHERENT, "`visible` is no part of the edited text"
        shown = bare_name(stand_in.name) if stand_in is not None else ""
        if isinstance(draft, EditedSemantic) and says(draft.visible, shown):
            return Reason.EDIT_NOT_COHERENT, "the text names the stand-in that the picture shows"
        return None

    return wrong


def _fault(
    fact: TaughtFact, edited_text: str, original_text: str, stand_in: Subject | None
) -> tuple[Reason, str] | None:
    value = f"'{plain(fact.answer)}'"
    if not says(edited_text, fact.answer):
        return Reason.ANSWER_NOT_IN_EDITED_TEXT, f"{value} is no span of the edited text"
    if says(original_text, fact.answer):
        return Reason.ANSWER_IN_ORIGINAL_TEXT, f"{value} stands in the original text too"
    if fact.original is not None and not says(original_text, fact.original):
        return (
            Reason.ORIGINAL_ANSWER_NOT_IN_TEXT,
            f"'{plain(fact.original)}' is no span of the original text",
        )
    if stand_in is not None and says(stand_in.source_text, fact.answer):
        return Reason.NOT_COUNTERFACTUAL, f"{value} is said of the stand-in in the picture too"
    return None


def user_name(subject: Subject) -> str:
    """Return the invented first name of the user that an item belongs to."""
    names = pool("first_names")
    return names[_number("user", subject) % len(names)]


def relation_of(subject: Subject) -> Relation:
    """Return how the user of an item relates to its subject: one of its category's relations, by hash."""
    options = _relations().get(subject.category) or _relations()["other"]
    return options[_number("relation", subject) % len(options)]


def _number(what: str, subject: Subject) -> int:
    return int(sha256_json([what, subject.subject_id])[:8], 16)


@cache
def _relations() -> dict[str, tuple[Relation, ...]]:
    rows = tomllib.loads(files("curation.drafting.steps").joinpath("relations.toml").read_text("utf-8"))
    return {
        category: tuple(Relation(row["relation"], row["noun"]) for row in options)
        for category, options in rows.items()
    }
