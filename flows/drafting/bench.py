"""`make bench`: how long `mmke draft` takes when all is settled, and how long it took to get there."""

from __future__ import annotations

import argparse
import io
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from curation.drafting.bench.endpoint import bench_endpoint
from curation.drafting.bench.subjects import made_up_subjects
from curation.ids import sha256_bytes
from curation.records import ImageAsset, ImageOrigin, Outcome, StageCount, Subject
from warehouse.artefacts import Artefacts
from warehouse.store import Event, open_store, outcome_event, record_event

MOST_SECONDS = 5.0
_PICTURES = 48


def fill(home: Path, subjects: Sequence[Subject]) -> None:
    """Put subjects with two pictures each into a project, as the stages before drafting leave them."""
    kept = Artefacts(home).put_many([_picture(number) for number in range(_PICTURES)])
    events: list[Event] = []
    for number, subject in enumerate(subjects):
        events.append(record_event("subject", subject.subject_id, subject))
        events.append(_kept("subjects", subject.subject_id, "subjects", subject))
        for place in range(2):
            asset = _asset(subject, place, kept[(number * 2 + place) % len(kept)])
            events.append(record_event("image", asset.image_id, asset))
            events += [_kept(stage, asset.image_id, "pictures", subject) for stage in ("collect", "dedupe")]
    with open_store(home) as store:
        store.append(events)


def _picture(number: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    colour = (number * 5, 255 - number * 3, number * 37 % 256)
    Image.new("RGB", (96, 96), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def _kept(stage: str, key: str, unit: str, subject: Subject) -> Event:
    return outcome_event(stage, key, Outcome.KEPT, unit=unit, category=subject.category)


def _asset(subject: Subject, place: int, derivative: str) -> ImageAsset:
    name = f"img-{subject.subject_id}-{place}"
    return ImageAsset(
        image_id=name,
        subject_id=subject.subject_id,
        source="made up",
        locator=name,
        sha256=sha256_bytes(name.encode()),
        derivative_sha256=derivative,
        width=96,
        height=96,
        byte_size=1_000,
        media_type="image/jpeg",
        licence="CC0-1.0",
        author="A. Photographer",
        attribution="A. Photographer, CC0-1.0",
        source_page="https://example.org/picture",
        origin=ImageOrigin.PHOTOGRAPH,
        parent=None,
        retrieved_at="2026-01-01T00:00:00Z",
    )


@dataclass(frozen=True)
class Took:
    """Wall and CPU seconds of a run, and what it counted."""

    seconds: float
    cpu: float
    counts: list[StageCount]


def _took(work: Callable[[], list[StageCount]]) -> Took:
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    counts = work()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Took(time.monotonic() - start, cpu, counts)


def measure(items: int, home: Path) -> tuple[Took, Took]:
    """Return what it took to draft so many items at an endpoint without delay, and to run it once more."""
    from curation.drafting.endpoint.settings import LlmSettings
    from flows.draft import draft
    from flows.drafting.money import Caps
    from flows.settings import Settings

    fill(home, made_up_subjects(items))
    settings = Settings(home=home, llm=LlmSettings(model="test-model", in_flight=64, sees_pictures=False))
    caps = Caps(price="0,0")
    with bench_endpoint(0.0) as url:
        os.environ |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none"}

        def run() -> list[StageCount]:
            return draft.fn(settings, None, caps)

        return _took(run), _took(run)


def main() -> int:
    """Print both and whether the goal is reached. Returns 1 when the second run found something to do."""
    parser = argparse.ArgumentParser(prog="python -m flows.drafting.bench", description=__doc__)
    parser.add_argument("--items", type=int, default=3_000)
    options, console = parser.parse_args(), Console(width=140, highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        first, again = measure(options.items, Path(folder, ".mmke"))
    for name, took in (("drafted", first), ("run again", again)):
        count = took.counts[0]
        console.print(
            f"{options.items:,} items {name}: {took.seconds:.1f} s, {took.cpu:.1f} s CPU; {count.kept} kept, "
            f"{sum(count.rejected.values())} rejected, {count.pending} pending"
        )
    reached = "reached" if again.seconds < MOST_SECONDS else "missed"
    console.print(f"all settled: {again.seconds:.1f} s, goal under {MOST_SECONDS:g} {reached}")
    return 0 if first.counts == again.counts else 1


if __name__ == "__main__":
    raise SystemExit(main())
