"""The loopback server must do what other tests rely on."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.loopback import Answer, Loopback, redirect


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    async def ask() -> tuple[int, bytes]:
        async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
            return response.status, await response.read()

    return asyncio.run(ask())


def test_it_answers_in_turn_and_counts() -> None:
    with Loopback() as server:
        url = server.route("/a", Answer(b"", 503), b"good")
        server.route("/more/*", redirect(url))
        assert [fetch(url) for _ in range(3)] == [(503, b""), (200, b"good"), (200, b"good")]
        assert fetch(server.url("/more/b")) == (200, b"good")
        assert fetch(server.url("/c"))[0] == 404
        assert server.hits == {"/a": 4, "/more/b": 1, "/c": 1}


def test_it_knows_what_the_client_has() -> None:
    with Loopback() as server:
        url = server.route("/a", Answer(b"x", etag='"1"'))
        assert fetch(url, **{"If-None-Match": '"1"'}) == (304, b"")


def test_it_breaks_in_the_middle() -> None:
    with Loopback() as server:
        url = server.route("/a", Answer(b"x" * 1000, cut=500))
        with pytest.raises(aiohttp.ClientPayloadError):
            fetch(url)


def test_it_writes_what_no_server_should() -> None:
    with Loopback() as server:
        url = server.route("/a", Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
        assert fetch(url) == (200, b"ok")
