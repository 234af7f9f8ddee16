"""Train and eval share no picture and no subject."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from curation.records import EditType, Split
from tests.samples import make_item
from warehouse.splits import assign, components, leaks


def test_items_of_one_subject_are_one_component() -> None:
    items = [make_item(1, subject="a"), make_item(2, subject="a"), make_item(3)]
    assert components(items) == [("item-1", "item-2"), ("item-3",)]


def test_a_shared_picture_ties_items_together() -> None:
    one, other = make_item(1), make_item(2)
    other = other.model_copy(update={"images": (*other.images[:2], one.images[2])})
    assert components([one, other]) == [("item-1", "item-2")]


def test_the_share_of_train_is_near_two_fifths() -> None:
    items = [
        make_item(n, kind)
        for kind in EditType
        for n in range(30 * list(EditType).index(kind), 30 * list(EditType).index(kind) + 30)
    ]
    split = assign(items)
    for kind in EditType:
        train = sum(split[i.item_id] is Split.TRAIN for i in items if i.edit_type is kind)
        assert train == 12


@given(st.lists(st.integers(0, 6), min_size=1, max_size=25))
def test_no_split_leaks(subjects: list[int]) -> None:
    items = [make_item(n, subject=f"s{subject}") for n, subject in enumerate(subjects)]
    split = assign(items)
    assert set(split) == {item.item_id for item in items}
    assert leaks(items, split) == []
    assert assign(list(reversed(items))) == split


def test_a_leak_is_found() -> None:
    items = [make_item(1, subject="a"), make_item(2, subject="a")]
    found = leaks(items, {"item-1": Split.TRAIN, "item-2": Split.EVAL})
    assert found == [("item-1", "item-2", "subject:a")]
