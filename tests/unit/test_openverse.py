"""The Openverse source against a loopback server: whom it asks, how much, what it makes of answers."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stamina
from hypothesis import given
from hypothesis import strategies as st

from curation.collecting.http import exchange
from curation.collecting.http.door import Door, DoorSettings
from curation.collecting.openverse import OpenverseSource, candidate
from curation.collecting.port import Fetched
from curation.errors import PrerequisiteError, Reason, Rejected, TransientError
from curation.licences import spdx_id
from curation.records import ImageCandidate, ImageOrigin, Subject
from tests.loopback import Answer, Loopback
from tests.openverse_server import Shelf, openverse_source, small_shelf
from tests.wikimedia_server import answer, photograph
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches

Do = Callable[..., Any]


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with stamina.set_testing(True, attempts=2), Loopback() as server:
        yield small_shelf(server)


@pytest.fixture
def do(shelf: Shelf, tmp_path: Path) -> Do:
    def run(work: Callable[[OpenverseSource], Awaitable[Any]], **more: int) -> Any:
        async def inside() -> Any:
            settings = DoorSettings(trusted_hosts=(shelf.world.server.host,))
            async with Door(settings, Fetches(Artefacts(tmp_path))) as door:
                return await work(openverse_source(shelf, door, **more))

        return asyncio.run(inside())

    return run


async def everything(source: OpenverseSource) -> list[Subject | Rejected]:
    return [one async for one in source.subjects()]


async def pictures(source: OpenverseSource) -> list[ImageCandidate]:
    subject = next(one for one in await everything(source) if isinstance(one, Subject))
    return await source.search(subject)


def test_a_subject_is_the_page_that_a_term_finds(do: Do) -> None:
    subject, refused = do(everything)
    assert (subject.subject_id, subject.name, subject.fine_type) == ("Q901", "thumb signal", "hand gesture")
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.NO_SOURCE_TEXT


def test_only_what_may_be_passed_on_and_seen_is_asked_for(shelf: Shelf, do: Do) -> None:
    assert [one.locator.rpartition("/")[2] for one in do(pictures)] == ["thumb.jpg", "fist.jpg"]
    (asked,) = shelf.asked()
    assert asked["license"] == "by,by-sa,cc0,pdm"
    assert (asked["mature"], asked["page_size"], asked["q"]) == ("false", "20", "thumb signal")


def test_a_picture_says_whose_it_is_and_where_it_is_from(shelf: Shelf, do: Do) -> None:
    first = do(pictures)[0]
    assert (first.author, first.licence_text) == ("Anna Example", "CC BY-SA 2.0")
    assert first.source_page == "https://photos.example/people/anna/thumb"
    assert first.origin is ImageOrigin.PHOTOGRAPH
    assert json.loads(first.metadata) == shelf.work("thumb")


def test_the_bytes_come_from_the_publisher(do: Do) -> None:
    async def fetch(source: OpenverseSource) -> Fetched | Rejected:
        return await source.fetch((await pictures(source))[0])

    fetched = do(fetch)
    assert isinstance(fetched, Fetched)
    assert fetched.data == photograph("/published/thumb.jpg")


@pytest.mark.parametrize(("wanted", "asked"), [(8, 1), (30, 2), (50, 3)])
def test_no_more_pages_are_read_than_needed(shelf: Shelf, do: Do, wanted: int, asked: int) -> None:
    shelf.works["thumb signal"] = [shelf.work(f"hand-{number}") for number in range(300)]
    assert len(do(pictures, pictures_per_subject=wanted)) == wanted
    assert [one["page"] for one in shelf.asked()] == [str(page) for page in range(1, asked + 1)]


def test_the_depth_is_bounded(shelf: Shelf, do: Do) -> None:
    shelf.works["thumb signal"] = [shelf.work(f"hand-{n}", width=10, height=10) for n in range(300)]
    assert do(pictures, pages=12) == []
    assert len(shelf.asked()) == 12


def test_a_token_buys_larger_pages_and_no_more_works(
    shelf: Shelf, do: Do, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENVERSE_TOKEN", "token-of-the-tests")
    monkeypatch.setitem(exchange.TOKENS, shelf.world.server.host, "OPENVERSE_TOKEN")
    shelf.works["thumb signal"] = [shelf.work(f"hand-{n}", width=10, height=10) for n in range(300)]
    assert do(pictures, pages=12) == []
    assert [one["page_size"] for one in shelf.asked()] == ["50"] * 4


@pytest.mark.parametrize(
    ("licence", "version", "spdx"),
    [
        ("by", "4.0", "CC-BY-4.0"),
        ("by-sa", "3.0", "CC-BY-SA-3.0"),
        ("cc0", "1.0", "CC0-1.0"),
        ("pdm", "1.0", "LicenseRef-Public-Domain"),
        ("by", None, "LicenseRef-CC-BY"),
    ],
)
def test_licences_are_worded_so_that_they_are_understood(
    shelf: Shelf, do: Do, licence: str, version: str | None, spdx: str
) -> None:
    shelf.works["thumb signal"] = [shelf.work("thumb", license=licence, license_version=version)]
    (only,) = do(pictures)
    assert spdx_id(only.licence_text or "") == spdx


@pytest.mark.parametrize(
    "change",
    [
        {"mature": True},
        {"url": None},
        {"url": "file:///etc/passwd"},
        {"filetype": "svg"},
        {"width": 90},
    ],
)
def test_what_is_of_no_use_is_left_out(shelf: Shelf, do: Do, change: dict[str, object]) -> None:
    shelf.works["thumb signal"] = [shelf.work("thumb", **change), shelf.work("fist")]
    assert [one.locator.rpartition("/")[2] for one in do(pictures)] == ["fist.jpg"]


def test_missing_fields_and_hostile_ones_do_no_harm(shelf: Shelf, do: Do) -> None:
    bare = {"id": "1", "url": shelf.work("bare")["url"], "license": "by"}
    hostile = shelf.work("fist", creator="<script>x</script><b>Eve\u202e</b>\x00", title="a; b<img src=x>")
    shelf.works["thumb signal"] = [bare, hostile]
    first, second = do(pictures)
    assert (first.author, first.note, first.source_page) == ("", "", first.locator)
    assert (second.author, second.note) == ("Eve", "a, b; ")


@pytest.mark.parametrize(
    ("category", "origin"),
    [
        ("digitized_artwork", ImageOrigin.PAINTING),
        ("illustration", ImageOrigin.DRAWN),
        (None, ImageOrigin.PHOTOGRAPH),
    ],
)
def test_the_origin_is_what_openverse_files_it_as(
    shelf: Shelf, do: Do, category: str | None, origin: ImageOrigin
) -> None:
    shelf.works["thumb signal"] = [shelf.work("thumb", category=category)]
    assert do(pictures)[0].origin is origin


@pytest.mark.parametrize("fault", [Answer(status=429, headers={"Retry-After": "1"}), Answer(b"<html>", 502)])
def test_a_busy_server_is_asked_again(shelf: Shelf, do: Do, fault: Answer) -> None:
    shelf.faults = [fault]
    assert len(do(pictures)) == 2


def test_an_answer_of_another_shape_is_for_later(shelf: Shelf, do: Do) -> None:
    shelf.world.server.route("/v1/images/", answer({"detail": "under maintenance"}))
    with pytest.raises(TransientError, match="without results"):
        do(pictures)


def test_refused_credentials_say_what_to_mend(shelf: Shelf, do: Do) -> None:
    shelf.world.server.route("/v1/images/", answer({"detail": "Authentication failed."}, status=401))
    with pytest.raises(PrerequisiteError, match="credentials"):
        do(pictures)


@given(
    st.sampled_from(
        ["id", "url", "title", "creator", "license", "license_version", "category", "width", "tags"]
    ),
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.lists(st.text(max_size=3), max_size=3),
)
def test_whatever_openverse_answers_a_work_is_offered_or_left_out(name: str, value: object) -> None:
    work = {"id": "1", "url": "https://photos.example/a.jpg", "license": "by", "title": "A"} | {name: value}
    offer = candidate(work, "Q1")
    assert offer is None or ImageCandidate.model_validate_json(offer.model_dump_json()) == offer
