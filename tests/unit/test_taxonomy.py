"""The taxonomy says what the paper's statistics say."""

from collections import Counter

from curation.records import EditType
from curation.taxonomy import load_taxonomy


def test_the_33_categories_add_up_to_the_papers_totals() -> None:
    categories = load_taxonomy().values()
    kinds = Counter(category.edit_type for category in categories)
    items = Counter[EditType]()
    for category in categories:
        items[category.edit_type] += category.count
    assert kinds == {
        EditType.VISUAL_ENTITY: 10,
        EditType.VISUAL_SEMANTIC: 14,
        EditType.USER_SPECIFIC: 9,
    }
    assert items == {
        EditType.VISUAL_ENTITY: 1591,
        EditType.VISUAL_SEMANTIC: 507,
        EditType.USER_SPECIFIC: 842,
    }


def test_a_category_is_found_by_its_key() -> None:
    assert load_taxonomy()["terrestrial_animals"].count == 286
    assert load_taxonomy()["item"].count + load_taxonomy()["pet"].count == 42
