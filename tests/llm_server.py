"""A scripted OpenAI-compatible endpoint on 127.0.0.1, in a thread or a child process, that counts its pay."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.llm_replies import Asked, Reply, Script, body_of, by_rule, request_key, usage_of, with_faults

Row = dict[str, Any]
KEY = "sk-test-0123456789abcdef"


@dataclass(frozen=True)
class Manners:
    """How an endpoint behaves.

    delay: seconds before every answer. stores: it lists stored completions. refuses: fields of a request
    ('store', 'metadata', 'max_completion_tokens', 'temperature', ...) and kinds of format ('json_schema',
    'json_object') that it knows nothing of: HTTP 400. apis: those that it has; others are 404.
    """

    delay: float = 0.0
    stores: bool = True
    refuses: frozenset[str] = frozenset()
    apis: frozenset[str] = frozenset({"chat", "responses"})


class LlmServer:
    """Use as a context manager: the endpoint lives in a thread, on a free port.

    rows: the ledger, a row a request: key, attempt, api, status, fault, charged, tokens in and out. It is
    appended to the file `ledger` too, when one is given. bodies: what was sent, in order.
    """

    def __init__(
        self, script: Script = by_rule, manners: Manners | None = None, ledger: Path | None = None
    ) -> None:
        """Remember how to answer; the port is open from __enter__ on."""
        self.script = script
        self.manners = manners or Manners()
        self.rows: list[Row] = []
        self.bodies: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = 0
        self.port = 0
        self._ledger = ledger
        self._attempts: Counter[str] = Counter()
        self._stored: dict[str, dict[str, Any]] = {}
        self._loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        assert self._ready.wait(20), "the endpoint did not start"
        return self

    def __exit__(self, *exc: object) -> None:
        """Stop listening; answers under way are dropped."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    @property
    def base_url(self) -> str:
        """Return the address for an OpenAI client."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def asked(self) -> Counter[str]:
        """Return how often each request came."""
        return Counter(row["key"] for row in self.rows)

    @property
    def paid_twice(self) -> list[str]:
        """Return the requests that were charged more than once."""
        return paid_twice(self.rows)

    def add_routes(self, app: web.Application) -> None:
        """Add the addresses; a test's own class may add more."""
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/chat/completions", self._listed)
        app.router.add_get("/v1/responses/{id}", self._retrieved)
        app.router.add_get("/stats", self._stats)
        app.router.add_post("/v1/chat/completions", self._post)
        app.router.add_post("/v1/responses", self._post)

    def work(self, api: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[Asked, Reply]:
        """Answer one request and write down what it is charged."""
        key = request_key(headers, body)
        asked = Asked(key, len(self.rows), self._attempts[key], api, body, headers)
        self._attempts[key] += 1
        wrong = self._unknown(asked)
        reply = Reply(status=400, error="unknown_parameter", charged=False) if wrong else self.script(asked)
        if reply.charged and body.get("store") and self.manners.stores:
            self._stored[key] = body_of(asked, reply)
        tokens = usage_of(asked, reply)
        self._note(asked, reply, tokens)
        return asked, reply

    def _note(self, asked: Asked, reply: Reply, tokens: tuple[int, int]) -> None:
        row = {"key": asked.key, "attempt": asked.attempt, "api": asked.api, "status": reply.status}
        row |= {"fault": reply.fault, "charged": reply.charged, "tokens_in": tokens[0]}
        row |= {"tokens_out": tokens[1], "model": asked.body.get("model"), "at": time.time()}
        self.rows.append(row)
        if self._ledger is not None:
            with self._ledger.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def _unknown(self, asked: Asked) -> set[str]:
        known = asked.body.get("response_format") or asked.body.get("text", {}).get("format") or {}
        return {*asked.body, known.get("type", "text")} & self.manners.refuses

    async def _post(self, request: web.Request) -> web.StreamResponse:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await self._answered(request)
        finally:
            self.in_flight -= 1

    async def _answered(self, request: web.Request) -> web.StreamResponse:
        api = "responses" if request.path.endswith("responses") else "chat"
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = json.loads(await request.read())
        if api not in self.manners.apis:
            return web.json_response({"error": {"message": "no such address", "code": None}}, status=404)
        self.bodies.append(body)
        asked, reply = self.work(api, body, headers)
        await asyncio.sleep(3600 if reply.hang else self.manners.delay + reply.delay)
        if reply.drop and request.transport is not None:
            request.transport.close()
            return web.Response()
        data = reply.raw if reply.raw is not None else json.dumps(body_of(asked, reply)).encode("ascii")
        return web.Response(
            body=data, status=reply.status, headers={"Content-Type": "application/json", **reply.headers}
        )

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "test-model", "object": "model"}]})

    async def _listed(self, request: web.Request) -> web.Response:
        if not self.manners.stores:
            return web.json_response({"error": {"message": "no such address", "code": None}}, status=404)
        found = self._stored.get(request.query.get("metadata[request_sha256]", ""))
        rows = [found] if found and found["object"] == "chat.completion" else []
        return web.json_response({"object": "list", "data": rows, "has_more": False})

    async def _retrieved(self, request: web.Request) -> web.Response:
        found = [body for body in self._stored.values() if body["id"] == request.match_info["id"]]
        if not found:
            return web.json_response({"error": {"message": "no such response", "code": None}}, status=404)
        return web.json_response(found[0])

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "requests": len(self.rows),
                "most_in_flight": self.most_in_flight,
                "paid_twice": len(self.paid_twice),
                "tokens_in": sum(row["tokens_in"] for row in self.rows),
                "tokens_out": sum(row["tokens_out"] for row in self.rows),
            }
        )

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        left = asyncio.all_tasks(self._loop)  # what hangs, or was dropped
        for task in left:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.close()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        self.add_routes(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, backlog=512)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()


