"""`make bench`: what a question costs us, and the plain client, at an endpoint that takes half a second."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from curation.drafting.bench.endpoint import bench_endpoint
from curation.drafting.bench.subjects import made_up_subjects
from curation.drafting.casting import Casting, cast
from curation.drafting.draft import Drafted, Sources, draft_item
from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.pacing import Pace, PacedModel
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.llm import LanguageModel, LlmRequest, LlmResponse
from curation.drafting.mining.lexicon import countries
from curation.drafting.money.budget import Budget, Spent
from curation.drafting.money.prices import load_prices
from curation.drafting.steps.asking import Asking, DraftSettings
from curation.drafting.steps.outside_texts import OutsideText
from curation.drafting.steps.pools import Pool
from curation.ids import sha256_bytes
from curation.records import ImageAsset, ImageOrigin, Subject
from warehouse.artefacts import Artefacts, Responses

SECONDS, IN_FLIGHT = 0.5, 64
LEAST_SHARE, MOST_CPU = 0.90, 15.0
SETTINGS = DraftSettings("rule-drafter/1", "rules", is_llm=False)


@dataclass(frozen=True)
class Row:
    """One client: how many questions it asked, in how many seconds, with how many of its CPU."""

    name: str
    asked: int
    seconds: float
    cpu: float
    what: str = ""

    @property
    def share(self) -> float:
        """Return its rate as a share of the best possible one."""
        return self.asked * SECONDS / IN_FLIGHT / self.seconds

    @property
    def milliseconds(self) -> float:
        """Return its CPU milliseconds a question."""
        return 1000 * self.cpu / self.asked


@dataclass
class _Clock:
    seconds: float = 0.0
    cpu: float = 0.0


@contextmanager
def _measured() -> Iterator[_Clock]:
    """Measure wall seconds and this process's CPU seconds, its threads included, its children not."""
    clock, start, before = _Clock(), time.monotonic(), _cpu()
    yield clock
    clock.seconds, clock.cpu = time.monotonic() - start, _cpu() - before


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@dataclass
class _Watched:
    """Remembers what was asked, so that the other clients ask the same."""

    inner: LanguageModel
    asked: list[LlmRequest] = field(default_factory=list)

    async def complete(self, request: LlmRequest) -> LlmResponse:
        self.asked.append(request)
        return await self.inner.complete(request)


@dataclass(frozen=True)
class Work:
    """Subjects cast with their pictures, ready to be drafted."""

    subjects: Sequence[Subject]
    castings: dict[str, Casting]
    sources: Sources


class _Gazetteer:
    """A second source text about the places that edits bring in, for the question one hop further."""

    def about(self, name: str) -> OutsideText | None:
        for country in countries():
            if name in (country.name, *country.cities):
                text = f"{name} lies in {country.name}, in {country.continent}. The capital is "
                return OutsideText(f"{text}{country.capital}.", made_up_subjects(1)[0].text_source)
        return None


def work(items: int) -> Work:
    """Return so many subjects; every one shows the same few pictures."""
    subjects = made_up_subjects(items)
    blobs: dict[str, bytes] = {}

    def save(data: bytes) -> str:
        name = sha256_bytes(data)
        blobs[name] = data
        return name

    pictures = [save(_picture(number)) for number in range(16)]
    assets = [_asset(s, p, pictures[(n + p) % 16]) for n, s in enumerate(subjects) for p in range(2)]
    found = cast(subjects, assets, blobs.__getitem__, save)
    castings = {key: one for key, one in found.items() if isinstance(one, Casting)}
    by_id = {subject.subject_id: subject for subject in subjects}
    return Work(subjects, castings, Sources(by_id, _Gazetteer(), Pool(), blobs.__getitem__))


def _picture(number: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (64, 64), (number * 15, 255 - number * 15, number * 7)).save(file, "JPEG")
    return file.getvalue()


def _asset(subject: Subject, place: int, sha256: str) -> ImageAsset:
    name = f"{subject.subject_id}-{place}"
    return ImageAsset(
        image_id=name,
        subject_id=subject.subject_id,
        source="made up",
        locator=name,
        sha256=sha256,
        derivative_sha256=sha256,
        width=64,
        height=64,
        byte_size=1,
        media_type="image/jpeg",
        licence="CC0-1.0",
        author="nobody",
        attribution="nobody",
        source_page="https://example.org",
        origin=ImageOrigin.PHOTOGRAPH,
        parent=None,
        retrieved_at="2026-01-01T00:00:00Z",
    )


