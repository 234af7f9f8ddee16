"""An endpoint for measuring: drafts by rule, always after the same time, from a process of its own."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from curation.drafting.rules.server import complete
from curation.ids import canonical_json

_ANSWERS: dict[str, bytes] = {}


class _Completions(asyncio.Protocol):
    """As little of an HTTP server as an OpenAI client needs; one request at a time on a connection."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._out = transport

    def data_received(self, data: bytes) -> None:
        self._pending += data
        head, end, body = self._pending.partition(b"\r\n\r\n")
        size = next((int(v) for k, v in _fields(head) if k == b"content-length"), 0) if end else 0
        if not end or len(body) < size:
            return
        self._pending = b""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._seconds
        loop.call_at(due, self._send, _answer(body))

    def _send(self, answer: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        if isinstance(self._out, asyncio.WriteTransport) and not self._out.is_closing():
            self._out.write(head % len(answer) + answer)


def _answer(body: bytes) -> bytes:
    """Return the answer to a request, made once: drafting by rule takes longer than all else here."""
    request = json.loads(body)
    asked = canonical_json([request["messages"], request["response_format"]])
    if asked not in _ANSWERS:
        _ANSWERS[asked] = canonical_json(complete(request, "bench")).encode()
    return _ANSWERS[asked]


def _fields(head: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        yield name.strip().lower(), value.strip()


@contextmanager
def bench_endpoint(seconds: float) -> Iterator[str]:
    """Yield the base URL of an endpoint that takes so many seconds for every answer."""
    process = subprocess.Popen(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", __name__, str(seconds)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline() if process.stdout else '')}/v1"
    finally:
        process.terminate()
        process.communicate()


async def _serve(seconds: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Completions(seconds), "127.0.0.1", 0, backlog=512
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1])))
