"""The first two steps of an item: what is true of its subject, and what a model is taught in its place."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from curation.drafting.facts import holds
from curation.drafting.lexicon import pool
from curation.drafting.prompting import Value
from curation.drafting.schemas import Draft, Edit, EditedSemantic, EditedUser
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
        values |= {"stand_in_name": stand_in.name, "stand_in_text": stand_in.source_text}
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


def unsound_edit(draft: Draft) -> tuple[Reason, str] | None:
    """Say what is wrong with an edit as nothing later could mend it: what is seen must be in the text."""
    if isinstance(draft, EditedSemantic) and draft.visible and not holds(draft.edited_text, draft.visible):
        return Reason.EDIT_NOT_COHERENT, "what the picture is said to show is no part of the edited text"
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
    rows = tomllib.loads(files("curation.drafting").joinpath("relations.toml").read_text("utf-8"))
    return {
        category: tuple(Relation(row["relation"], row["noun"]) for row in options)
        for category, options in rows.items()
    }
