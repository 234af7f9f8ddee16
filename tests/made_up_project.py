"""Projects of made-up subjects with pictures, as the stages before drafting leave them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from curation.ids import sha256_bytes
from curation.records import ImageAsset, ImageOrigin, Outcome, Subject
from tests.samples import picture
from warehouse.artefacts import Artefacts
from warehouse.store import Event, open_store, outcome_event, record_event


def fill(home: Path, made: Sequence[Subject]) -> None:
    """Put subjects with two pictures each into a project."""
    shown = [picture(number * 37) for number in range(48)]
    kept = Artefacts(home).put_many(shown)
    events: list[Event] = []
    for number, subject in enumerate(made):
        events.append(record_event("subject", subject.subject_id, subject))
        events.append(_kept("subjects", subject.subject_id, "subjects", subject))
        for place in range(2):
            asset = _asset(subject, place, kept[(number * 2 + place) % len(kept)])
            events.append(record_event("image", asset.image_id, asset))
            events += [_kept(stage, asset.image_id, "pictures", subject) for stage in ("collect", "dedupe")]
    with open_store(home) as store:
        store.append(events)


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
