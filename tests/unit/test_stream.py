"""A collecting run: in order, bounded, each way out told, quotas kept, a trouble is not a loss."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from curation.collecting import stream as stream_module
from curation.collecting.books import Offer, PictureEnd, SubjectEnd, Tally, Wanted
from curation.collecting.collect import Law, collect_candidate
from curation.collecting.port import Fetched
from curation.collecting.stream import Stream
from curation.errors import IntegrityError, Reason, Rejected, TransientError
from curation.records import EditType, ImageAsset, ImageCandidate, ImageOrigin, Subject
from tests.archives import picture
from tests.samples import SOURCE
from tests.sources import hands

GOOD = picture()


def subject(name: str, category: str = "building") -> Subject:
    return Subject(
        subject_id=name,
        name=name,
        edit_type=EditType.VISUAL_ENTITY,
        category=category,
        fine_type="tower",
        source_text=f"{name} is a tower.",
        text_source=SOURCE,
    )


def offer(name: str, subject_id: str, licence: str | None = "CC0") -> ImageCandidate:
    return ImageCandidate(
        image_id=name,
        subject_id=subject_id,
        source="fake",
        locator=name,
        author="Ann",
        licence_text=licence,
        source_page="https://x.org",
        origin=ImageOrigin.PHOTOGRAPH,
    )


class Source:
    """Subjects with the answers that their pictures give: bytes, a refusal or an error."""

    name = "fake"

    def __init__(self, listed: Mapping[str, Sequence[Any]], category: str = "building") -> None:
        """Keep the answers."""
        self._listed, self._category = listed, category
        self.fetched: list[str] = []
        self.in_hand = self.most = 0

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield them; one called 'busy' ends the list early, one called 'textless' has no text."""
        for name in self._listed:
            if name == "busy":
                raise TransientError("come again")
            yield (
                Rejected(name, Reason.NO_SOURCE_TEXT) if name == "textless" else subject(name, self._category)
            )

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return a picture for each answer."""
        name = subject.subject_id
        if name == "unsearched":
            raise TransientError("come again")
        return [offer(f"{name}-{number}", name) for number in range(len(self._listed[name]))]

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return or raise the answer."""
        self.fetched.append(candidate.image_id)
        self.in_hand += 1
        self.most = max(self.most, self.in_hand)
        await asyncio.sleep(0.001)
        self.in_hand -= 1
        name, _, number = candidate.image_id.rpartition("-")
        answer = self._listed[name][int(number)]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Rejected) else Fetched(answer)


class Memory:
    """Books in memory."""

    def __init__(self, known: Mapping[str, ImageAsset] | None = None) -> None:
        """Start with what was kept before."""
        self.known = dict(known or {})
        self.subjects: list[str] = []
        self.entered: list[str] = []
        self.ends: dict[str, PictureEnd | SubjectEnd] = {}

    async def enter(self, subjects: Sequence[Subject], offers: Sequence[Offer]) -> Mapping[str, ImageAsset]:
        """Note the names."""
        self.subjects += [one.subject_id for one in subjects]
        self.entered += [one.candidate.image_id for one in offers]
        return self.known

    async def settle(self, ends: Sequence[PictureEnd | SubjectEnd]) -> None:
        """Note what became of things."""
        for end in ends:
            self.ends[end.key if isinstance(end, SubjectEnd) else end.candidate.image_id] = end

    def told(self) -> dict[str, str]:
        """Return by name 'kept', 'pending' or the reason."""
        return {key: _told(end) for key, end in self.ends.items()}


def _told(end: PictureEnd | SubjectEnd) -> str:
    if isinstance(end, PictureEnd):
        if isinstance(end.result, Rejected):
            return str(end.result.reason)
        return "kept" if end.result else "pending"
    return str(end.rejected.reason) if end.rejected else "pending" if end.pending else "kept"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "PAGE_SECONDS", 0.01)
    monkeypatch.setattr(stream_module, "BATCH_SECONDS", 0.02)


def run(
    sources: Sequence[Source],
    books: Memory | None = None,
    wanted: Wanted | None = None,
    stop_after: float | None = None,
) -> tuple[dict[str, str], Tally]:
    books = books or Memory()

    async def inside() -> Tally:
        async def judge(one: Offer) -> ImageAsset | Rejected:
            return await collect_candidate(one.source, one.candidate, hands(), Law())

        stream = Stream(books, judge, lambda _: True, Law(), wanted or Wanted(in_hand=4))
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, stream.stop.set)
        return await stream.run(sources)

    tally = asyncio.run(inside())
    return books.told(), tally


