"""One offered picture: licence first, then fetch, save, decode; every way out has its reason."""

import hashlib
from collections.abc import AsyncIterator
from datetime import date

import pytest

from curation.collecting.collect import Law, still_holds
from curation.collecting.port import Fetched
from curation.collecting.withdrawn import Withdrawal, withdrawn_list
from curation.errors import Reason, Rejected, TransientError
from curation.records import ImageAsset, ImageCandidate, ImageOrigin, Subject
from tests.archives import picture
from tests.sources import NOW, collected

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

    def __init__(self, answer: bytes | Fetched | Rejected | Exception) -> None:
        """Keep the answer."""
        self.answer = answer
        self.fetched = 0

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield nothing."""
        return
        yield

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return nothing."""
        return []

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return or raise the answer."""
        self.fetched += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return Fetched(self.answer) if isinstance(self.answer, bytes) else self.answer


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
    asset = collected(Source(data), OFFER, shelf.save)
    assert isinstance(asset, ImageAsset)
    assert shelf[asset.sha256] == data
    assert shelf[asset.derivative_sha256][:2] == b"\xff\xd8"
    assert (asset.width, asset.height, asset.byte_size) == (1200, 900, len(data))
    assert (asset.licence, asset.retrieved_at, asset.media_type) == ("CC-BY-SA-4.0", NOW, "image/png")
    assert asset.attribution.startswith("“Colosseum Roma ” by Urse Ovidiu, CC-BY-SA-4.0, https://commons")
    assert asset.attribution.endswith("changes: at most 512 px, JPEG; cropped")


def test_a_painting_is_attributed_by_the_title_in_its_note() -> None:
    offer = OFFER.model_copy(update={"source_page": "https://x.org/p", "note": "Hokusai, Wave; put together"})
    asset = collected(Source(picture()), offer, Shelf().save)
    assert isinstance(asset, ImageAsset)
    assert asset.attribution.startswith("“Hokusai, Wave” by")
    assert asset.attribution.endswith("JPEG; put together")


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, Reason.LICENCE_MISSING), ("CC BY-NC 4.0", Reason.LICENCE_NON_COMMERCIAL)],
)
def test_nothing_is_fetched_without_a_licence(text: str | None, reason: Reason) -> None:
    source = Source(picture())
    out = collected(source, OFFER.model_copy(update={"licence_text": text}), Shelf().save)
    assert isinstance(out, Rejected)
    assert (out.key, out.reason, source.fetched) == ("img-1", reason, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Rejected("img-1", Reason.FETCH_FAILED, "gone"), Reason.FETCH_FAILED),
        (b"<html>", Reason.NOT_AN_IMAGE),
        (picture(size=(50, 50)), Reason.IMAGE_TOO_SMALL),
    ],
)
def test_what_cannot_be_used_is_rejected(answer: bytes | Rejected, reason: Reason) -> None:
    out = collected(Source(answer), OFFER, Shelf().save)
    assert isinstance(out, Rejected)
    assert out.reason is reason


def test_fetched_bytes_are_saved_before_they_are_decoded() -> None:
    shelf = Shelf()
    collected(Source(b"<html>"), OFFER, shelf.save)
    assert list(shelf.values()) == [b"<html>"]


def test_a_passing_trouble_is_not_a_rejection() -> None:
    with pytest.raises(TransientError):
        collected(Source(TransientError("busy")), OFFER, Shelf().save)


def test_what_the_source_says_is_kept_beside_the_picture() -> None:
    shelf = Shelf()
    fetched = Fetched(picture(), "https://x.org/other.png", "2026-01-02T03:04:05+00:00")
    offer = OFFER.model_copy(update={"metadata": '{"Artist":"<b>Urse</b>"}'})
    asset = collected(Source(fetched), offer, shelf.save)
    assert isinstance(asset, ImageAsset)
    assert asset.metadata_sha256
    assert shelf[asset.metadata_sha256] == offer.metadata.encode()
    assert (asset.final_url, asset.retrieved_at) == (fetched.final_url, fetched.retrieved_at)


def test_the_law_is_as_set() -> None:
    asset = collected(Source(picture()), OFFER, law=Law({"CC-BY-SA-4.0"}))
    assert isinstance(asset, ImageAsset)
    out = collected(Source(picture()), OFFER, law=Law({"CC0-1.0"}))
    assert isinstance(out, Rejected)
    assert out.reason is Reason.LICENCE_NOT_ALLOWED


@pytest.mark.parametrize(
    ("selector", "fetches"),
    [({"author": "urse ovidiu"}, 0), ({"sha256": hashlib.sha256(picture()).hexdigest()}, 1)],
)
def test_what_was_taken_down_is_refused_as_early_as_it_is_known(
    selector: dict[str, str], fetches: int
) -> None:
    source = Source(picture())
    entry = Withdrawal(date=date(2026, 11, 1), reason="asked for by letter", **selector)
    out = collected(source, OFFER, law=Law(withdrawn=withdrawn_list([entry])))
    assert isinstance(out, Rejected)
    assert (out.reason, source.fetched) == (Reason.WITHDRAWN, fetches)


def test_what_was_kept_holds_until_the_source_says_something_else() -> None:
    asset = collected(Source(picture()), OFFER)
    assert isinstance(asset, ImageAsset)
    assert still_holds(asset, OFFER, asset.licence)
    for change in ({"author": "Other"}, {"note": "flipped"}, {"metadata": "{}"}, {"locator": "x"}):
        assert not still_holds(asset, OFFER.model_copy(update=change), asset.licence)
    assert not still_holds(asset, OFFER, "CC0-1.0")
