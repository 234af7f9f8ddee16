"""Locality: what the prompt is given; answers come from the subjects' texts and not from the edit."""

from __future__ import annotations

import pytest

from curation.drafting.steps.locality import locality_probes, locality_values, pool_probe, sound_locality
from curation.drafting.steps.pools import PoolQuestion
from curation.drafting.steps.schemas import Locality, LocalityQuestion
from curation.errors import Reason
from curation.records import ImageRole, ProbeKind
from tests.drafts import subject

KOALA, CUBISM = subject("Koala"), subject("Cubism")


def answers(text: str, image: str) -> Locality:
    return Locality(
        text=LocalityQuestion(question="What kind of animal is the koala?", answer=text),
        image=LocalityQuestion(question="Where did the art style in the image begin?", answer=image),
    )


def test_the_prompt_is_given_both_subjects_and_what_no_answer_may_be() -> None:
    values = locality_values(KOALA, CUBISM, ["Norway", ""])
    assert (values["text_name"], values["image_category"]) == ("Koala", "art_style")
    assert (values["image_text"], values["taken"]) == (CUBISM.source_text, [{"value": "Norway"}])


@pytest.mark.parametrize(
    ("text", "image", "taken", "reason"),
    [
        ("marsupial", "Paris", [], None),
        ("Marsupial", "the Paris", [], None),
        ("rodent", "Paris", [], Reason.QUESTION_NOT_SOUND),
        ("marsupial", "Rome", [], Reason.QUESTION_NOT_SOUND),
        ("marsupial", "Cubism", [], None),
        ("marsupial", "Paris", ["paris"], Reason.LOCALITY_NOT_UNRELATED),
        ("marsupial", "Paris", ["Norway", ""], None),
    ],
)
def test_an_answer_is_in_its_subjects_text_and_none_of_the_edits(
    text: str, image: str, taken: list[str], reason: Reason | None
) -> None:
    found = sound_locality(KOALA, CUBISM, taken)(answers(text, image))
    assert (found[0] if found else None) is reason


def test_the_probes_hold_the_same_answer_before_and_after() -> None:
    text, image = locality_probes(answers("marsupial", "Paris"))
    assert (text.probe_id, text.image_role, image.image_role) == ("T-Loc", None, ImageRole.LOCALITY)
    assert (image.answer, image.original_answer) == ("Paris", "Paris")
    own = PoolQuestion("How many moons does Mars have?", "two", "https://x.org", "CC0-1.0")
    assert pool_probe(ProbeKind.T_LOC, own).answer == "two"
