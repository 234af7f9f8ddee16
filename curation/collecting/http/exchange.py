"""One request after the other over the wire: redirects by hand, deadlines, and caps while the body comes."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from time import monotonic

import aiohttp
from yarl import URL

from curation.collecting.http.addresses import AddressRefused, CheckedResolver, checked, host_of
from curation.collecting.http.deadline import Deadline
from curation.collecting.http.hosts import Host, Hosts, Room
from curation.collecting.http.replies import Busy, Passing, Refusal, Reply, check_passing, flat_headers
from curation.collecting.http.robots import AGENT
from curation.collecting.http.settings import DoorSettings
from curation.errors import PrerequisiteError, Reason, TransientError

MAX_HOPS = 5
HEAD_BYTES = 512  # enough to see what a body is
MAX_ERROR_BYTES = 16 * 1024  # of a body that only says what went wrong
BODIES_IN_MEMORY = 8  # of the largest size; smaller ones fit in their place
# The environment variable with the access token of an API; it goes to this host and to no other.
TOKENS = {"api.openverse.org": "OPENVERSE_TOKEN"}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_SUCH_HOST = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})


def user_agent(contact: str) -> str:
    """Return the name that we give ourselves, as Wikimedia's User-Agent policy words it."""
    return f"{AGENT}/{version(AGENT)} ({contact or 'no contact'}) aiohttp/{version('aiohttp')}"


@dataclass(frozen=True, slots=True)
class Ask:
    """What to ask for, and what to make of it as it comes.

    headers: of the request. form: posted when given. limit: most bytes of a body. truncate: take the first
    bytes of a longer body rather than refuse it. on_head, on_start: look at the headers, and at the first
    512 bytes, of a good answer, and raise Refusal.
    """

    headers: Mapping[str, str]
    limit: int
    form: Mapping[str, str] | None = None
    truncate: bool = False
    on_head: Callable[[Reply], None] = lambda _: None
    on_start: Callable[[Reply, bytes], None] = lambda _, __: None


@dataclass(slots=True)
class Counts:
    """What went over the wire so far."""

    requests: int = 0
    received: int = 0
    waits: int = 0


async def _everything(_: URL) -> None:
    """Allow any address."""


