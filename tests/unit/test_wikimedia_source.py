"""The Wikimedia source against a loopback server: subjects by class and term, pictures from three places."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina

from curation.collecting.http.door import Door, DoorSettings
from curation.collecting.port import Fetched
from curation.collecting.wikimedia import WikimediaSource
from curation.errors import PrerequisiteError, Reason, Rejected, TransientError
from curation.records import ImageCandidate, ImageOrigin, Subject
from tests.loopback import Answer, Loopback
from tests.wikimedia_server import (
    LEAD,
    TOWERS,
    File,
    Item,
    Page,
    World,
    answer,
    maxlag,
    photograph,
    small_world,
    wikimedia_source,
)
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches

Do = Callable[..., Any]
Work = Callable[[WikimediaSource], Awaitable[Any]]


@pytest.fixture
def world() -> Iterator[World]:
    with stamina.set_testing(True, attempts=2), Loopback() as server:
        yield small_world(server)


@pytest.fixture
def do(world: World, tmp_path: Path) -> Do:
    def run(work: Work, **more: object) -> Any:
        async def inside() -> Any:
            settings = DoorSettings(trusted_hosts=(world.server.host,))
            async with Door(settings, Fetches(Artefacts(tmp_path))) as door:
                return await work(wikimedia_source(world, door, **more))  # type: ignore[arg-type]

        return asyncio.run(inside())

    return run


async def everything(source: WikimediaSource) -> list[Subject | Rejected]:
    return [one async for one in source.subjects()]


async def kept(source: WikimediaSource) -> list[Subject]:
    return [one async for one in source.subjects() if isinstance(one, Subject)]


async def pictures(source: WikimediaSource, subject_id: str = "Q243") -> list[ImageCandidate]:
    subject = next(one for one in await kept(source) if one.subject_id == subject_id)
    return await source.search(subject)


def test_classes_take_turns_and_the_best_known_come_first(world: World, do: Do) -> None:
    found = do(kept)
    assert [one.subject_id for one in found] == ["Q243", "Q44440", "Q39054", "Q901"]
    assert [one.fine_type for one in found] == ["tower", "bridge", "tower", "hand gesture"]
    query = world.asked("/sparql")[0]["query"]
    assert "wdt:P31/wdt:P279* ?class" in query
    assert "wikibase:label" not in query
    assert "ORDER BY DESC(?links) ?item" in query


def test_the_subjects_are_the_same_whenever_they_are_asked_for(do: Do) -> None:
    async def twice(source: WikimediaSource) -> list[list[Subject]]:
        return [await kept(source), await kept(source)]

    first, second = do(twice)
    assert first == second


def test_another_subject_takes_the_place_of_one_without_pictures(world: World, do: Do) -> None:
    world.files.pop("Gate.jpg")

    async def searched(source: WikimediaSource) -> list[str]:
        found = []
        async for one in source.subjects():
            if isinstance(one, Subject):
                found.append(one.subject_id)
                await source.search(one)
        return found

    assert do(searched, categories={"building": TOWERS.model_copy(update={"quota": 2})}) == [
        "Q243",
        "Q44440",
        "Q39054",
    ]


def test_terms_fill_what_the_classes_leave_open(world: World, do: Do) -> None:
    world.found["old towers"] = ("Eiffel Tower", "Thumb signal")
    both = TOWERS.model_copy(update={"quota": 9, "search_terms": ("old towers",)})
    found = do(kept, categories={"building": both})
    assert [one.subject_id for one in found] == ["Q243", "Q44440", "Q39054", "Q901"]


def test_a_subject_carries_its_lead_and_the_revision_it_is_of(do: Do) -> None:
    tower = do(kept)[0]
    assert (tower.name, tower.category, tower.edit_type) == ("Eiffel Tower", "building", TOWERS.edit_type)
    assert tower.source_text == LEAD.format("The Eiffel Tower")
    place = "https://en.wikipedia.org/w/index.php?title=Eiffel_Tower&oldid=1009232"
    assert tower.text_source.page == place
    assert tower.text_source.licence == "CC-BY-SA-4.0"


def test_each_category_stops_at_its_quota(world: World, do: Do) -> None:
    for number in range(1000, 1080):
        world.add(
            Item(f"Q{number}", f"tower {number}", ("Q12518",), f"Tower {number}", "", 50, ("Pisa.jpg",)),
            Page(f"Tower {number}", LEAD.format(f"Tower {number}"), number, f"Q{number}"),
        )
    found = do(kept, categories={"building": TOWERS.model_copy(update={"quota": 60})})
    assert len(found) == 60
    assert len({one.subject_id for one in found}) == 60
    assert do(kept, categories={"building": TOWERS.model_copy(update={"quota": 60})}) == found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Page("Eiffel Tower", None, 9232, "Q243"), "0 characters"),
        (Page("Eiffel Tower", "Short.", 9232, "Q243"), "6 characters"),
        (Page("Eiffel Tower", LEAD, 9232, "Q243", disambiguation=True), "only lists"),
        (Page("Eiffel Tower", LEAD, 9232, "Q777"), "about something else"),
    ],
)
def test_what_has_no_text_of_its_own_is_rejected(world: World, do: Do, change: Page, said: str) -> None:
    world.add(change)
    refused = [one for one in do(everything) if isinstance(one, Rejected) and one.key == "Q243"]
    assert [one.reason for one in refused] == [Reason.NO_SOURCE_TEXT]
    assert said in refused[0].detail


def test_a_term_that_finds_nothing_is_rejected(do: Do) -> None:
    refused = [one for one in do(everything) if isinstance(one, Rejected)]
    assert [one.reason for one in refused] == [Reason.NO_SOURCE_TEXT]
    assert "crossed fingers" in refused[0].detail


def test_titles_and_items_are_followed_where_they_moved(world: World, do: Do) -> None:
    world.items["Q39054"].title = "Leaning_Tower"
    world.redirects["Leaning Tower"] = "Tower of Pisa"
    world.items["Q5"] = Item("Q5", "old", ("Q12280",), "Golden Gate Bridge", "", 130, ("Gate.jpg",))
    world.moved["Q5"] = "Q44440"
    found = {one.subject_id: one for one in do(kept)}
    assert list(found) == ["Q243", "Q44440", "Q39054", "Q901"]
    assert found["Q39054"].text_source.title == "Tower of Pisa"


def test_an_item_without_an_english_name_is_called_like_its_page(world: World, do: Do) -> None:
    world.items["Q243"].label = ""
    world.items["Q243"].title = "Eiffel Tower (Paris)"
    world.add(Page("Eiffel Tower (Paris)", LEAD.format("Ейфелева вежа \u202e\x00"), 9232, "Q243"))
    tower = do(kept)[0]
    assert tower.name == "Eiffel Tower"
    assert tower.source_text.startswith("Ейфелева вежа is a thing")


def test_slow_pages_are_asked_for_again_at_half_the_size(world: World, do: Do) -> None:
    world.slow_above = 60
    assert len(do(kept)) == 4
    limits = [query["query"].rpartition("LIMIT ")[2].split()[0] for query in world.asked("/sparql")[:6]]
    assert limits == ["200", "200", "100", "100", "50", "200"]


@pytest.mark.parametrize("fault", [Answer(status=504), Answer(b'{"results": {"bindings": ['), answer([])])
def test_a_service_that_stays_down_leaves_the_category_for_later(world: World, do: Do, fault: Answer) -> None:
    world.server.route("/sparql", fault)
    seen: list[Subject | Rejected] = []

    async def collect(source: WikimediaSource) -> None:
        async for one in source.subjects():
            seen.append(one)

    with pytest.raises(TransientError, match="not finished: building"):
        do(collect)
    assert [one.subject_id for one in seen if isinstance(one, Subject)] == ["Q901"]


def test_a_class_that_is_too_slow_holds_up_no_other(world: World, do: Do) -> None:
    world.slow_classes = {"Q12280"}
    seen: list[str] = []

    async def collect(source: WikimediaSource) -> None:
        async for one in source.subjects():
            seen.append(one.subject_id if isinstance(one, Subject) else one.key)

    with pytest.raises(TransientError, match="not finished: building"):
        do(collect)
    assert seen[:2] == ["Q243", "Q39054"]


def test_where_the_walk_is_too_slow_its_classes_are_listed_and_asked_about(world: World, do: Do) -> None:
    world.slow_paths = True
    world.subclasses["Q12518"] = tuple(f"Q{number}" for number in range(5000, 5450))
    world.items["Q39054"].classes = ("Q5449",)
    assert [one.subject_id for one in do(kept)] == ["Q243", "Q44440", "Q39054", "Q901"]
    values = [
        query["query"].count("wd:Q") for query in world.asked("/sparql") if "P31 ?class" in query["query"]
    ]
    assert max(values) == 200


def test_a_wiki_that_is_behind_is_waited_for(world: World, do: Do) -> None:
    limited = {"error": {"code": "ratelimited", "info": "You've exceeded your rate limit."}}
    world.faults["/wikidata/api.php"] = [maxlag(seconds=1)]
    world.faults["/wikipedia/api.php"] = [Answer(status=429, headers={"Retry-After": "1"})]
    world.faults["/commons/api.php"] = [answer(limited, headers={"Retry-After": "1"})]
    assert len(do(pictures)) == 3


def test_a_failure_is_not_remembered_by_the_next_run(world: World, do: Do) -> None:
    failure = answer({"error": {"code": "cirrussearch-too-busy-error", "info": "Search is too busy."}})
    world.faults["/wikipedia/api.php"] = [failure, failure]
    with pytest.raises(TransientError, match="too busy"):
        do(kept, only=("life_gesture",))
    assert [one.subject_id for one in do(kept, only=("life_gesture",))] == ["Q901"]


def test_an_error_that_no_wait_mends_says_what_to_correct(world: World, do: Do) -> None:
    error = {"code": "badvalue", "info": 'Unrecognized value for parameter "action": \u202e<b>query</b>.'}
    world.server.route("/wikipedia/api.php", answer({"error": error}))
    with pytest.raises(PrerequisiteError, match=r"badvalue.*endpoint in mmke\.toml"):
        do(everything)


def test_a_second_run_asks_nothing_again(world: World, do: Do) -> None:
    first = do(pictures)
    requests = len(world.server.seen)
    assert do(pictures) == first
    assert len(world.server.seen) == requests


def test_pictures_come_from_the_item_its_category_and_its_page(world: World, do: Do) -> None:
    found = do(pictures)
    pages = [one.source_page.rpartition(":")[2] for one in found]
    assert pages == ["Eiffel.jpg", "Night.jpg", "Page.jpg"]
    asked = world.asked("/commons/api.php")[0]
    assert asked["iiprop"] == "url|size|mime|mediatype|sha1|timestamp|user|extmetadata"
    assert asked["titles"] == "File:Eiffel.jpg"


def test_the_lead_picture_goes_before_the_others_on_a_page(world: World, do: Do) -> None:
    page = Page("Eiffel Tower", LEAD, 9232, "Q243", lead="The_tower.jpg", files=("Page.jpg", "The tower.jpg"))
    world.add(page, File("The tower.jpg"))
    pages = [one.source_page.rpartition(":")[2] for one in do(pictures)]
    assert pages == ["Eiffel.jpg", "Night.jpg", "The_tower.jpg", "Page.jpg"]


def test_no_more_pictures_than_wanted_and_no_more_answers_than_needed(world: World, do: Do) -> None:
    world.categories["Category:Eiffel"] = tuple(f"Night {number}.jpg" for number in range(40))
    world.add(*(File(f"Night {number}.jpg") for number in range(40)))
    world.several = 10
    assert len(do(pictures, pictures_per_subject=5)) == 5
    assert len([one for one in world.asked("/commons/api.php") if "generator" in one]) == 1


def test_what_a_term_found_is_also_looked_for_among_the_files(do: Do) -> None:
    found = do(lambda source: pictures(source, "Q901"))
    assert [one.source_page.rpartition(":")[2] for one in found] == ["Thumb.jpg"]


def test_a_thumbnail_of_an_allowed_width_is_fetched(world: World, do: Do) -> None:
    async def fetch(source: WikimediaSource) -> tuple[ImageCandidate, Fetched | Rejected]:
        offer = (await pictures(source))[0]
        return offer, await source.fetch(offer)

    offer, fetched = do(fetch)
    assert offer.locator == world.server.url("/upload/commons/thumb/a/a8/Eiffel.jpg/1280px-Eiffel.jpg")
    assert isinstance(fetched, Fetched)
    assert fetched.data == photograph("/upload/commons/thumb/a/a8/Eiffel.jpg/1280px-Eiffel.jpg")


def test_a_width_outside_the_steps_is_never_asked_for(world: World, do: Do) -> None:
    world.add(File("Eiffel.jpg", thumb=1000), File("Night.jpg", thumb=800, mime="image/tiff"))
    found = {one.source_page.rpartition(":")[2]: one.locator for one in do(pictures)}
    assert found["Eiffel.jpg"] == world.server.url("/upload/commons/a/a8/Eiffel.jpg")
    assert "Night.jpg" not in found


@pytest.mark.parametrize(
    "file",
    [
        File("Night.jpg", width=120, height=90),
        File("Night.jpg", width=0, height=0),
        File("Night.jpg", mime="image/svg+xml", mediatype="DRAWING"),
        File("Night.jpg", mime="video/webm", mediatype="VIDEO"),
        File("Night map.jpg"),
    ],
)
def test_icons_logos_maps_and_films_are_left_out(world: World, do: Do, file: File) -> None:
    del world.files["Night.jpg"]
    world.add(file)
    world.categories["Category:Eiffel"] = (file.name, "Gone.jpg")
    assert [one.source_page.rpartition(":")[2] for one in do(pictures)] == ["Eiffel.jpg", "Page.jpg"]


def test_the_items_own_svg_is_offered_as_commons_renders_it(world: World, do: Do) -> None:
    world.add(File("Eiffel.jpg", mime="image/svg+xml", mediatype="DRAWING", width=500, height=500))
    first = do(pictures)[0]
    assert first.locator.endswith("/1280px-Eiffel.jpg.png")
    assert first.origin is ImageOrigin.DRAWN


def test_hostile_markup_becomes_plain_text_and_the_raw_answer_is_kept(world: World, do: Do) -> None:
    extra = {
        "LicenseShortName": "<a href='javascript:x'>CC BY 4.0</a>",
        "Artist": "<script>alert(1)</script><p>Ann\u202eA &lt;img onerror=alert(1)&gt;</p><p>B\x07\ud800</p>",
        "Restrictions": "personality|trademarked",
        "ImageDescription": "x" * 200_000,
    }
    world.add(File("Eiffel.jpg", extra=extra))
    first = do(pictures)[0]
    assert first.author == "AnnA B"
    assert first.licence_text == "CC BY 4.0"
    raw = json.loads(first.metadata)
    assert raw["extmetadata"]["Restrictions"]["value"] == "personality|trademarked"
    assert len(first.metadata) <= 60_000


@pytest.mark.parametrize(
    ("extra", "worded"),
    [
        ({}, None),
        ({"LicenseShortName": "", "UsageTerms": "Free for all"}, "Free for all"),
        (
            {"LicenseUrl": "https://creativecommons.org/licenses/by/4.0/"},
            "https://creativecommons.org/licenses/by/4.0/",
        ),
        ({"LicenseShortName": None}, None),
    ],
)
def test_the_licence_is_worded_as_the_source_does(
    world: World, do: Do, extra: dict[str, object], worded: str | None
) -> None:
    world.add(File("Eiffel.jpg", extra=extra))
    first = do(pictures)[0]
    assert (first.licence_text, first.author) == (worded, "Uploader")


def test_an_unknown_category_is_named(do: Do) -> None:
    with pytest.raises(PrerequisiteError, match="castles"):
        do(kept, only=("castles",))


def test_only_the_listed_categories_are_filled(do: Do) -> None:
    assert {one.category for one in do(kept, only=("life_gesture",))} == {"life_gesture"}
