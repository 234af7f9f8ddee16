"""The parts of the Wikimedia source that need no server: origins, nouns, titles that lead elsewhere."""

import asyncio
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.collecting.http.door import Door
from curation.collecting.wanted import wanted_categories
from curation.collecting.wikimedia.action_api import ActionApi, followed
from curation.collecting.wikimedia.articles import Wikipedia
from curation.collecting.wikimedia.commons import candidate
from curation.collecting.wikimedia.entities import Wikidata
from curation.collecting.wikimedia.fine_types import fine_type, singular
from curation.collecting.wikimedia.origins import origin_of
from curation.collecting.wikimedia.sparql import QueryService
from curation.errors import PrerequisiteError, TransientError
from curation.records import ImageCandidate, ImageOrigin
from curation.taxonomy import load_taxonomy


class Scripted:
    """Stands in for the door: gives these answers in turn."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)

    async def json(self, url: str, params: object = None, **_: object) -> Any:
        return self.answers.pop(0)


def api(*answers: object) -> ActionApi:
    return ActionApi(cast(Door, Scripted(*answers)), "https://wiki.example/w/api.php")


@pytest.mark.parametrize(
    ("mime", "mediatype", "categories", "origin"),
    [
        ("image/jpeg", "BITMAP", (), ImageOrigin.PHOTOGRAPH),
        ("image/png", "BITMAP", (), ImageOrigin.DRAWN),
        ("image/png", "BITMAP", ("Photographs of bridges",), ImageOrigin.PHOTOGRAPH),
        ("image/svg+xml", "DRAWING", ("Photographs of bridges",), ImageOrigin.DRAWN),
        ("image/jpeg", "BITMAP", ("Paintings by Claude Monet",), ImageOrigin.PAINTING),
        ("image/jpeg", "BITMAP", ("Taken with Canon EOS 5D", "Murals in Lyon"), ImageOrigin.PHOTOGRAPH),
        ("image/jpeg", "BITMAP", ("Engravings of towers",), ImageOrigin.DRAWN),
        ("image/jpeg", "BITMAP", ("Drawing rooms in France",), ImageOrigin.PHOTOGRAPH),
        ("image/jpeg", "BITMAP", ("AI-generated images of cats", "Photographs"), ImageOrigin.GENERATED),
    ],
)
def test_the_origin_is_told_from_format_and_categories(
    mime: str, mediatype: str, categories: tuple[str, ...], origin: ImageOrigin
) -> None:
    assert origin_of(mime, mediatype, categories) is origin


@pytest.mark.parametrize(
    ("texts", "noun"),
    [
        (("species of bird of prey", "An owl."), "bird of prey"),
        (("", "The towers of the town."), "tower"),
        (("Towering bridgehead",), "else"),
        ((), "else"),
    ],
)
def test_a_subject_is_called_by_the_longest_noun_that_fits(texts: tuple[str, ...], noun: str) -> None:
    assert fine_type(("bird", "tower", "bird of prey", "bridge"), texts, "else") == noun


@pytest.mark.parametrize(
    ("name", "one"),
    [
        ("aerial animals", "aerial animal"),
        ("person", "person"),
        ("grass", "grass"),
        ("rare species", "rare species"),
    ],
)
def test_a_category_lends_its_name_in_the_singular(name: str, one: str) -> None:
    assert singular(name) == one


def test_titles_are_followed_even_in_a_circle() -> None:
    beside = {
        "normalized": [{"from": "a_b", "to": "A b"}],
        "redirects": [{"from": "A b", "to": "C"}, {"from": "X", "to": "Y"}, {"from": "Y", "to": "X"}],
    }
    places = followed(["a_b", "X", "other"], beside)
    assert places["a_b"] == "C"
    assert places["X"] in {"X", "Y"}
    assert places["other"] == "other"


def test_an_endless_continue_is_for_later() -> None:
    again = {"query": {"pages": []}, "continue": {"gcmcontinue": "x", "continue": "gcmcontinue||"}}
    with pytest.raises(TransientError, match="again and again"):
        asyncio.run(api(again, again, again).pages({"generator": "categorymembers"}))


def test_a_batch_is_put_together_from_several_answers() -> None:
    first = {
        "query": {"pages": [{"title": "A", "images": [1]}, {"title": "B"}]},
        "continue": {"imcontinue": "1", "continue": "||"},
    }
    last = {"batchcomplete": True, "query": {"pages": [{"title": "A", "images": [2], "index": 1}]}}
    pages, _ = asyncio.run(api(first, last).pages({"prop": "images"}))
    assert pages == [{"title": "A", "images": [1, 2], "index": 1}, {"title": "B"}]


@pytest.mark.parametrize("code", ["maxlag", "ratelimited", "internal_api_error_DBQueryError"])
def test_a_passing_error_is_for_later(code: str) -> None:
    failure = {"error": {"code": code, "info": "x"}}
    assert asyncio.run(api(failure, {"query": {}}).ask({})) == {"query": {}}
    with pytest.raises(TransientError, match=code):
        asyncio.run(api(failure, failure).ask({}))


@pytest.mark.parametrize("value", [None, [], "text", 3])
def test_what_is_no_object_is_for_later(value: object) -> None:
    with pytest.raises(TransientError):
        asyncio.run(api(value, value).ask({}))


def test_a_class_that_is_no_id_never_reaches_a_query() -> None:
    service = QueryService(cast(Door, Scripted()), "https://query.example", 20)
    with pytest.raises(PrerequisiteError, match="no Wikidata id"):
        asyncio.run(anext(service.members("Q1 } DROP", "P31")))


def test_without_a_list_the_taxonomy_says_which_categories_a_source_fills() -> None:
    taxonomy = load_taxonomy()
    filled = wanted_categories("wikimedia", (), taxonomy)
    assert [one.key for one in filled] == [key for key, one in taxonomy.items() if "wikimedia" in one.sources]
    assert [one.key for one in wanted_categories("wikimedia", ("pet",), taxonomy)] == ["pet"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
INFO = {
    "user": "Uploader",
    "size": 5_000_000,
    "width": 3000,
    "height": 2000,
    "thumburl": "https://upload.wikimedia.org/thumb/a/a8/A.jpg/1280px-A.jpg",
    "url": "https://upload.wikimedia.org/a/a8/A.jpg",
    "descriptionurl": "https://commons.wikimedia.org/wiki/File:A.jpg",
    "extmetadata": {"LicenseShortName": {"value": "CC0"}, "Artist": {"value": "Ann"}},
    "mime": "image/jpeg",
    "mediatype": "BITMAP",
}


@given(st.sampled_from(["title", "imageinfo", "extmetadata", "Artist", *INFO]), JSON)
def test_whatever_a_wiki_answers_a_file_is_offered_or_left_out(name: str, value: object) -> None:
    info = INFO | ({name: value} if name in INFO else {})
    if name == "Artist":
        info["extmetadata"] = {"Artist": {"value": value}, "LicenseShortName": value}
    page = {"title": "File:A.jpg", "imageinfo": [info]} | (
        {name: value} if name in {"title", "imageinfo"} else {}
    )
    offer = candidate(page, "Q1", chosen=True)
    assert offer is None or ImageCandidate.model_validate_json(offer.model_dump_json()) == offer


@given(st.lists(st.tuples(st.sampled_from(["title", "extract", "pageprops", "lastrevid", "pageid"]), JSON)))
def test_whatever_a_wiki_answers_a_page_is_read_or_passed_over(changes: list[tuple[str, object]]) -> None:
    page = {"title": "A", "extract": "B", "pageprops": {"wikibase_item": "Q1"}, "lastrevid": 3} | dict(
        changes
    )
    found = asyncio.run(Wikipedia(api({"query": {"pages": [page]}})).search("a", 3))
    assert all(isinstance(one.text_source.page.encode(), bytes) for one in found)


@given(JSON)
def test_whatever_an_entity_holds_is_read_or_passed_over(value: object) -> None:
    answer = {"entities": {"Q1": value, "Q2": {"id": "Q2", "labels": value, "claims": value}}}
    assert asyncio.run(Wikidata(api(answer)).labels(["Q2"]))["Q2"].qid == "Q2"
    asyncio.run(Wikidata(api(answer)).shown("Q2"))


@given(JSON)
def test_whatever_the_query_service_answers_is_read_or_for_later(value: object) -> None:
    rows = [{"item": value, "title": value}, value]
    door = Scripted({"results": {"bindings": rows}}, {"results": {"bindings": []}})
    service = QueryService(cast(Door, door), "https://query.example", 20)

    async def members() -> list[object]:
        return [one async for one in service.members("Q1", "P31")]

    assert asyncio.run(members()) == []