@dataclass
class Exchange:
    """Open connections to hosts that may be asked. Make it inside a running event loop."""

    settings: DoorSettings
    hosts: Hosts
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        """Open the pool: no proxies or credentials from the environment, no cookies."""
        settings = self.settings
        self._room = Room(BODIES_IN_MEMORY * settings.max_bytes)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=CheckedResolver(settings.trusts), limit=settings.concurrency, ttl_dns_cache=300
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": user_agent(settings.contact)},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=settings.connect_seconds),
            trust_env=False,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    @asynccontextmanager
    async def follow(
        self, url: URL, ask: Ask, allow: Callable[[URL], Awaitable[None]] = _everything
    ) -> AsyncIterator[Reply]:
        """Yield the answer at the end of at most five redirects, each checked like the first address.

        Its body counts as in memory until the block ends. allow: raises for an address that robots.txt
        forbids. Raises Passing, Refusal, or TransientError when the host is too slow or paused for long.
        """
        before: Reply | None = None
        for _ in range(MAX_HOPS + 1):
            await allow(url)
            try:
                reply, taken = await self._hop(url, ask)
            except AddressRefused as error:
                raise _not_allowed(error, before) from error
            try:
                if reply.status not in _REDIRECTS:
                    yield reply
                    return
            finally:
                self._room.give(taken)
            url, before = self._next(url, reply, ask), reply
        raise Refusal(Reason.FETCH_FAILED, f"more than {MAX_HOPS} redirects", before)

    def _next(self, url: URL, reply: Reply, ask: Ask) -> URL:
        location = reply.headers.get("location")
        if not location or ask.form is not None:
            raise Refusal(Reason.FETCH_FAILED, "a redirect that cannot be followed", reply)
        try:
            return checked(location, self.settings, origin=url)
        except AddressRefused as error:
            raise _not_allowed(error, reply) from error

    async def _hop(self, url: URL, ask: Ask) -> tuple[Reply, int]:
        """Return one answer and the bytes of room that were taken for it."""
        self._need_contact(url)
        host = self.hosts.of(url)
        await host.enter(self.hosts.everyone)
        try:
            sent = monotonic()
            reply, taken = await self._send(url, ask, host)
            try:
                check_passing(reply)
            except Passing as passing:
                self._room.give(taken)
                if isinstance(passing, Busy):
                    self.rest(url, passing.seconds, sent)
                else:
                    host.failed()
                raise
            host.well(sent)
        except aiohttp.ClientError as error:
            host.failed()
            raise _meaning(error) from error
        except TimeoutError as error:
            host.failed()
            message = f"{host.name} is too slow; run again later"
            raise TransientError(message) from error
        except OSError as error:
            host.failed()
            raise Passing(f"the connection failed ({type(error).__name__})") from error
        finally:
            host.leave(self.hosts.everyone)
        return reply, taken

    def rest(self, url: URL, seconds: float | None, sent: float) -> None:
        """Let nobody ask a host for a while, after a request sent at `sent` was told so."""
        self.counts.waits += 1
        self.hosts.of(url).pause(seconds, sent)

    def _need_contact(self, url: URL) -> None:
        if not self.settings.contact and not self.settings.trusts(host_of(url), url.port or 0):
            message = (
                f"{host_of(url)} is only asked by somebody who can be reached: set `contact` under [http] "
                "in mmke.toml to your mail address or web page"
            )
            raise PrerequisiteError(message)

    def token_variable(self, url: URL) -> str | None:
        """Return the environment variable that may have an access token for the host of url."""
        trusted = self.settings.trusts(host_of(url), url.port or 0)
        variable = TOKENS.get(f"{host_of(url)}:{url.port}" if trusted else host_of(url))
        return variable if trusted or url.scheme == "https" else None

    def _token(self, url: URL) -> str:
        variable = self.token_variable(url)
        token = os.environ.get(variable, "").strip() if variable else ""
        return token if token.isascii() and token.isprintable() else ""

    async def _send(self, url: URL, ask: Ask, host: Host) -> tuple[Reply, int]:
        method, headers = "GET" if ask.form is None else "POST", dict(ask.headers)
        token = self._token(url)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        deadline = Deadline(self.settings)
        self.counts.requests += 1
        async with (
            deadline.timer,
            self._session.request(
                method, url, headers=headers, data=ask.form, allow_redirects=False
            ) as response,
        ):
            reply = Reply(response.status, str(url), flat_headers(response.headers), b"")
            if reply.status in _REDIRECTS:
                return reply, 0
            good = reply.status == 200
            if good or reply.status == 304:
                ask.on_head(reply)
            limit = ask.limit if good else MAX_ERROR_BYTES
            size = response.content_length
            if good and size is not None and size > limit and not ask.truncate:
                raise _too_large(reply, limit)
            exact = size is not None and "content-encoding" not in reply.headers
            taken = min(size, limit) if exact and size is not None else limit
            if not self._room.take_now(taken):
                await deadline.pausing(self._room.take(taken))
            try:
                body = await self._body(response, reply, ask, limit, host, deadline)
            except BaseException:
                self._room.give(taken)
                raise
            if token:  # an answer that says it back must not bring it into the store or a message
                body = body.replace(token.encode(), b"[token]")
            return Reply(reply.status, reply.url, reply.headers, body), taken

    async def _body(
        self,
        response: aiohttp.ClientResponse,
        reply: Reply,
        ask: Ask,
        limit: int,
        host: Host,
        deadline: Deadline,
    ) -> bytes:
        good, looked, size = reply.status == 200, False, 0
        parts: list[bytes] = []
        deadline.body_begins()
        async for part in response.content.iter_any():
            parts.append(part)
            size += len(part)
            self.counts.received += len(part)
            if size > limit:
                if good and not ask.truncate:
                    raise _too_large(reply, limit)
                break
            if good and not looked and size >= HEAD_BYTES:
                looked = True
                ask.on_start(reply, b"".join(parts)[:HEAD_BYTES])
            if host.is_metered:
                await deadline.pausing(host.flow(len(part)))
            deadline.moved(size)
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if good and not looked:
            ask.on_start(reply, body[:HEAD_BYTES])
        return body[:limit]


def _too_large(reply: Reply, limit: int) -> Refusal:
    return Refusal(Reason.IMAGE_TOO_LARGE, f"larger than {limit} bytes", reply, limit=limit)


def _not_allowed(error: AddressRefused, before: Reply | None) -> Refusal:
    """Return the verdict on an address; on one that a redirect led to it is for good."""
    message = f"redirected: {error}" if before else str(error)
    return Refusal(Reason.ADDRESS_NOT_ALLOWED, message, before, is_final=before is not None)


def _meaning(error: aiohttp.ClientError) -> Exception:
    """Return what a failure of the connection means for the request."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return Refusal(Reason.FETCH_FAILED, "its TLS certificate is not valid", is_final=False)
    if isinstance(error, aiohttp.ClientConnectorDNSError) and error.os_error.errno in _NO_SUCH_HOST:
        return Refusal(Reason.FETCH_FAILED, "there is no host of this name", is_final=False)
    if isinstance(error, aiohttp.InvalidURL):
        return Refusal(Reason.FETCH_FAILED, "the address is not a valid URL", is_final=False)
    if isinstance(error, aiohttp.ClientResponseError):
        return Refusal(Reason.FETCH_FAILED, "the answer is not proper HTTP, or its headers are too large")
    return Passing(f"the connection failed ({type(error).__name__})")