async def ours(url: str, todo: Work, home: Path) -> tuple[Row, list[LlmRequest]]:
    """Draft every item by the whole path: prompts, budget, answers kept on disk, pace, checks."""
    endpoint = OpenAIModel(url, "none")
    budget = Budget(load_prices("1,1"), Decimal(1_000_000), None, Spent())
    paced = PacedModel(endpoint, Pace(in_flight=IN_FLIGHT))
    recorded = RecordedModel(paced, Responses(Artefacts(home)), budget)
    model = _Watched(recorded)
    passed = 0

    async def one(subject: Subject) -> None:
        nonlocal passed
        made = await draft_item(
            subject, todo.castings[subject.subject_id], todo.sources, Asking(model, SETTINGS)
        )
        passed += isinstance(made, Drafted) and not made.findings

    with _measured() as clock:
        await _with_so_many(2 * IN_FLIGHT, todo.subjects, one)
    await endpoint.aclose()
    what = f"{passed} of {len(todo.subjects)} items pass all checks"
    return Row("mmke", len(model.asked), clock.seconds, clock.cpu, what), model.asked


_Thing = Any


async def _with_so_many(most: int, things: Sequence[_Thing], do: Callable[[_Thing], Awaitable[None]]) -> None:
    waiting = iter(things)

    async def worker() -> None:
        for thing in waiting:
            await do(thing)

    await asyncio.gather(*(worker() for _ in range(most)))


def _body(request: LlmRequest) -> dict[str, Any]:
    """Return a request as people write it with the plain client."""
    schema = {"name": request.schema_name, "schema": request.schema, "strict": True}
    return {
        "model": request.model,
        "messages": [{"role": one.role, "content": one.text} for one in request.messages],
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


async def gathered(url: str, requests: Sequence[LlmRequest]) -> Row:
    """Ask the same with the async client, a semaphore and asyncio.gather, keeping nothing."""
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=url, api_key="none")
    turns = asyncio.Semaphore(IN_FLIGHT)

    async def one(request: LlmRequest) -> None:
        async with turns:
            answer = await client.chat.completions.create(**_body(request))
            json.loads(answer.choices[0].message.content or "")

    with _measured() as clock:
        await asyncio.gather(*(one(request) for request in requests))
    await client.close()
    return Row("openai, asyncio.gather", len(requests), clock.seconds, clock.cpu, "nothing kept")


def threaded(url: str, requests: Sequence[LlmRequest]) -> Row:
    """Ask the same with the sync client in as many threads, keeping nothing."""
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key="none")

    def one(request: LlmRequest) -> None:
        answer = client.chat.completions.create(**_body(request))
        json.loads(answer.choices[0].message.content or "")

    with _measured() as clock, ThreadPoolExecutor(IN_FLIGHT) as threads:
        list(threads.map(one, requests))
    client.close()
    return Row("openai, threads", len(requests), clock.seconds, clock.cpu, "nothing kept")


def measure(items: int) -> list[Row]:
    """Return a row a client; all ask the same questions."""
    todo = work(items)
    with tempfile.TemporaryDirectory() as folder, bench_endpoint(SECONDS) as url:
        # Imports, and an endpoint that knows its answers: what it takes to make them is not measured.
        asyncio.run(ours(url, todo, Path(folder, "unmeasured")))
        row, asked = asyncio.run(ours(url, todo, Path(folder, "mmke")))
        return [row, asyncio.run(gathered(url, asked)), threaded(url, asked)]


def main() -> int:
    """Print the table and whether the goals are reached. Returns 1 when an item was lost."""
    parser = argparse.ArgumentParser(prog="python -m curation.drafting.bench.speed", description=__doc__)
    parser.add_argument("--items", type=int, default=512, help="items to draft, of three questions or more")
    options = parser.parse_args()
    rows = measure(options.items)
    table = Table(title=f"{rows[0].asked:,} questions, {SECONDS:g} s an answer, {IN_FLIGHT} in flight")
    for heading in ("client", "questions/s", "of the ideal rate", "ms CPU a question", ""):
        table.add_column(heading, justify="left" if heading in ("client", "") else "right")
    for row in rows:
        rate = f"{row.asked / row.seconds:.0f}"
        table.add_row(row.name, rate, f"{row.share:.0%}", f"{row.milliseconds:.1f}", row.what)
    console = Console(width=120)
    console.print(table)
    mine = rows[0]
    console.print(
        f"of the ideal rate: {mine.share:.0%}, goal {LEAST_SHARE:.0%} {_is(mine.share >= LEAST_SHARE)}; "
        f"CPU a question: {mine.milliseconds:.1f} ms, goal under {MOST_CPU:g} "
        f"{_is(mine.milliseconds < MOST_CPU)}"
    )
    return 0


def _is(reached: bool) -> str:
    return "reached" if reached else "missed"


if __name__ == "__main__":
    raise SystemExit(main())
