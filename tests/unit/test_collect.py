"""One offered picture: licence first, then fetch, save, decode; every way out has its reason."""

import hashlib

import pytest

from curation.collecting.collect import collect_candidate, without_pictures
from curation.errors import Reason, Rejected, TransientError
from curation.records import EditType, ImageAsset, ImageCandidate, ImageOrigin, Subject, TextSource
from tests.archives import picture

NOW = "2026-11-23T12:00:00+00:00"
OFFER = ImageCandidate(
    image_id="img-1",
    subject_id="colosseum",
    source="fake",
    locator="rome/c.webp",
    author="Urse Ovidiu",
    licence_text="CC BY-SA 4.0",
    source_page="https://commons.wikimedia.org/wiki/File:Colosseum_Roma%20.jpg",
    origin=ImageOrigin.PHOTOGRAPH,
    note="cropped",
)


class Source:
    """A source with one answer, which may be an error."""

    name = "fake"

    def __init__(self, answer: bytes | Exception) -> None:
        """Keep the answer."""
        self.answer = answer
        self.fetched = 0

    def subjects(self) -> list[Subject | Rejected]:
        """Return nothing."""
        return []

    def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return nothing."""
        return []

    def fetch(self, candidate: ImageCandidate) -> bytes:
        """Return or raise the answer."""
        self.fetched += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Shelf(dict[str, bytes]):
    """Stored bytes by their sha256."""

    def save(self, data: bytes) -> str:
        """Keep the bytes and return their sha256."""
        name = hashlib.sha256(data).hexdigest()
        self[name] = data
        return name


def test_a_good_picture_is_kept_with_its_whole_origin() -> None:
    shelf = Shelf()
    data = picture(size=(1200, 900))
    asset = collect_candidate(Source(data), OFFER, shelf.save, NOW)
    assert isinstance(asset, ImageAsset)
    assert shelf[asset.sha256] == data
    assert shelf[asset.derivative_sha256][:2] == b"\xff\xd8"
    assert (asset.width, asset.height, asset.byte_size) == (1200, 900, len(data))
    assert (asset.licence, asset.retrieved_at, asset.media_type) == ("CC-BY-SA-4.0", NOW, "image/png")
    assert asset.attribution.startswith("“Colosseum Roma ” by Urse Ovidiu, CC-BY-SA-4.0, https://commons")
    assert asset.attribution.endswith("changes: at most 512 px, JPEG; cropped")


def test_a_painting_is_attributed_by_the_title_in_its_note() -> None:
    offer = OFFER.model_copy(update={"source_page": "https://x.org/p", "note": "Hokusai, Wave; put together"})
    asset = collect_candidate(Source(picture()), offer, Shelf().save, NOW)
    assert isinstance(asset, ImageAsset)
    assert asset.attribution.startswith("“Hokusai, Wave” by")
    assert asset.attribution.endswith("JPEG; put together")


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, Reason.LICENCE_MISSING), ("CC BY-NC 4.0", Reason.LICENCE_NOT_ALLOWED)],
)
def test_nothing_is_fetched_without_a_licence(text: str | None, reason: Reason) -> None:
    source = Source(picture())
    out = collect_candidate(source, OFFER.model_copy(update={"licence_text": text}), Shelf().save, NOW)
    assert isinstance(out, Rejected)
    assert (out.key, out.reason, source.fetched) == ("img-1", reason, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (FileNotFoundError("gone"), Reason.FETCH_FAILED),
        (b"<html>", Reason.IMAGE_UNREADABLE),
        (picture(size=(50, 50)), Reason.IMAGE_TOO_SMALL),
    ],
)
def test_what_cannot_be_used_is_rejected(answer: bytes | Exception, reason: Reason) -> None:
    out = collect_candidate(Source(answer), OFFER, Shelf().save, NOW)
    assert isinstance(out, Rejected)
    assert out.reason is reason


def test_fetched_bytes_are_saved_before_they_are_decoded() -> None:
    shelf = Shelf()
    collect_candidate(Source(b"<html>"), OFFER, shelf.save, NOW)
    assert list(shelf.values()) == [b"<html>"]


def test_a_passing_trouble_is_not_a_rejection() -> None:
    with pytest.raises(TransientError):
        collect_candidate(Source(TransientError("busy")), OFFER, Shelf().save, NOW)


def test_a_subject_without_pictures_is_rejected() -> None:
    text = TextSource(title="t", page="https://x.org", licence="CC0-1.0", attribution="t")
    subject = Subject(
        subject_id="petra",
        name="Petra",
        edit_type=EditType.VISUAL_ENTITY,
        category="building",
        fine_type="ancient city",
        source_text="Petra is a city.",
        text_source=text,
    )
    shown = collect_candidate(
        Source(picture()), OFFER.model_copy(update={"subject_id": "petra"}), Shelf().save, NOW
    )
    assert isinstance(shown, ImageAsset)
    assert without_pictures([subject], [shown]) == []
    assert [out.reason for out in without_pictures([subject], [])] == [Reason.NO_PICTURE]
