"""Which addresses are asked: SSRF in every spelling, names that lead inside, hops of redirects."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
import stamina
from yarl import URL

from curation.collecting.http.addresses import AddressRefused, CheckedResolver, checked, is_public
from curation.collecting.http.settings import DoorSettings
from curation.errors import Reason, Rejected, TransientError
from tests.loopback import Loopback
from tests.unit.http_doors import JPEG, picture

NOTHING_TRUSTED = DoorSettings(contact="curator@example.org")
INSIDE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *(
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "192.88.99.1",
    ),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1"),
    *("::ffff:8.8.8.8", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001::1", "100::1"),
    *("2001:db8::1", "3fff::1", "fec0::1", "not an address"),
)


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "185.15.59.240", "2a02:ec80:300:ed1a::2:b"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "data:image/png;base64,AA",
            "ftp://example.org/a",
            "gopher://example.org",
            "a.jpg",
        ),
        *("http://user:secret@example.org/", "http://@example.org/", "http://user@example.org:80/"),
        *("http://example.org:22/", "http://example.org:8080/", "https://example.org:0/"),
        *("http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/", "http://127.1/", "http://0/"),
        *(
            "http://127.0.0.1./",
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://8.8.2056/",
        ),
        *("http://１２７.０.０.１/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://[fe80::1%25eth0]/"),
        *(
            "http://localhost/",
            "http://LOCALHOST./",
            "http://a.localhost/",
            "http://metadata.google.internal/",
        ),
        *(
            "http://exa mple.org/",
            "http://example.org/\r\nX: y",
            "http://example.org\\@127.0.0.1/",
            "http:///a",
        ),
        *(
            "http://127%2e0.0.1/",
            "http://example.org/" + "a" * 5000,
            "http://[::1",
            "http://exam\u202eple.org/",
        ),
    ],
)
def test_an_address_that_must_not_be_asked(url: str) -> None:
    with pytest.raises(AddressRefused):
        checked(url, NOTHING_TRUSTED)


def test_a_good_address_is_normalised() -> None:
    assert str(checked("HTTPS://Upload.Wikimedia.ORG./a/b.jpg#x", NOTHING_TRUSTED)) == (
        "https://upload.wikimedia.org/a/b.jpg"
    )
    assert checked("http://bücher.example/ü", NOTHING_TRUSTED).raw_host == "xn--bcher-kva.example"


def test_a_trusted_host_is_trusted_with_its_port_only() -> None:
    settings = DoorSettings(trusted_hosts=("127.0.0.1:8080", "mirror.local:80"))
    assert checked("http://127.0.0.1:8080/a", settings).port == 8080
    assert checked("http://mirror.local/a", settings).port == 80
    for url in ("http://127.0.0.1:8081/a", "http://127.0.0.1/a", "https://mirror.local/a"):
        with pytest.raises(AddressRefused):
            checked(url, settings)


@pytest.mark.parametrize(
    ("origin", "target"),
    [
        ("https://example.org/", "http://example.org/"),
        ("https://example.org/", "//127.0.0.1/"),
        ("https://example.org/", "https://a:b@example.org/"),
        ("http://example.org/", "http://127.0.0.1:8080/"),
        ("http://example.org/", "file:///etc/passwd"),
    ],
)
def test_a_hop_is_checked_like_the_first_address(origin: str, target: str) -> None:
    settings = DoorSettings(trusted_hosts=("127.0.0.1:8080",))
    with pytest.raises(AddressRefused):
        checked(target, settings, origin=URL(origin))


def answers(*addresses: str) -> object:
    def getaddrinfo(host: object, port: object, *_: object, **__: object) -> list[object]:
        kinds = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        return [
            (kind, socket.SOCK_STREAM, 6, "", (address, port, 0, 0) if ":" in address else (address, port))
            for kind, address in zip(kinds, addresses, strict=True)
        ]

    return getaddrinfo


def resolve(trusted: bool) -> list[str]:
    async def run() -> list[str]:
        found = await CheckedResolver(lambda *_: trusted).resolve("example.org", 80)
        return [entry["host"] for entry in found]

    return asyncio.run(run())


def test_one_inner_address_among_the_answers_refuses_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("93.184.215.14", "10.0.0.1"))
    with pytest.raises(AddressRefused):
        resolve(trusted=False)
    assert resolve(trusted=True) == ["93.184.215.14", "10.0.0.1"]


def test_the_checked_address_is_the_one_connected_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that gives a good address first and an inner one later is asked once."""
    with Loopback() as server:
        server.route("/a.jpg", JPEG)
        asked: list[str] = []
        inside = answers("127.0.0.1")

        def rebinding(host: str, *rest: object, **more: object) -> object:
            asked.append(host)
            return inside(host, *rest, **more) if len(asked) == 1 else answers("10.0.0.1")(host, *rest)  # type: ignore[operator]

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        url = f"http://mirror.test:{server.port}/a.jpg"
        found = picture(server, tmp_path, url, trusted_hosts=(f"mirror.test:{server.port}",))
        assert not isinstance(found, Rejected)
        assert asked == ["mirror.test"]


@pytest.mark.parametrize(
    ("code", "reason"), [(socket.EAI_NONAME, Reason.FETCH_FAILED), (socket.EAI_AGAIN, None)]
)
def test_a_name_that_does_not_exist_is_not_one_that_cannot_be_asked_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, reason: Reason | None
) -> None:
    def getaddrinfo(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(code, "no")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Loopback() as server, stamina.set_testing(True, attempts=2):
        if reason is None:
            with pytest.raises(TransientError):
                picture(server, tmp_path, "http://gone.test/a.jpg", contact="curator@example.org")
            return
        found = picture(server, tmp_path, "http://gone.test/a.jpg", contact="curator@example.org")
        assert isinstance(found, Rejected)
        assert found.reason == reason


def test_a_name_that_leads_inside_is_rejected_without_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", answers("127.0.0.1"))
    with Loopback() as server:
        found = picture(server, tmp_path, "http://inside.test/a.jpg", contact="curator@example.org")
        assert isinstance(found, Rejected)
        assert found.reason == Reason.ADDRESS_NOT_ALLOWED
        assert not server.seen
        assert not list(tmp_path.rglob("*.jsonl"))
