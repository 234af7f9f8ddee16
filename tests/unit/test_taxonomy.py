"""The taxonomy says what the paper's statistics say, grows by a few lines, and names all that is wrong."""

from __future__ import annotations

import tomllib
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from curation.errors import PrerequisiteError
from curation.records import EditType
from curation.taxonomy import SOURCE_KINDS, load_taxonomy, problems, read_table

BRIDGE = """
[[category]]
key = "bridge"
name = "bridge"
edit_type = "visual_entity"
quota = 40
fine_types = ["bridge"]
search_terms = ["bridge"]
sources = ["wikimedia", "folder"]
"""


def with_lines(folder: Path, text: str) -> Path:
    path = folder / "taxonomy.toml"
    path.write_text(text)
    return path


def test_the_33_categories_add_up_to_the_papers_totals() -> None:
    categories = load_taxonomy().values()
    kinds = Counter(category.edit_type for category in categories)
    items = Counter[EditType]()
    quotas = Counter[EditType]()
    for category in categories:
        items[category.edit_type] += category.count
        quotas[category.edit_type] += category.quota
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
    assert quotas == items


def test_a_category_is_found_by_its_key() -> None:
    assert load_taxonomy()["terrestrial_animals"].count == 286
    assert load_taxonomy()["item"].count + load_taxonomy()["pet"].count == 42


def test_pet_is_wanted_though_the_papers_chart_does_not_count_it() -> None:
    table = load_taxonomy()
    assert (table["pet"].quota, table["item"].quota) == (21, 21)


def test_every_category_can_be_filled_by_search() -> None:
    for category in load_taxonomy().values():
        assert category.fine_types
        assert category.search_terms
        assert set(category.sources) <= set(SOURCE_KINDS)
        assert {"wikimedia", "openverse"} & set(category.sources)


def test_without_classes_there_are_terms_enough_for_the_quota() -> None:
    pages_per_term = 3  # what the Wikimedia source takes of a term, by default
    bare = [category for category in load_taxonomy().values() if not category.wikidata]
    assert len(bare) == 12
    assert all(len(category.search_terms) * pages_per_term >= category.quota for category in bare)


def test_the_sample_uses_fine_types_of_the_taxonomy() -> None:
    text = files("curation.collecting").joinpath("sample.toml").read_text(encoding="utf-8")
    table = load_taxonomy()
    for entry in tomllib.loads(text)["subject"]:
        assert entry["fine_type"] in table[entry["category"]].fine_types


def test_the_shipped_file_has_no_problems() -> None:
    assert problems(read_table()) == []


def test_a_category_of_ones_own_is_a_few_lines(tmp_path: Path) -> None:
    table = load_taxonomy(with_lines(tmp_path, BRIDGE))
    assert len(table) == 34
    assert list(table)[-1] == "bridge"
    assert (table["bridge"].quota, table["bridge"].count) == (40, 0)
    assert len(load_taxonomy()) == 33


WRONG = [
    ('edit_type = "visual_entity"', 'edit_type = "visual"', "edit_type 'visual' is unknown"),
    ("quota = 40", "", "bridge: quota is missing"),
    ("quota = 40", "quota = -1", "bridge: quota"),
    ("quota = 40", 'quota = "many"', "bridge: quota"),
    ('search_terms = ["bridge"]', "search_terms = []", "neither search_terms nor wikidata"),
    ('search_terms = ["bridge"]', 'search_terms = ["a", "a"]', "'a' stands 2 times in search_terms"),
    ('search_terms = ["bridge"]', 'search_terms = [" "]', "an empty text in search_terms"),
    ('search_terms = ["bridge"]', "search_terms = [3]", "bridge: search_terms.0"),
    ('fine_types = ["bridge"]', "", "no fine_types"),
    ("quota = 40", 'quota = 40\nwikidata = ["Q12280", "12280"]', "'12280' is no Wikidata id"),
    ("quota = 40", 'quota = 40\nwikidata = ["Q012"]', "'Q012' is no Wikidata id"),
    ("quota = 40", 'quota = 40\nwikidata_property = "P279"', "bridge: wikidata_property"),
    ("quota = 40", "quota = 40\ncolour = 1", "colour is no field of a category"),
    ('"folder"', '"google"', "'google' is no kind of source"),
    ('sources = ["wikimedia", "folder"]', "", "no sources"),
    ('key = "bridge"', 'key = "building"', "key 'building' stands there 2 times"),
    ('name = "bridge"', 'name = "Building"', "name 'building' stands there 2 times"),
    ('key = "bridge"', 'key = "Bridge 1"', "Bridge 1: key"),
    ('key = "bridge"', "", "category 34: key is missing"),
    (
        "quota = 40",
        "quota = 40\ncount = 2",
        "the counts of visual_entity add up to 1593, the total says 1591",
    ),
]


@pytest.mark.parametrize(("old", "new", "told"), WRONG)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = with_lines(tmp_path, BRIDGE.replace(old, new))
    found = problems(read_table(path))
    assert [told in problem for problem in found].count(True) == 1
    with pytest.raises(PrerequisiteError, match=r"mmke taxonomy check"):
        load_taxonomy(path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    text = BRIDGE
    for old, new in [
        ("quota = 40", ""),
        ('"visual_entity"', '"visual"'),
        ('["bridge"]', "[]"),
        ('"folder"', '"x"'),
    ]:
        text = text.replace(old, new)
    found = problems(read_table(with_lines(tmp_path, text + BRIDGE.replace('"bridge"', '"plant"'))))
    assert len(found) == 7
    assert len(set(found)) == 7


@pytest.mark.parametrize(
    "text", ["[[category", "x = 1", "category = 3", "[total]\nvisual_entity = 2\n" + BRIDGE, "category = [1]"]
)
def test_what_is_no_table_of_categories_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(PrerequisiteError, match=r"taxonomy\.toml"):
        load_taxonomy(with_lines(tmp_path, text))
    with pytest.raises(PrerequisiteError, match="cannot be read"):
        load_taxonomy(tmp_path / "gone.toml")