def test_every_way_out_is_told() -> None:
    gone = Rejected("a-1", Reason.FETCH_FAILED, "404")
    source = Source({"a": [GOOD, gone, TransientError("busy")], "textless": [], "bare": [gone], "b": [GOOD]})
    told, tally = run([source])
    assert told == {
        "a": "kept",
        "a-0": "kept",
        "a-1": "fetch_failed",
        "a-2": "pending",
        "textless": "no_source_text",
        "bare": "no_picture",
        "bare-0": "fetch_failed",
        "b": "kept",
        "b-0": "kept",
    }
    assert (tally.found, tally.kept, tally.rejected, tally.pending) == (5, 2, 2, 1)
    assert tally.complete
    assert (tally.subjects, len(tally.pictures)) == ({"a", "textless", "bare", "b"}, 5)


def test_never_more_in_hand_than_allowed() -> None:
    source = Source({f"s{number}": [GOOD] * 5 for number in range(20)})
    _, tally = run([source], wanted=Wanted(in_hand=3))
    assert (tally.kept, source.most) == (100, 3)


def test_sources_come_one_after_the_other_and_equal_ids_are_one() -> None:
    first, second = Source({"a": [GOOD]}), Source({"a": [GOOD, GOOD], "b": [GOOD]}, "animals")
    books = Memory()
    told, tally = run([first, second], books)
    assert books.entered == ["a-0", "a-1", "b-0"]
    assert books.subjects == ["a", "b"]
    assert (first.fetched, sorted(second.fetched)) == (["a-0"], ["a-1", "b-0"])
    assert (told["a"], tally.kept) == ("kept", 3)


def test_what_was_kept_before_is_not_fetched_again() -> None:
    books = Memory()
    run([Source({"a": [GOOD, GOOD]})], books)
    end = books.ends["a-0"]
    assert isinstance(end, PictureEnd)
    assert isinstance(end.result, ImageAsset)
    again = Source({"a": [GOOD, GOOD]})
    told, _ = run([again], Memory({"a-0": end.result}))
    assert again.fetched == ["a-1"]
    assert told == {"a": "kept", "a-0": "kept", "a-1": "kept"}


def test_a_quota_counts_the_subjects_that_have_pictures() -> None:
    out = Rejected("x", Reason.FETCH_FAILED)
    source = Source({"a": [GOOD], "bare": [out], "b": [TransientError("busy")], "c": [GOOD], "d": [GOOD]})
    told, tally = run([source], wanted=Wanted({"building": 3}, in_hand=4))
    subjects = {key: end for key, end in told.items() if "-" not in key}
    assert subjects == {"a": "kept", "bare": "no_picture", "b": "pending", "c": "kept", "d": "quota_reached"}
    assert "d-0" not in told
    assert "d" in tally.subjects


def test_a_first_try_looks_at_a_few_of_each_category() -> None:
    sources = [Source({"a": [GOOD], "b": [GOOD]}), Source({"c": [GOOD], "d": [GOOD]}, "animals")]
    told, _ = run(sources, wanted=Wanted(listed=1))
    assert sorted(told) == ["a", "a-0", "c", "c-0"]
    told, _ = run(sources, wanted=Wanted(categories=frozenset({"animals"})))
    assert sorted(told) == ["c", "c-0", "d", "d-0"]


def test_a_list_that_breaks_off_is_pending_and_the_next_source_follows() -> None:
    broken, whole = Source({"a": [GOOD], "busy": [], "b": [GOOD]}), Source({"c": [GOOD], "unsearched": []})
    told, tally = run([broken, whole])
    assert told == {
        "a": "kept",
        "a-0": "kept",
        "fake": "pending",
        "c": "kept",
        "c-0": "kept",
        "unsearched": "pending",
    }
    assert not tally.complete


@pytest.mark.parametrize("error", [IntegrityError("the disk lies"), RuntimeError("a bug")])
def test_a_real_trouble_is_raised_after_what_was_settled_is_written(error: Exception) -> None:
    books = Memory()
    with pytest.raises(type(error), match=str(error)):
        run([Source({"a": [GOOD] * 3 + [error] + [GOOD] * 50})], books, Wanted(in_hand=1))
    assert Counter(books.told().values()) == {"kept": 3}


def test_a_trouble_in_the_books_is_raised() -> None:
    class Full(Memory):
        async def settle(self, ends: Sequence[PictureEnd | SubjectEnd]) -> None:
            raise IntegrityError("no room")

    with pytest.raises(IntegrityError, match="no room"):
        run([Source({"a": [GOOD] * 2000})], Full())


def test_a_stop_ends_early_with_what_is_settled() -> None:
    source, books = Source({f"s{number}": [GOOD] * 5 for number in range(400)}), Memory()
    told, tally = run([source], books, Wanted(in_hand=2), stop_after=0.3)
    assert 0 < tally.kept < 2000
    assert not tally.complete
    assert Counter(told.values())["kept"] >= tally.kept
    assert source.in_hand == 0