def paid_twice(rows: list[Row]) -> list[str]:
    """Return the requests that a ledger shows as charged more than once."""
    charged = Counter(row["key"] for row in rows if row["charged"])
    return sorted(key for key, times in charged.items() if times > 1)


def read_ledger(path: Path) -> list[Row]:
    """Return the rows of a ledger file; none when nothing was asked."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


@contextmanager
def llm_process(
    ledger: Path,
    *,
    shares: Mapping[str, float] | None = None,
    seed: int = 0,
    delay: float = 0.0,
    storms: tuple[range, ...] = (),
    stores: bool = True,
) -> Iterator[str]:
    """Yield the base URL of an endpoint in a process of its own, which outlives kills of its clients."""
    with tempfile.TemporaryDirectory(prefix="mmke-llm-") as folder:
        port_file = Path(folder, "port")
        options = {
            "shares": dict(shares or {}),
            "seed": seed,
            "delay": delay,
            "storms": [[storm.start, storm.stop] for storm in storms],
            "stores": stores,
        }
        command = [sys.executable, "-m", "tests.llm_server", str(ledger), str(port_file), json.dumps(options)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[1],
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 40
            while not port_file.exists():
                assert process.poll() is None, "the endpoint ended before it listened"
                assert time.monotonic() < deadline, "the endpoint did not start"
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port_file.read_text()}/v1"
        finally:
            process.kill()
            process.wait()


def main() -> None:
    """Serve until the standard input is closed, which is when the process that started this one is gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("port_file", type=Path)
    parser.add_argument("options", type=json.loads)
    given = parser.parse_args()
    options = given.options
    storms = tuple(range(*storm) for storm in options["storms"])
    script = with_faults(options["shares"], options["seed"], storms=storms)
    manners = Manners(delay=options["delay"], stores=options["stores"])
    with LlmServer(script, manners, given.ledger) as server:
        part = given.port_file.with_suffix(".part")
        part.write_text(str(server.port))
        part.rename(given.port_file)
        os.read(0, 1)


if __name__ == "__main__":
    main()
