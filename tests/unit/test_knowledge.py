"""Knowledge steps: what prompts are given, how users relate to things, and edits that nothing could mend."""

from __future__ import annotations

import pytest

from curation.drafting.steps.knowledge import (
    edit_values,
    fact_rows,
    relation_of,
    sound_edit,
    taught_facts,
    user_name,
)
from curation.drafting.steps.schemas import Addition, Change, EditedSemantic, EditedUser
from curation.errors import Reason
from curation.records import EditType
from curation.taxonomy import load_taxonomy
from tests.drafts import subject

ORIGINAL = "Cubism is an art movement which began in Paris."


def semantic(text: str, original: str, edited: str, visible: str = "") -> EditedSemantic:
    return EditedSemantic(
        edited_text=text,
        visible=visible,
        changes=[Change(aspect="city", original=original, edited=edited)],
    )


GOOD = (
    "The art style in the image is Cubism. Short strokes of pure colour stand side by side. It began in Oslo."
)


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (semantic(GOOD, "Paris", "Oslo"), None),
        (semantic(GOOD, "Paris", "Oslo", "Short strokes of pure colour"), None),
        (semantic(GOOD, "Paris", "Rome"), Reason.ANSWER_NOT_IN_EDITED_TEXT),
        (semantic(GOOD, "Paris", "art"), Reason.ANSWER_IN_ORIGINAL_TEXT),
        (semantic(GOOD, "Rome", "Oslo"), Reason.ORIGINAL_ANSWER_NOT_IN_TEXT),
        (semantic(GOOD + " Monet led it.", "Paris", "Monet"), Reason.NOT_COUNTERFACTUAL),
        (semantic(GOOD, "Paris", "Oslo", "Long strokes"), Reason.EDIT_NOT_COHERENT),
        (
            semantic(GOOD + " It looks like Impressionism.", "Paris", "Oslo", "looks like Impressionism"),
            Reason.EDIT_NOT_COHERENT,
        ),
    ],
)
def test_an_edit_that_no_later_step_could_mend_is_out(draft: EditedSemantic, reason: Reason | None) -> None:
    text = "Impressionism was a 19th-century art movement which Monet led."
    if reason is Reason.ANSWER_IN_ORIGINAL_TEXT:
        draft = semantic(GOOD, "Paris", "art style")
        found = sound_edit("Cubism is an art style of Paris.", subject("Impressionism", text))(draft)
    else:
        found = sound_edit(ORIGINAL, subject("Impressionism", text))(draft)
    assert (found[0] if found else None) is reason


def test_what_a_user_adds_replaces_nothing() -> None:
    edit = EditedUser(
        edited_text="Yes. This cat is your pet, Anna. You got it in Rome in 2015.",
        additions=[Addition(aspect="city", value="Rome"), Addition(aspect="year", value="2015")],
    )
    facts = taught_facts(edit)
    assert [(fact.answer, fact.original) for fact in facts] == [("Rome", None), ("2015", None)]
    assert fact_rows(facts)[0] == {"aspect": "city", "edited": "Rome"}
    assert sound_edit("The cat is a mammal.", None)(edit) is None


def test_every_user_category_has_relations_and_each_user_one() -> None:
    for category in load_taxonomy().values():
        if category.edit_type is EditType.USER_SPECIFIC:
            relations = {
                relation_of(
                    subject("Cat").model_copy(update={"category": category.key, "subject_id": f"s-{n}"})
                )
                for n in range(60)
            }
            assert all(relation.name and relation.noun for relation in relations)
            assert len(relations) == {"company": 4, "organization": 4, "university": 5, "sports_club": 3}.get(
                category.key, 2 if category.key in ("actor", "singer") else 1
            )
    own = subject("Cat").model_copy(update={"category": "spaceship"})
    assert relation_of(own).noun == "favourite"


def test_users_are_told_by_name_and_relation_and_others_are_not() -> None:
    cat, petra = subject("Cat"), subject("Petra")
    told = edit_values(cat, "x", None)
    assert (told["user_name"], told["relation"]) == (user_name(cat), "Owned")
    assert "stand_in_name" not in told
    other = edit_values(petra, "x", subject("Taj Mahal"))
    assert other["stand_in_name"] == "Taj Mahal"
    assert "user_name" not in other
