"""What a hostile or broken server cannot do: hang, flood, unpack without end, or be somebody else."""

from __future__ import annotations

import asyncio
import gzip
import logging
import ssl
import subprocess
from pathlib import Path

import pytest
import stamina

from curation.collecting.http.door import Door
from curation.collecting.http.replies import printable
from curation.collecting.port import Fetched
from curation.errors import PrerequisiteError, Reason, Rejected, TransientError
from tests.loopback import Answer, Loopback, redirect
from tests.unit.http_doors import JPEG, picture, record, through
from warehouse.fetches import Fetches

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


@pytest.mark.parametrize(
    ("answer", "settings"),
    [
        (Answer(JPEG, delay=30), {"first_byte_seconds": 0.2, "connect_seconds": 0.2}),
        (Answer(JPEG, piece=1000, pause=5), {"idle_seconds": 0.3}),
        (Answer(JPEG, piece=10, pause=0.05), {"idle_seconds": 0.4, "min_kib_per_second": 20}),
        (Answer(JPEG * 1000, piece=2000, pause=0.05), {"total_seconds": 0.7}),
        (
            Answer(raw=OK + b"X-Drip: 1\r\n" * 500, piece=5, pause=0.05),
            {"first_byte_seconds": 0.3, "connect_seconds": 0.2},
        ),
    ],
    ids=["no first byte", "idle", "slow", "total", "dripping headers"],
)
def test_a_slow_server_is_left(tmp_path: Path, answer: Answer, settings: dict[str, float]) -> None:
    with Loopback() as server:
        url = server.route("/a.jpg", answer)
        with pytest.raises(TransientError, match="too slow"):
            picture(server, tmp_path, url, **settings)
        assert server.hits["/a.jpg"] == 1
        assert isinstance(picture(server, tmp_path, server.route("/a.jpg", JPEG)), Fetched)


def test_headers_are_capped(tmp_path: Path) -> None:
    with Loopback() as server:
        for number, headers in enumerate((b"X: " + b"a" * 20_000, b"X: a\r\n" * 500)):
            url = server.route(f"/{number}", Answer(raw=OK + headers + b"\r\n\r\n"))
            found = picture(server, tmp_path, url)
            assert isinstance(found, Rejected)


def test_a_length_beyond_the_limit_is_not_even_read(tmp_path: Path) -> None:
    async def work(door: Door) -> int:
        await door.picture(url, "a")
        return door.rates().received

    with Loopback() as server:
        url = server.route("/a", Answer(JPEG, endless=True, headers={"Content-Length": str(10**12)}))
        assert through(server, tmp_path, work, max_mib=1) < 2000
        assert record(tmp_path, url).limit == 2**20


def test_a_packed_body_is_capped_unpacked(tmp_path: Path) -> None:
    bomb = gzip.compress(b'{"a": "' + b" " * 30_000_000 + b'"}')
    packed = Answer(bomb, headers={"Content-Encoding": "gzip"})
    with Loopback() as server:
        url = server.route("/a", packed)
        with pytest.raises(Exception, match="larger than"):
            through(server, tmp_path, lambda door: door.json(url), max_mib=1)
        server.route(
            "/b", Answer(gzip.compress(JPEG + b" " * 30_000_000), headers={"Content-Encoding": "gzip"})
        )
        found = picture(server, tmp_path, server.url("/b"), max_mib=1)
        assert isinstance(found, Rejected)
        assert found.reason == Reason.IMAGE_TOO_LARGE
        assert server.seen[-1].headers["accept-encoding"] == "identity"


def test_a_false_length_is_a_broken_answer(tmp_path: Path) -> None:
    with Loopback() as server, stamina.set_testing(True, attempts=1):
        url = server.route("/a", Answer(JPEG, length=len(JPEG) + 10))
        with pytest.raises(TransientError):
            picture(server, tmp_path, url)


