"""How a host is spared: pauses for everybody, waiting as told, rates, and what is not worth waiting for."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
import stamina

from curation.collecting.http.door import Door, HostLimits, Rates
from curation.collecting.http.hosts import Host, Room
from curation.collecting.http.settings import DoorSettings
from curation.collecting.port import Fetched
from curation.errors import Reason, Rejected, TransientError
from tests.loopback import Answer, Loopback, Seen
from tests.unit.http_doors import JPEG, picture, through


async def all_of(door: Door, urls: list[str]) -> list[Fetched | Rejected | BaseException]:
    return await asyncio.gather(*(door.picture(url, url) for url in urls), return_exceptions=True)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for_by_all_workers(tmp_path: Path, status: int, as_date: bool) -> None:
    async def work(door: Door) -> list[float]:
        await door.picture(server.url("/first"), "a")  # robots.txt is known now
        urls = [server.url("/busy"), *(server.url(f"/{n}") for n in range(4))]
        tasks = [asyncio.create_task(door.picture(urls[0], "a"))]
        while not door.rates().paused:
            await asyncio.sleep(0.01)
        assert all(isinstance(found, Fetched) for found in await all_of(door, urls))
        await asyncio.gather(*tasks)
        told, *after = [seen.at for seen in server.seen if seen.path not in {"/robots.txt", "/first"}]
        return [at - told for at in after]

    with Loopback() as server:

        def busy(_: Seen) -> Answer:
            if server.hits["/busy"] > 1:
                return Answer(JPEG)
            date = format_datetime(datetime.now(UTC) + timedelta(seconds=2.9), usegmt=True)
            return Answer(b"", status, {"Retry-After": date if as_date else "1"})

        server.route("/*", JPEG)
        server.script("/busy", busy)
        waited = through(server, tmp_path, work)
        assert len(waited) == 5
        assert min(waited) > 0.9


def test_without_retry_after_the_pauses_grow() -> None:
    host = Host("example.org", HostLimits(), patience=5)
    pauses = []
    for _ in range(4):
        host._until = 0.0
        host.pause(None, sent=float("inf"))
        pauses.append(host.paused)
    assert all(1.4 * one < other for one, other in itertools.pairwise(pauses))
    host.well(sent=float("inf"))
    host._until = 0.0
    host.pause(None, sent=float("inf"))
    assert host.paused < 1.3


def test_requests_under_way_when_a_pause_begins_are_one_strike() -> None:
    host = Host("example.org", HostLimits(), patience=5)
    for _ in range(20):
        host.pause(None, sent=0.0)
    assert host.paused < 3


def test_a_long_pause_leaves_pictures_for_later(tmp_path: Path) -> None:
    async def work(door: Door) -> tuple[list[Fetched | Rejected | BaseException], Rates]:
        return await all_of(door, [server.url(f"/{n}") for n in range(20)]), door.rates()

    with Loopback() as server:
        server.route("/*", Answer(b"", 429, {"Retry-After": "3600"}))
        server.route("/robots.txt", Answer(b"", 404))
        limits = {server.host: HostLimits(streams=1)}
        found, rates = through(server, tmp_path, work, hosts=limits)
        assert all(isinstance(item, TransientError) for item in found)
        assert sum(server.hits.values()) == 2  # robots.txt and one picture: the others did not even ask
        assert next(iter(rates.paused.values())) > 3500
        server.route("/*", JPEG)
        assert isinstance(picture(server, tmp_path, server.url("/1")), Fetched)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"Use thumbnail steps listed on https://w.wiki/GHai. Please contact noc@wikimedia.org", 429),
        Answer(b"Use thumbnail sizes listed on https://w.wiki/GHai", 429, {"Retry-After": "1"}),
    ],
)
def test_a_thumbnail_width_that_is_never_made_is_no_reason_to_wait(tmp_path: Path, answer: Answer) -> None:
    with Loopback() as server:
        url = server.route("/thumb/800px-a.jpg", answer)
        found = picture(server, tmp_path, url)
        assert isinstance(found, Rejected)
        assert found.reason == Reason.FETCH_FAILED
        assert "thumbnail" in found.detail
        assert server.hits["/thumb/800px-a.jpg"] == 1


@pytest.mark.parametrize(
    "body", [b'{"error": {"code": "maxlag", "lag": 7}}', b'{"errors": [{"code": "ratelimited"}]}']
)
def test_an_api_that_lags_is_waited_for(tmp_path: Path, body: bytes) -> None:
    with Loopback() as server:
        url = server.route("/api", Answer(body, headers={"Retry-After": "1"}), Answer(b'{"good": 1}'))
        assert through(server, tmp_path, lambda door: door.json(url)) == {"good": 1}
        first, second = server.seen
        assert second.at - first.at > 0.9


def test_an_error_of_an_api_that_will_not_pass_is_an_answer(tmp_path: Path) -> None:
    with Loopback() as server:
        url = server.route("/api", Answer(b'{"error": {"code": "badtitle"}}'))
        assert through(server, tmp_path, lambda door: door.json(url))["error"]["code"] == "badtitle"


@pytest.mark.parametrize("broken", [Answer(b"", 500), Answer(b"", 502), Answer(JPEG, cut=4000)])
def test_a_passing_failure_is_tried_again(tmp_path: Path, broken: Answer) -> None:
    with Loopback() as server, stamina.set_testing(True, attempts=3):
        url = server.route("/a", broken, broken, JPEG)
        found = picture(server, tmp_path, url)
        assert isinstance(found, Fetched)
        assert found.data == JPEG


def test_a_failure_that_stays_leaves_no_record(tmp_path: Path) -> None:
    with Loopback() as server, stamina.set_testing(True, attempts=2):
        url = server.route("/a", Answer(JPEG, cut=4000))
        for _ in range(2):
            with pytest.raises(TransientError):
                picture(server, tmp_path, url)
        assert server.hits["/a"] == 4
        assert not list(tmp_path.rglob("objects/*/*"))


def test_a_host_that_only_fails_is_left_alone(tmp_path: Path) -> None:
    async def work(door: Door) -> list[Fetched | Rejected | BaseException]:
        return await all_of(door, [server.url(f"/{n}") for n in range(200)])

    with Loopback() as server, stamina.set_testing(True, attempts=2):
        server.route("/*", Answer(b"", 500))
        server.route("/robots.txt", Answer(b"", 404))
        found = through(server, tmp_path, work, hosts={server.host: HostLimits(streams=2)})
        assert all(isinstance(item, TransientError) for item in found)
        assert sum(server.hits.values()) < 50


def test_cancelled_requests_give_everything_back(tmp_path: Path) -> None:
    async def work(door: Door) -> Fetched | Rejected:
        for path in ("/slow", "/slow-body", "/slow", "/slow-body"):
            tasks = [asyncio.create_task(door.picture(server.url(path), "a")) for _ in range(3)]
            await asyncio.sleep(0.15)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        assert door._asking.exchange._room._free == 8 * 2**20
        return await door.picture(server.route("/a.jpg", JPEG), "a")

    with Loopback() as server:
        server.route("/slow", Answer(JPEG, delay=60))
        server.route("/slow-body", Answer(JPEG, piece=1000, pause=60))
        limits = {server.host: HostLimits(streams=1)}
        assert isinstance(through(server, tmp_path, work, hosts=limits, max_mib=1), Fetched)


def test_streams_and_rates_are_limited(tmp_path: Path) -> None:
    async def work(door: Door) -> None:
        await all_of(door, [server.url(f"/{n}") for n in range(6)])

    with Loopback() as server:
        server.route("/*", JPEG)
        through(server, tmp_path, work, hosts={server.host: HostLimits(streams=2, per_second=10)})
        times = [seen.at for seen in server.seen]
        assert times[-1] - times[0] > 0.55


def test_bytes_a_second_are_limited(tmp_path: Path) -> None:
    with Loopback() as server:
        url = server.route("/a", JPEG * 40)  # 0.4 MB, 0.25 MB a second, one second's worth at once
        started = asyncio.new_event_loop().time()
        picture(server, tmp_path, url, hosts={server.host: HostLimits(megabits=2)}, idle_seconds=0.5)
        assert asyncio.new_event_loop().time() - started > 0.5


def test_known_hosts_have_gentle_presets() -> None:
    settings = DoorSettings(trusted_hosts=("127.0.0.1:80",), hosts={"a.org": HostLimits(streams=9)})
    assert settings.limits("commons.wikimedia.org", 443).streams == 1
    assert settings.limits("zh.wikipedia.org", 443).streams == 1
    assert settings.limits("upload.wikimedia.org", 443) == HostLimits(streams=2, megabits=25)
    assert settings.limits("api.openverse.org", 443).per_second == 1
    assert settings.limits("notwikipedia.org", 443).per_second == 10
    assert settings.limits("a.org", 443).streams == 9
    assert settings.limits("127.0.0.1", 80).streams == settings.concurrency


def test_room_is_given_in_line() -> None:
    async def run() -> list[str]:
        room, order = Room(10), []

        async def take(name: str, size: int) -> None:
            await room.take(size)
            order.append(name)

        await room.take(8)
        tasks = [asyncio.create_task(take(*item)) for item in (("large", 9), ("gone", 1), ("small", 1))]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        room.give(8)
        await asyncio.sleep(0)
        room.give(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        return order

    assert asyncio.run(run()) == ["large", "small"]
