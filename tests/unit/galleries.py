"""Pictures, features and verdicts that the tests of the pages are written with."""

from __future__ import annotations

from html.parser import HTMLParser
from itertools import count

from curation.ids import sha256_bytes
from curation.images import Inspected, inspect
from curation.records import (
    DuplicatePair,
    ImageAsset,
    ImageOrigin,
    PairVerdict,
    PictureFeatures,
    Transform,
)
from tests.archives import picture

ZERO = "0" * 64
_SHADES = count()


def asset(image_id: str, shelf: dict[str, bytes], **changes: object) -> ImageAsset:
    """Return a collected picture unlike any other, and put its derivative on the shelf."""
    shade = next(_SHADES)
    found = inspect(image_id, picture(size=(200 + shade % 100, 150 + shade // 100)))
    assert isinstance(found, Inspected)
    shelf[found.derivative_sha256] = found.derivative
    fields = {
        "image_id": image_id,
        "subject_id": "colosseum",
        "source": "fake",
        "locator": f"folder/{image_id}.webp",
        "sha256": sha256_bytes(image_id.encode()),
        "derivative_sha256": found.derivative_sha256,
        "width": 400,
        "height": 300,
        "byte_size": 9,
        "media_type": "image/png",
        "licence": "LicenseRef-Public-Domain",
        "author": "a",
        "attribution": "“c” by a",
        "source_page": "https://example.org/page",
        "origin": ImageOrigin.PHOTOGRAPH,
        "parent": None,
        "retrieved_at": "2026-11-23T00:00:00Z",
    }
    return ImageAsset.model_validate(fields | changes)


def features(image_id: str, phash: int = 0, informative: bool = True) -> PictureFeatures:
    """Return features of which only the pHash and the flag mean something."""
    return PictureFeatures(
        image_id=image_id,
        sha256=ZERO,
        phash=(f"{phash:016x}",) * 9,
        dhash=(ZERO[:16],) * 9,
        turned=(ZERO[:16],) * 8,
        pdq=ZERO,
        pdq_quality=100,
        informative=informative,
        thumbnail_sha256=ZERO,
        algorithm="test/1",
    )


def pair(
    first: str, second: str, verdict: PairVerdict = PairVerdict.REVIEW, **changes: object
) -> DuplicatePair:
    """Return a compared pair."""
    fields = {
        "first": first,
        "second": second,
        "transform": Transform.MIRRORED,
        "verdict": verdict,
        "measures": {"correlation": 0.91},
        "reason": "alike but for a corner",
    }
    return DuplicatePair.model_validate(fields | changes)


class Page(HTMLParser):
    """Reads a page: its tags, links, pictures and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[dict[str, str | None]] = []
        self.pictures: list[str] = []
        self.handlers: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers |= {name for name, _ in attrs if name.startswith("on") or name == "srcdoc"}
        if tag == "a":
            self.links.append(dict(attrs))
        if tag == "img":
            self.pictures.append(dict(attrs)["src"] or "")

    def handle_data(self, data: str) -> None:
        self.text += data
