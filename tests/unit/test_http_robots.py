"""What a site allows, what an owner does not want, and how long a host asks us to wait."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import stamina

from curation.collecting.http.door import Door, HostLimits
from curation.collecting.http.replies import retry_after
from curation.collecting.http.robots import opted_out
from curation.collecting.port import Fetched
from curation.errors import Reason, Rejected, TransientError
from tests.loopback import Answer, Loopback, redirect
from tests.unit.http_doors import JPEG, picture, through

NOT_PRIVATE = Answer(b"User-agent: *\nDisallow: /private\n", media_type="text/plain")


def test_robots_txt_is_asked_once_and_obeyed(tmp_path: Path) -> None:
    with Loopback() as server:
        server.route("/robots.txt", NOT_PRIVATE)
        server.route("/*", JPEG)
        for _ in range(2):
            assert isinstance(picture(server, tmp_path, server.url("/a.jpg")), Fetched)
            found = picture(server, tmp_path, server.url("/private/a.jpg"))
            assert isinstance(found, Rejected)
            assert found.reason == Reason.ROBOTS_DISALLOWED
        assert server.hits == {"/robots.txt": 1, "/a.jpg": 1}


def test_rules_for_us_go_before_rules_for_all(tmp_path: Path) -> None:
    text = b"User-agent: *\nAllow: /\n\nUser-agent: MMKE-Forge\nDisallow: /a\n"
    with Loopback() as server:
        server.route("/robots.txt", Answer(text))
        assert isinstance(picture(server, tmp_path, server.route("/a.jpg", JPEG)), Rejected)


def test_a_redirect_is_held_to_the_rules_of_where_it_leads(tmp_path: Path) -> None:
    with Loopback() as server:
        server.route("/robots.txt", NOT_PRIVATE)
        url = server.route("/a.jpg", redirect("/private/a.jpg"))
        assert isinstance(picture(server, tmp_path, url), Rejected)
        assert "/private/a.jpg" not in server.hits


@pytest.mark.parametrize(
    "answer", [Answer(b"", 500), Answer(b"", 429, {"Retry-After": "9999"}), Answer(raw=b"?")]
)
def test_while_robots_txt_cannot_be_read_nothing_is_asked(tmp_path: Path, answer: Answer) -> None:
    async def work(door: Door) -> None:
        for _ in range(3):
            with pytest.raises(TransientError):
                await door.picture(url, "a")

    with Loopback() as server, stamina.set_testing(True, attempts=2):
        server.route("/robots.txt", answer)
        url = server.route("/a.jpg", JPEG)
        through(server, tmp_path, work)
        assert "/a.jpg" not in server.hits
        assert server.hits["/robots.txt"] <= 3
        server.route("/robots.txt", Answer(b"", 404))
        assert isinstance(picture(server, tmp_path, url), Fetched)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_site_without_robots_txt_allows_all(tmp_path: Path, status: int) -> None:
    with Loopback() as server:
        server.route("/robots.txt", Answer(b"", status))
        assert isinstance(picture(server, tmp_path, server.route("/a.jpg", JPEG)), Fetched)


def test_a_huge_robots_txt_is_read_to_its_limit(tmp_path: Path) -> None:
    with Loopback() as server:
        server.route(
            "/robots.txt", Answer(b"User-agent: *\nDisallow: /a.jpg\n" + b"# \n" * 9000, endless=True)
        )
        assert isinstance(picture(server, tmp_path, server.route("/a.jpg", JPEG)), Rejected)


def test_robots_txt_is_asked_again_after_a_day(tmp_path: Path) -> None:
    with Loopback() as server:
        server.route("/*", JPEG)
        server.route("/robots.txt", NOT_PRIVATE)
        picture(server, tmp_path, server.url("/1"))
        journal = next(tmp_path.glob("fetches/*"))
        lines = [line.partition(" ") for line in journal.read_text().splitlines()]
        old = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
        aged = [
            f"{key} {json.dumps({**json.loads(value), 'retrieved_at': old})}\n" for key, _, value in lines
        ]
        journal.write_text("".join(aged))
        picture(server, tmp_path, server.url("/2"))
        assert server.hits["/robots.txt"] == 2


def test_crawl_delay_is_a_floor(tmp_path: Path) -> None:
    async def work(door: Door) -> None:
        await asyncio.gather(*(door.picture(server.url(f"/{n}"), "a") for n in range(4)))

    with Loopback() as server:
        server.route("/*", JPEG)
        server.route("/robots.txt", Answer(b"User-agent: *\nCrawl-delay: 0.3\n"))
        through(server, tmp_path, work, hosts={server.host: HostLimits(per_second=100)})
        times = [seen.at for seen in server.seen if seen.path != "/robots.txt"]
        assert times[-1] - times[0] > 0.8
        server.route("/robots.txt", Answer(b"User-agent: *\nCrawl-delay: 86400\n"))
        with pytest.raises(TransientError, match="patience_seconds"):
            picture(server, tmp_path / "other", server.url("/1"))


@pytest.mark.parametrize(
    "value",
    [
        *(
            "noai",
            "NoAI, noindex",
            "noindex,noimageai",
            "*: noai",
            "mmke-forge: noai",
            "otherbot: noindex\nnoai",
        ),
        *(
            "unavailable_after: 25 Jun 2030 15:00:00 PST, noai",
            "unavailable_after: Tue, 25 Jun 2030 15:00:00 GMT, noai",
        ),
        *("max-image-preview: large, noimageai",),
    ],
)
def test_an_owner_opts_out(value: str) -> None:
    assert opted_out({"x-robots-tag": value})


@pytest.mark.parametrize("value", ["", "noindex", "otherbot: noai", "otherbot: noindex, noai", "noairport"])
def test_other_wishes_are_not_ours(value: str) -> None:
    assert not opted_out({"x-robots-tag": value, "tdm-reservation": "0"})


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2020 12:00:30 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("9" * 400, 999_999_999.0),
    ],
)
def test_retry_after_in_all_its_forms(value: str, seconds: float | None) -> None:
    assert retry_after(value, datetime(2026, 11, 23, 12, tzinfo=UTC)) == seconds
