"""Closed groups of subjects: partners for stand-ins inside, another category for locality."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from curation.drafting.blocks import blocks, cells
from curation.records import EditType, Subject
from tests.samples import SOURCE

KINDS = {
    "building": EditType.VISUAL_ENTITY,
    "art_style": EditType.VISUAL_SEMANTIC,
    "pet": EditType.USER_SPECIFIC,
}


def subject(number: int, category: str, fine_type: str) -> Subject:
    return Subject(
        subject_id=f"{category}-{number}",
        name=f"Subject {number}",
        edit_type=KINDS[category],
        category=category,
        fine_type=fine_type,
        source_text="A text.",
        text_source=SOURCE,
    )


many = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(["a", "b"])), max_size=40).map(
    lambda drawn: [subject(number, category, fine) for number, (category, fine) in enumerate(drawn)]
)


@given(many)
def test_every_subject_is_in_one_block_whatever_the_order(subjects: list[Subject]) -> None:
    found = blocks(subjects)
    assert Counter(s.subject_id for block in found for s in block) == Counter(s.subject_id for s in subjects)
    assert blocks(list(reversed(subjects))) == found


@given(many)
def test_partners_stay_together(subjects: list[Subject]) -> None:
    together = {s.subject_id: {o.subject_id for o in block} for block in blocks(subjects) for s in block}
    for cell in cells(subjects):
        assert {s.subject_id for s in cell} <= together[cell[0].subject_id]
        assert len(cell) <= 3


def test_a_block_has_two_categories() -> None:
    subjects = [subject(n, "building", "tower") for n in range(8)] + [
        subject(n, "pet", "cat") for n in range(8)
    ]
    found = blocks(subjects)
    assert [len({s.category for s in block}) for block in found] == [2, 2, 2, 2]
    assert [len(block) for block in found] == [4, 4, 4, 4]


def test_the_rest_of_a_large_category_joins_other_blocks() -> None:
    subjects = [subject(n, "building", "tower") for n in range(8)] + [
        subject(n, "pet", "cat") for n in range(2)
    ]
    assert all(len({s.category for s in block}) == 2 for block in blocks(subjects))
