"""Chooses the items that the report shows, and what each method answered to their questions."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from curation.records import EditType, ImageRole, ItemImage, KnowledgeItem, ProbeKind, ReleasedItem
from eval.metrics import exact_match, score
from eval.records import Dialect, EvalRecord, ProbeReading
from eval.summary import percent
from warehouse.release import Release

_EXAMPLES = 8
_THUMBNAIL = 240
_ROLES = {
    ImageRole.EDIT: "edit",
    ImageRole.REPHRASE: "rephrase",
    ImageRole.LOCALITY: "locality",
    ImageRole.ONE_HOP: "one hop",
}


class Picture(NamedTuple):
    """A picture on the page: its role, its data URI, and where it comes from."""

    role: str
    uri: str
    image: ItemImage


class Answer(NamedTuple):
    """What one method said to one question; right: word for word. score: x100, as in the tables."""

    text: str
    right: bool
    score: str


class Line(NamedTuple):
    """One question of an example with the answer of each method."""

    kind: str
    question: str
    expected: str
    answers: tuple[Answer, ...]


class Example(NamedTuple):
    """One item as the page shows it."""

    item: KnowledgeItem
    type_name: str
    pictures: tuple[Picture, ...]
    lines: tuple[Line, ...]


def chosen(entries: Sequence[ReleasedItem], evaluated: Collection[str]) -> list[ReleasedItem]:
    """Return at most eight evaluated items, in turn from the editing types and from their categories."""
    known = frozenset(evaluated)
    groups: dict[tuple[EditType, str], list[ReleasedItem]] = {}
    for entry in entries:
        if entry.item.item_id in known:
            groups.setdefault((entry.item.edit_type, entry.item.category), []).append(entry)
    # The first of each category, then the second of each; within a turn the types alternate.
    turns = [
        (number, sum(kind == other for other, _ in list(groups)[:place]), place, entry)
        for place, ((kind, _), group) in enumerate(groups.items())
        for number, entry in enumerate(group)
    ]
    return [entry for *_, entry in sorted(turns, key=lambda turn: turn[:3])][:_EXAMPLES]


def example(
    item: KnowledgeItem, release: Release, methods: Sequence[str], records: Mapping[str, EvalRecord]
) -> Example:
    """Return an item with its pictures and answers. records: the item's, by method."""
    readings = {
        (method, reading.probe_id): _answer(reading, record.run.dialect, answers.get(reading.probe_id, ""))
        for method, record in records.items()
        for answers in [{probe.probe_id: probe.answer for probe in record.case.probes}]
        for reading in record.readings
    }
    nothing = Answer("-", right=False, score="-")
    lines = tuple(
        Line(
            probe.kind.value,
            probe.question,
            probe.answer,
            tuple(readings.get((method, probe.probe_id), nothing) for method in methods),
        )
        for probe in item.probes
    )
    pictures = tuple(
        Picture(_ROLES[image.role], thumbnail(release.image(image.sha256)), image) for image in item.images
    )
    return Example(item, item.edit_type.value, pictures, lines)


@lru_cache(maxsize=256)
def thumbnail(jpeg: bytes) -> str:
    """Return a picture as a data URI, its longest side at most 240 pixels, without metadata."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as picture:
        small = picture.convert("RGB")
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _answer(reading: ProbeReading, dialect: Dialect, expected: str) -> Answer:
    if reading.unscored is not None:
        return Answer(f"({reading.unscored.value})", right=False, score="-")
    value = percent(score([reading], dialect).of(ProbeKind(reading.kind)))
    if reading.generated is None:
        return Answer("-", right=False, score=value)
    return Answer(reading.generated, right=exact_match(reading.generated, expected) == 1.0, score=value)
