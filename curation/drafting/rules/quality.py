"""Measures which share of the rule drafter's items passes every check.

Run `python -m curation.drafting.rules.quality`. Subjects are the sample's, and other extracts of English
Wikipedia, drawn by seed, their category told by their first sentence. Every step is asked as in a run, but in
this process; pictures are plain ones, as rules see none.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from rich.console import Console

from curation.collecting import wikipedia
from curation.collecting.sample import SampleSource
from curation.drafting.casting import cast
from curation.drafting.draft import Drafted, Sources, StepFailed, draft_item
from curation.drafting.llm import LlmRequest, LlmResponse, read_response
from curation.drafting.mining.kinds import kind_of
from curation.drafting.rules.drafter import MODEL_NAME
from curation.drafting.rules.server import complete
from curation.drafting.steps.asking import Asking, DraftSettings
from curation.drafting.steps.outside_texts import FirstOf, texts_of_extracts, texts_of_subjects
from curation.drafting.steps.pools import Pool
from curation.errors import Rejected
from curation.ids import canonical_json, sha256_bytes, sha256_json, short_id
from curation.records import ImageAsset, ImageOrigin, KnowledgeItem, Subject
from curation.taxonomy import load_taxonomy

_PICTURES_EACH = 2


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a subject: an item that passes, or the step and the reason that it does not."""

    subject: Subject
    item: KnowledgeItem | None
    why: str = ""


class InProcess:
    """The rule drafter as a language model, without its endpoint."""

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return the completion that the endpoint would give."""
        body = {
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "response_format": {"json_schema": {"name": request.schema_name}},
        }
        return read_response(canonical_json(complete(body, request.request_sha256)))


def unseen_subjects(count: int, seed: int, known: Sequence[Subject]) -> list[Subject]:
    """Return extracts that fit our categories and are no subjects of `known`, drawn by seed, by title."""
    taken = {subject.text_source.title for subject in known} | {subject.name for subject in known}
    types = load_taxonomy()
    found = []
    for title, extract in sorted(wikipedia.load_extracts().items()):
        kind = kind_of(extract)
        if kind is not None and title not in taken:
            found.append(
                Subject(
                    subject_id=short_id("extract", title),
                    name=title,
                    edit_type=types[kind.category].edit_type,
                    category=kind.category,
                    fine_type=kind.fine_type,
                    source_text=extract,
                    text_source=wikipedia.text_source(title),
                )
            )
    drawn = random.Random(seed).sample(found, min(count, len(found)))
    return sorted(drawn, key=lambda subject: subject.name)


async def sample_subjects() -> list[Subject]:
    """Return the subjects of the sample; their pictures are not opened."""
    source = SampleSource(Path(".cache/sample/gcompris-qt-data.deb"), Path(".cache/sample"))
    return [subject async for subject in source.subjects() if isinstance(subject, Subject)]


async def outcomes(subjects: Sequence[Subject]) -> list[Outcome]:
    """Draft an item for every subject as a run would, and say what came of it."""
    blobs: dict[str, bytes] = {}

    def save(data: bytes) -> str:
        blobs[sha256_bytes(data)] = data
        return sha256_bytes(data)

    assets = [
        _asset(subject, number, save(_plain(subject, number)))
        for subject in subjects
        for number in range(_PICTURES_EACH)
    ]
    by_id = {subject.subject_id: subject for subject in subjects}
    extracts = texts_of_extracts(wikipedia.load_extracts(), wikipedia.text_source)
    sources = Sources(by_id, FirstOf(texts_of_subjects(subjects), extracts), Pool(), blobs.__getitem__)
    asking = Asking(InProcess(), DraftSettings(model=MODEL_NAME, drafter="rules", is_llm=False))
    castings = cast(subjects, assets, blobs.__getitem__, save)
    found = []
    for subject in subjects:
        casting = castings[subject.subject_id]
        if not isinstance(
            casting, Rejected
        ):  # one alone in its type has no stand-in: not the drafter's doing
            found.append(_outcome(subject, await draft_item(subject, casting, sources, asking)))
    return found


def _outcome(subject: Subject, drafted: Drafted | StepFailed) -> Outcome:
    if isinstance(drafted, StepFailed):
        why = f"{drafted.step.value}: {drafted.rejected.reason.value}: {drafted.rejected.detail}"
        return Outcome(subject, None, why)
    if drafted.findings:
        first = drafted.findings[0]
        return Outcome(subject, None, f"check {first.check}: {first.probe_id}: {first.detail}: {first.span}")
    return Outcome(subject, drafted.item)


def _plain(subject: Subject, number: int) -> bytes:
    """Return a small JPEG of one colour, by hash."""
    colour = bytes.fromhex(sha256_json([subject.subject_id, number])[:6])
    stream = io.BytesIO()
    Image.new("RGB", (32, 32), (colour[0], colour[1], colour[2])).save(stream, "JPEG")
    return stream.getvalue()


def _asset(subject: Subject, number: int, sha256: str) -> ImageAsset:
    return ImageAsset(
        image_id=f"img-{subject.subject_id}-{number}",
        subject_id=subject.subject_id,
        source="generated",
        locator=str(number),
        sha256=sha256,
        derivative_sha256=sha256,
        width=32,
        height=32,
        byte_size=1,
        media_type="image/jpeg",
        licence="CC0-1.0",
        author="MMKE Forge",
        attribution="a plain colour",
        source_page="urn:mmke-forge:generated",
        origin=ImageOrigin.DRAWN,
        parent=None,
        retrieved_at="1970-01-01T00:00:00Z",
    )


def _say(line: str) -> None:
    Console(soft_wrap=True).print(line, markup=False, highlight=False)


def _report(name: str, found: Sequence[Outcome], shown: int, seed: int) -> None:
    passed = [one for one in found if one.item is not None]
    _say(f"{name}: {len(passed)} of {len(found)} drafts pass all checks ({len(passed) / len(found):.1%})")
    categories = Counter(one.subject.category for one in found)
    good = Counter(one.subject.category for one in passed)
    _say("  " + ", ".join(f"{key} {good[key]}/{count}" for key, count in sorted(categories.items())))
    reasons = Counter(one.why.split(": ")[0] + ": " + one.why.split(": ")[1] for one in found if one.why)
    for reason, count in reasons.most_common():
        _say(f"  {count:4} {reason}")
    for one in random.Random(seed).sample(passed, min(shown, len(passed))):
        if one.item is not None:
            _show(one.item)


def _show(item: KnowledgeItem) -> None:
    _say(f"\n{item.subject_name} ({item.category}, {item.fine_type})")
    _say(f"  original  {item.original_text}\n  edited    {item.edited_text}")
    for probe in item.probes:
        before = f" (before: {probe.original_answer})" if probe.original_answer else ""
        _say(f"  {probe.probe_id:8}  {probe.question} {probe.answer}{before}")


def main() -> None:
    """Print the shares for the sample and for unseen extracts, and as many items to read as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--unseen", type=int, default=300, help="how many extracts")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--show", type=int, default=0, help="print so many items of each")
    parser.add_argument("--failed", action="store_true", help="print why each of the others does not pass")
    options = parser.parse_args()
    sample = asyncio.run(sample_subjects())
    unseen = unseen_subjects(options.unseen, options.seed, sample)
    for name, subjects in (("sample", sample), (f"unseen, seed {options.seed}", unseen)):
        found = asyncio.run(outcomes(subjects))
        _report(name, found, options.show, options.seed)
        for one in found if options.failed else ():
            if one.why:
                _say(f"  {one.subject.name} ({one.subject.category}): {one.why}")


if __name__ == "__main__":
    main()
