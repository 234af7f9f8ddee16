"""The connection to an OpenAI-compatible endpoint: one HTTP request each, and no secret in what is raised."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any
from urllib.parse import unquote, urlsplit

from curation.errors import ForgeError, PrerequisiteError, TransientError, UnknownOutcomeError

CONNECT_SECONDS = 10.0
POOLS = 8
KEPT_CONNECTIONS = 128  # idle ones, a pool
_OWN_HOST = "api.openai.com"


@dataclass(frozen=True, slots=True)
class Got:
    """What came back over HTTP; body is None where it was no JSON."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Connection:
    """A client of the openai package without its retries."""

    def __init__(self, base_url: str | None, api_key: str, timeout_seconds: float) -> None:
        """Prepare it; base_url None means OpenAI's own. Raises PrerequisiteError for what cannot be used."""
        key = api_key.strip()
        if not key:
            raise PrerequisiteError("there is no API key for the language model: set OPENAI_API_KEY")
        if not key.isascii() or not key.isprintable():
            raise PrerequisiteError("the API key has signs that no key has: set OPENAI_API_KEY anew")
        import httpx2
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        for name in ("openai", "httpx2", "httpcore2"):  # they log addresses, and headers when they debug
            logging.getLogger(name).setLevel(logging.WARNING)
        address, login = _address(base_url)
        self._client = AsyncOpenAI(
            base_url=address,
            api_key=key,
            default_headers=login,
            max_retries=0,
            timeout=httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            # No proxy of the environment stands between this machine and itself.
            http_client=DefaultAsyncHttpxClient(trust_env=not _is_here(address), transport=_several_pools()),
        )

    async def aclose(self) -> None:
        """Close it."""
        await self._client.close()

    async def get(self, path: str, query: Mapping[str, str]) -> Got:
        """Return what comes back; errors as of post."""
        import httpx2

        call = self._client.get(path, cast_to=httpx2.Response, options={"params": dict(query)})
        return await _answered(call)

    async def post(self, path: str, body: Mapping[str, Any], request_id: str) -> Got:
        """Return what comes back, whatever the status.

        request_id: endpoints log it (X-Client-Request-Id), so that an operator finds a request by the name
        that we keep it under. Raises TransientError where no connection came to be, UnknownOutcomeError where
        one broke or timed out.
        """
        import httpx2

        options: Any = {"headers": {"X-Client-Request-Id": request_id}}
        return await _answered(self._client.post(path, cast_to=httpx2.Response, body=body, options=options))


def _several_pools() -> Any:  # noqa: ANN401 - httpx2.AsyncBaseTransport
    """Return a transport that takes some pools of connections in turn.

    A pool looks at all its idle connections for every request: with 64 a fifth of a request's CPU.
    """
    import httpx2

    class InTurn(httpx2.AsyncBaseTransport):
        def __init__(self) -> None:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS)
            self._pools = [httpx2.AsyncHTTPTransport(limits=limits) for _ in range(POOLS)]
            self._turns = cycle(self._pools)

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return await next(self._turns).handle_async_request(request)

        async def aclose(self) -> None:
            for pool in self._pools:
                await pool.aclose()

    return InTurn()


def is_openais(base_url: str | None) -> bool:
    """Tell whether an address is one of OpenAI's own, as None is."""
    if base_url is None:
        return True
    try:
        host = urlsplit(base_url.strip()).hostname or ""
    except ValueError:
        return False
    return host == _OWN_HOST or host.endswith(f".{_OWN_HOST}")


def _is_here(address: str | None) -> bool:
    return address is not None and urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")


async def _answered(call: Awaitable[Any]) -> Got:
    """Return what came back.

    Ours is raised outside the except clause: the client's own error, which would be its context, carries the
    request with the key.
    """
    import httpx2
    from openai import APIConnectionError, APIStatusError

    failure: ForgeError
    try:
        return _got(await call)
    except APIStatusError as error:
        return _got(error.response)
    except (APIConnectionError, httpx2.HTTPError) as error:
        failure = _unsent_or_unknown(error)
    raise failure


def _got(answer: Any) -> Got:  # noqa: ANN401 - httpx2.Response
    try:
        body = json.loads(answer.content, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        body = None
    return Got(answer.status_code, body, answer.headers)


def _unsent_or_unknown(error: Exception) -> ForgeError:
    """Return a TransientError where no connection came to be, else an UnknownOutcomeError."""
    import httpx2

    cause = error.__cause__ or error
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return TransientError("the language model cannot be reached")
    if isinstance(cause, httpx2.TimeoutException):
        return UnknownOutcomeError("the language model did not answer in time: it may have been charged")
    return UnknownOutcomeError("the connection to the language model broke: it may have been charged")


def _address(base_url: str | None) -> tuple[str | None, dict[str, str] | None]:
    """Return an address without its login, and the header that bears the login in its place."""
    if base_url is None:
        return None, None
    try:
        parts = urlsplit(base_url.strip())
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound or parts.query or parts.fragment:
        raise PrerequisiteError(
            "OPENAI_BASE_URL is not the address of an endpoint: set it to one like http://127.0.0.1:8000/v1"
        )
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if parts.username is None:
        return address, None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return address, {"Authorization": "Basic " + base64.b64encode(login.encode()).decode("ascii")}
