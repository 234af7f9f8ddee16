"""The pace against a real endpoint over HTTP: storms, hangs, broken connections, a port where nobody is."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.pacing import Pace, PacedModel, PaceNow, RunStoppedError
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import LlmResponse
from curation.errors import UnknownOutcomeError
from tests.drafts import request
from tests.llm_replies import in_turn, with_faults
from tests.llm_server import KEY, LlmServer, Manners, Row
from warehouse.artefacts import Artefacts, Responses


def asked(url: str, home: Path, count: int, pace: Pace) -> tuple[list[LlmResponse | BaseException], PaceNow]:
    """Ask an endpoint so much, with answers kept in a folder."""

    async def work() -> tuple[list[LlmResponse | BaseException], PaceNow]:
        endpoint = OpenAIModel(url, KEY, LlmSettings(in_flight=pace.in_flight, timeout_seconds=60))
        paced = PacedModel(endpoint, pace)
        model = RecordedModel(paced, Responses(Artefacts(home)))
        calls = (model.complete(request(draw=number)) for number in range(count))
        got = await asyncio.gather(*calls, return_exceptions=True)
        await endpoint.aclose()
        return got, paced.now

    return asyncio.run(work())


def texts(got: Sequence[LlmResponse | BaseException]) -> list[str]:
    """Return the answers; fails where something else came."""
    assert [one for one in got if not isinstance(one, LlmResponse)] == []
    return [one.text for one in got if isinstance(one, LlmResponse)]


def charged(rows: Sequence[Row]) -> int:
    return sum(row["charged"] for row in rows)


def test_a_storm_is_waited_out_and_what_is_too_much_found(tmp_path: Path) -> None:
    script = with_faults({"500": 0.05, "503_after": 0.01}, seed=3, storms=(range(30, 60),))
    with LlmServer(script, Manners(delay=0.02)) as server:
        got, now = asked(server.base_url, tmp_path, 150, Pace(in_flight=24))
    assert len(texts(got)) == charged(server.rows) == 150
    assert server.paid_twice == [] and server.most_in_flight <= 24
    assert now.limit < 24 and now.rate_limited >= 30
    assert now.asked == len(server.rows) == 150 + now.retries


def test_what_never_arrived_is_fetched_and_not_paid_again(tmp_path: Path) -> None:
    with LlmServer(with_faults({"hang": 0.08, "drop": 0.08}, seed=2), Manners(delay=0.02)) as server:
        got, now = asked(server.base_url, tmp_path, 50, Pace(in_flight=16, timeout_seconds=1.0))
    assert len(texts(got)) == charged(server.rows) == 50
    assert server.paid_twice == [] and now.recovered >= 4


def test_a_body_that_drips_meets_the_deadline(tmp_path: Path) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await asyncio.sleep(0.05)

    async def work() -> tuple[BaseException | None, float]:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        paced = PacedModel(OpenAIModel(url, KEY, LlmSettings(store=False)), Pace(timeout_seconds=0.5))
        start = time.monotonic()
        (error,) = await asyncio.gather(paced.complete(request()), return_exceptions=True)
        server.close()
        return error if isinstance(error, BaseException) else None, time.monotonic() - start

    error, seconds = asyncio.run(work())
    assert isinstance(error, UnknownOutcomeError) and seconds < 8


def test_a_port_where_nobody_listens_costs_seconds(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    start = time.monotonic()
    got, now = asked(f"http://127.0.0.1:{port}/v1", tmp_path, 300, Pace(in_flight=64, break_seconds=2.0))
    assert time.monotonic() - start < 20
    assert sum(isinstance(one, RunStoppedError) for one in got) > 200 and now.asked < 64 + 30
    assert not [key for key, note, tries in Responses(Artefacts(tmp_path)).all() if note or tries]


def test_a_refused_key_stops_the_run(tmp_path: Path) -> None:
    with LlmServer(in_turn(*["401"] * 500), Manners(delay=0.02)) as server:
        got, _ = asked(server.base_url, tmp_path, 200, Pace(in_flight=8))
    assert len(server.rows) <= 8
    assert {type(one).__name__ for one in got} == {"PrerequisiteError"}
    assert KEY not in "".join(map(str, got))
