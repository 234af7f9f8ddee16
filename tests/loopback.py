"""A real HTTP server on 127.0.0.1 that answers as a test tells it to, faults included, and counts."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web


@dataclass(frozen=True)
class Answer:
    """One scripted answer.

    delay: seconds before the headers. piece, pause: bytes a write and seconds after each, for a slow body.
    cut: the connection breaks after so many bytes of the body, though the headers promised all. endless: the
    body is repeated until the client goes away. length: a Content-Length that is not true; -1 for none.
    etag, last_modified: sent, and answered with 304 when the client has the same. raw: written to the socket
    in place of any answer, then the connection is closed; with piece and pause it drips.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "image/jpeg"
    delay: float = 0.0
    piece: int = 65536
    pause: float = 0.0
    cut: int | None = None
    endless: bool = False
    length: int | None = None
    etag: str = ""
    last_modified: str = ""
    raw: bytes | None = None


@dataclass(frozen=True)
class Seen:
    """One request as it came in; query and form by name (the last of equal names); at: time.monotonic()."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    form: Mapping[str, str]
    at: float


Script = Callable[[Seen], Answer]


def redirect(to: str, status: int = 302) -> Answer:
    """Return the answer that sends the client elsewhere."""
    return Answer(status=status, headers={"Location": to})


class Loopback:
    """Use as a context manager. Unknown paths are 404 (robots.txt too, until a test routes it).

    seen: every request in order. hits: how many came for each path.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Remember whether to speak TLS; the port is open from __enter__ on."""
        self._tls = tls
        self._routes: dict[str, Script] = {}
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0
        self.seen: list[Seen] = []
        self.hits: Counter[str] = Counter()

    def __enter__(self) -> Self:
        """Start to listen on a free port."""
        self._thread.start()
        assert self._ready.wait(20), "the loopback server did not start"
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop listening and end the thread; answers under way are dropped."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    @property
    def host(self) -> str:
        """Return 'host:port', as trusted_hosts takes it."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """Return the address of a path."""
        return f"{'https' if self._tls else 'http'}://{self.host}{path}"

    def route(self, path: str, *answers: Answer | bytes) -> str:
        """Answer path with these in turn, the last again and again, and return its address.

        A path that ends in '*' stands for all that begin so. bytes: the body of a JPEG.
        """
        queue = [Answer(answer) if isinstance(answer, bytes) else answer for answer in answers]

        def next_answer(_: Seen) -> Answer:
            return queue.pop(0) if len(queue) > 1 else queue[0]

        return self.script(path, next_answer)

    def script(self, path: str, script: Script) -> str:
        """Answer path (if it ends in '*', all that begin so) with what script returns; return its address."""
        self._routes[path] = script
        return self.url(path)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._tls, backlog=512)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        form = dict(await request.post()) if request.method == "POST" else {}
        seen = Seen(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            {name: str(value) for name, value in form.items()},
            time.monotonic(),
        )
        self.seen.append(seen)
        self.hits[seen.path] += 1
        answer = self._script_of(seen.path)(seen)
        if answer.delay:
            await asyncio.sleep(answer.delay)
        if answer.raw is not None:
            return await _write_raw(request, answer)
        return await _write(request, seen, answer)

    def _script_of(self, path: str) -> Script:
        if path in self._routes:
            return self._routes[path]
        fitting = [p for p in self._routes if p.endswith("*") and path.startswith(p[:-1])]
        missing = Answer(b"not here", 404, media_type="text/plain")
        return self._routes[max(fitting, key=len)] if fitting else lambda _: missing


async def _write(request: web.BaseRequest, seen: Seen, answer: Answer) -> web.StreamResponse:
    headers = {"Content-Type": answer.media_type, **answer.headers}
    if answer.etag:
        headers["ETag"] = answer.etag
    if answer.last_modified:
        headers["Last-Modified"] = answer.last_modified
    known = (
        (answer.etag, seen.headers.get("if-none-match")),
        (
            answer.last_modified,
            seen.headers.get("if-modified-since"),
        ),
    )
    if any(ours and ours == theirs for ours, theirs in known):
        return web.Response(status=304, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    if not answer.endless and answer.length != -1:
        response.content_length = len(answer.body) if answer.length is None else answer.length
    await response.prepare(request)
    try:
        await _write_body(request, response, answer)
    except ConnectionError:
        return response
    return response


async def _write_body(request: web.BaseRequest, response: web.StreamResponse, answer: Answer) -> None:
    body = answer.body if answer.cut is None else answer.body[: answer.cut]
    more = True
    while more:
        for start in range(0, len(body), answer.piece):
            await response.write(body[start : start + answer.piece])
            if answer.pause:
                await asyncio.sleep(answer.pause)
        more = answer.endless
    if (answer.cut is not None or (answer.length or 0) > len(answer.body)) and request.transport:
        request.transport.close()
        return
    await response.write_eof()


async def _write_raw(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    raw, transport = answer.raw or b"", request.transport
    if transport is None:
        raise ConnectionResetError
    for start in range(0, len(raw), answer.piece):
        transport.write(raw[start : start + answer.piece])
        if answer.pause:
            await asyncio.sleep(answer.pause)
    await asyncio.sleep(0.05)  # what was written must leave before the connection goes
    transport.close()
    return web.Response()