@pytest.fixture
def own_certificate(tmp_path: Path) -> ssl.SSLContext:
    files = [str(tmp_path / name) for name in ("key.pem", "cert.pem")]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    subprocess.run(
        [*command, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files[0], "-out", files[1]],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    return context


def test_a_certificate_of_its_own_is_not_believed(tmp_path: Path, own_certificate: ssl.SSLContext) -> None:
    with Loopback(own_certificate) as server:
        server.route("/a.jpg", JPEG)
        found = picture(server, tmp_path / "home", server.url("/a.jpg"))
        assert isinstance(found, Rejected)
        assert "certificate" in found.detail
        assert not server.seen


def test_proxies_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as server, Loopback() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://{proxy.host}")
        assert isinstance(picture(server, tmp_path, server.route("/a.jpg", JPEG)), Fetched)
        assert not proxy.seen


def test_cookies_are_not_kept(tmp_path: Path) -> None:
    with Loopback() as server:
        server.route("/a", Answer(status=302, headers={"Location": "/b", "Set-Cookie": "id=1; Path=/"}))
        server.route("/b", Answer(JPEG, headers={"Set-Cookie": "id=2"}))
        picture(server, tmp_path, server.url("/a"))
        assert not [seen for seen in server.seen if "cookie" in seen.headers]


def test_messages_and_log_lines_have_no_control_characters(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Loopback() as server, caplog.at_level(logging.DEBUG, "mmke"):
        url = server.route("/a", Answer("\x1b[2J\r\nroot: ok \u202egpj".encode(), 404))
        found = picture(server, tmp_path, url)
        assert isinstance(found, Rejected)
        assert found.detail.isprintable()
        assert "\\x1b[2J" in found.detail
        assert caplog.messages
        assert all(message.isprintable() for message in caplog.messages)
        url = server.route("/b", Answer(b"<h1>No &lt;b&gt;</h1><script>x()</script> such page", 404))
        found = picture(server, tmp_path, url)
        assert isinstance(found, Rejected)
        assert found.detail == "the host answers 404: No b> such page"
    assert printable("a\u202eb\n\x00\ud800") == "a\\u202eb\\n\\x00\\ud800"


def test_the_disk_is_never_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Loopback() as server:
        url = server.route("/a.jpg", JPEG)
        with pytest.raises(PrerequisiteError, match="min_free_gib"):
            picture(server, tmp_path, url, min_free_gib=10**9)
        with pytest.raises(PrerequisiteError, match="disk_budget_gib"):
            picture(server, tmp_path, url, disk_budget_gib=0.000001)
        assert not list(tmp_path.rglob("objects/*/*"))
        free = iter([2**40] * 3)
        monkeypatch.setattr(Fetches, "free_bytes", lambda _: next(free, 0))
        with pytest.raises(PrerequisiteError, match="free some disk space"):
            through(server, tmp_path, lambda door: many(door, server, 20))
        assert sum(server.hits.values()) < 20  # the rest was not asked for in vain


async def many(door: Door, server: Loopback, count: int) -> None:
    server.route("/many/*", JPEG)
    for number in range(count):
        await door.picture(server.url(f"/many/{number}"), "a")


def test_a_full_disk_is_said_and_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> list[str]:
        raise OSError(28, "No space left on device")

    with Loopback() as server:
        url = server.route("/a.jpg", JPEG)
        with monkeypatch.context() as patched:
            patched.setattr("warehouse.artefacts.Artefacts.put_many", full)
            with pytest.raises(PrerequisiteError, match="No space left on device"):
                picture(server, tmp_path, url)
        assert isinstance(picture(server, tmp_path, url), Fetched)


def test_bodies_in_memory_are_bounded(tmp_path: Path) -> None:
    """Thirty pictures of unknown length at once: the ninth of the largest size waits for room."""

    async def work(door: Door) -> int:
        task = asyncio.gather(*(door.picture(server.url(f"/{n}"), "a") for n in range(30)))
        await asyncio.sleep(0.5)
        free = door._asking.exchange._room._free
        await task
        return free

    with Loopback() as server:
        server.route("/*", Answer(JPEG, length=-1, piece=6000, pause=0.4))
        server.route("/robots.txt", redirect("/none"))
        server.route("/none", Answer(b"", 404))
        assert through(server, tmp_path, work, max_mib=1) == 0
