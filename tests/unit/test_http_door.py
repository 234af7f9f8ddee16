"""One door: what is kept, what is refused for good, and what a second run asks for again (nothing)."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
import stamina
from PIL import Image

from curation.collecting.http.door import Door, FetchRefused
from curation.collecting.http.exchange import TOKENS
from curation.collecting.port import Fetched
from curation.errors import PrerequisiteError, Reason, Rejected, TransientError
from curation.ids import sha256_bytes
from tests.loopback import Answer, Loopback, redirect
from tests.unit.http_doors import JPEG, picture, record, through
from warehouse.artefacts import Artefacts


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (120, 100), "red").save(file, "PNG")
    return file.getvalue()


PNG = _png()


def test_a_picture_is_kept_with_its_record_and_never_asked_for_again(tmp_path: Path) -> None:
    with Loopback() as server:
        url = server.route("/a.jpg", Answer(JPEG, etag='"7"'))
        first, second = picture(server, tmp_path, url), picture(server, tmp_path, url)
        assert isinstance(first, Fetched)
        assert first == second
        assert server.hits["/a.jpg"] == 1
        kept = record(tmp_path, url)
        assert kept.sha256 == sha256_bytes(JPEG)
        assert Artefacts(tmp_path).get(kept.sha256) == first.data == JPEG
        assert (kept.status, kept.size, kept.headers["etag"]) == (200, len(JPEG), '"7"')
        assert first.retrieved_at == kept.retrieved_at


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"gone", 410), Reason.FETCH_FAILED),
        (Answer(b"no", 403), Reason.FETCH_FAILED),
        (Answer(b"<html>blocked</html>"), Reason.NOT_AN_IMAGE),
        (Answer(b'{"error": 1}'), Reason.NOT_AN_IMAGE),
        (Answer(b""), Reason.IMAGE_EMPTY),
        (Answer(b"II*\x00" + b"a" * 900), Reason.IMAGE_FORMAT_NOT_ALLOWED),
        (Answer(b"<?xml version='1.0'?><svg onload='x'/>"), Reason.IMAGE_FORMAT_NOT_ALLOWED),
        (Answer(JPEG, headers={"X-Robots-Tag": "noindex, noai"}), Reason.OPTED_OUT),
        (Answer(JPEG, headers={"TDM-Reservation": "1"}), Reason.OPTED_OUT),
        (Answer(JPEG * 200), Reason.IMAGE_TOO_LARGE),
        (Answer(JPEG, endless=True), Reason.IMAGE_TOO_LARGE),
        (redirect("/a.jpg"), Reason.FETCH_FAILED),
        (redirect("http://169.254.169.254/latest/meta-data"), Reason.ADDRESS_NOT_ALLOWED),
        (redirect("http://127.0.0.1:22/"), Reason.ADDRESS_NOT_ALLOWED),
        (redirect("http://localhost/"), Reason.ADDRESS_NOT_ALLOWED),
        (redirect("file:///etc/passwd"), Reason.ADDRESS_NOT_ALLOWED),
        (Answer(status=302), Reason.FETCH_FAILED),
    ],
)
def test_what_is_refused_for_good_is_remembered(tmp_path: Path, answer: Answer, reason: Reason) -> None:
    with Loopback() as server:
        url = server.route("/a.jpg", answer)
        found = picture(server, tmp_path, url, max_mib=1)
        asked = server.hits["/a.jpg"]
        assert isinstance(found, Rejected)
        assert (found.key, found.reason) == ("key", reason)
        assert picture(server, tmp_path, url, max_mib=1) == found
        assert server.hits["/a.jpg"] == asked <= 6
        assert record(tmp_path, url).sha256 is None


def test_a_larger_limit_asks_again(tmp_path: Path) -> None:
    with Loopback() as server:
        url = server.route("/a.jpg", JPEG * 200)
        assert isinstance(picture(server, tmp_path, url, max_mib=1), Rejected)
        assert isinstance(picture(server, tmp_path, url, max_mib=3), Fetched)


def test_the_type_is_what_the_bytes_say(tmp_path: Path) -> None:
    with Loopback() as server:
        url = server.route("/a.jpg", Answer(PNG, media_type="text/plain; charset=utf-8"))
        assert isinstance(picture(server, tmp_path, url), Fetched)
        kept = record(tmp_path, url)
        assert (kept.media_type, kept.found_type) == ("text/plain", "image/png")


def test_redirects_are_followed_and_the_final_address_kept(tmp_path: Path) -> None:
    with Loopback() as server:
        final = server.route("/end.jpg", JPEG)
        for hop in range(1, 6):
            server.route(f"/{hop}", redirect(f"/{hop - 1}" if hop > 1 else "/end.jpg", 301 + hop % 2))
        assert picture(server, tmp_path, server.url("/5")).final_url == final  # type: ignore[union-attr]
        too_many = picture(server, tmp_path, server.route("/6", redirect("/5")))
        assert isinstance(too_many, Rejected)


def test_a_redirect_to_another_port_of_ours_is_not_followed(tmp_path: Path) -> None:
    with Loopback() as server, Loopback() as other:
        url = server.route("/a.jpg", redirect(other.route("/b.jpg", JPEG)))
        assert isinstance(picture(server, tmp_path, url), Rejected)
        assert not other.seen


def test_refresh_asks_whether_it_has_changed(tmp_path: Path) -> None:
    with Loopback() as server:
        url = server.route("/a.jpg", Answer(JPEG, etag='"1"', last_modified="Mon, 01 Jan 2024 00:00:00 GMT"))
        first = picture(server, tmp_path, url)
        assert picture(server, tmp_path, url, refresh=True) == first
        assert server.seen[-1].headers["if-none-match"] == '"1"'
        assert "if-modified-since" in server.seen[-1].headers
        server.route("/a.jpg", Answer(PNG, etag='"2"'))
        changed = picture(server, tmp_path, url, refresh=True)
        assert isinstance(changed, Fetched)
        assert changed.data == PNG
        assert record(tmp_path, url).replaced == sha256_bytes(JPEG)


def test_refresh_asks_once_a_run(tmp_path: Path) -> None:
    async def work(door: Door) -> None:
        for _ in range(3):
            await door.picture(url, "a")

    with Loopback() as server:
        url = server.route("/a.jpg", JPEG)
        through(server, tmp_path, work, refresh=True)
        assert server.hits["/a.jpg"] == 1


def test_callers_at_once_share_one_request(tmp_path: Path) -> None:
    async def work(door: Door) -> int:
        found = await asyncio.gather(*(door.picture(url, str(n)) for n in range(9)))
        return len({item.data for item in found if isinstance(item, Fetched)})

    with Loopback() as server:
        url = server.route("/a.jpg", Answer(JPEG, delay=0.1))
        assert through(server, tmp_path, work) == 1
        assert server.hits["/a.jpg"] == 1


def test_an_answer_of_an_api_is_kept_raw_and_used_again(tmp_path: Path) -> None:
    async def work(door: Door) -> object:
        posted = await door.json(
            server.url("/sparql"), form={"query": "SELECT ?a"}, accept="application/x+json"
        )
        return posted, await door.json(server.url("/api"), {"titles": "A|B", "maxlag": "5"})

    with Loopback() as server:
        server.route("/api", Answer(b'{"a": 1}', media_type="application/json"))
        server.route("/sparql", Answer(b"[2]"))
        assert through(server, tmp_path, work) == through(server, tmp_path, work) == ([2], {"a": 1})
        assert server.hits == {"/api": 1, "/sparql": 1}
        post, get = server.seen
        assert (post.method, post.form, post.headers["accept"]) == (
            "POST",
            {"query": "SELECT ?a"},
            "application/x+json",
        )
        assert get.query == {"titles": "A|B", "maxlag": "5"}
        assert Artefacts(tmp_path).get(sha256_bytes(b'{"a": 1}'))


def test_an_api_that_says_no_is_not_asked_again(tmp_path: Path) -> None:
    with Loopback() as server:
        url = server.route("/api", Answer(b"no such page", 404))
        for _ in range(2):
            with pytest.raises(FetchRefused, match="no such page") as caught:
                through(server, tmp_path, lambda door: door.json(url))
            assert caught.value.status == 404
        assert server.hits["/api"] == 1


def test_what_is_not_json_is_asked_again_later(tmp_path: Path) -> None:
    with Loopback() as server, stamina.set_testing(True, attempts=2):
        url = server.route("/api", Answer(b'{"results": [1, 2\njava.util.concurrent.TimeoutException'))
        with pytest.raises(TransientError, match="not JSON"):
            through(server, tmp_path, lambda door: door.json(url))
        server.route("/api", Answer(b"{}"))
        assert through(server, tmp_path, lambda door: door.json(url)) == {}


def test_without_a_contact_nobody_is_asked(tmp_path: Path) -> None:
    with Loopback() as server:
        for work in (
            lambda door: door.picture("https://upload.wikimedia.org/a.jpg", "a"),
            lambda door: door.json("https://api.openverse.org/v1/images/"),
        ):
            with pytest.raises(PrerequisiteError, match=r"contact.*mmke\.toml"):
                through(server, tmp_path, work)


def test_a_refused_user_agent_names_the_fix(tmp_path: Path) -> None:
    said = b"Please set a user-agent and respect our robot policy https://w.wiki/4wJS"
    with Loopback() as server:
        url = server.route("/a", Answer(said, 403))
        for work in (lambda door: door.picture(url, "a"), lambda door: door.json(url)):
            with pytest.raises(PrerequisiteError, match=r"User-Agent.*contact"):
                through(server, tmp_path, work)
        assert not list(tmp_path.rglob("objects/*/*"))


def test_our_name_and_the_token_go_where_they_belong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as server, Loopback() as other:
        both = (server.host, other.host)
        monkeypatch.setitem(TOKENS, server.host, "OPENVERSE_TOKEN")
        monkeypatch.setenv("OPENVERSE_TOKEN", "s3cret")
        url = server.route("/api", redirect(other.route("/there", Answer(b"{}"))))
        through(server, tmp_path, lambda door: door.json(url), trusted_hosts=both, contact="me@example.org")
        assert server.seen[0].headers["authorization"] == "Bearer s3cret"
        assert "authorization" not in other.seen[0].headers
        assert server.seen[0].headers["user-agent"].startswith("mmke-forge/")
        assert "(me@example.org) aiohttp/" in server.seen[0].headers["user-agent"]
        server.route("/api2", Answer(b"who is s3cret?", 401))
        with pytest.raises(PrerequisiteError, match=r"who is \[token\].*OPENVERSE_TOKEN"):
            through(server, tmp_path, lambda door: door.json(server.url("/api2")))
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"s3cret" not in written
