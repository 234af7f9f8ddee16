"""Writes what a run learns into the warehouse, batch by batch, from one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from curation.collecting.books import Offer, PictureEnd, SubjectEnd
from curation.errors import Reason, Rejected
from curation.records import ImageAsset, Outcome, Subject
from warehouse.store import Event, Store, open_store, outcome_event, record_event

SUBJECTS, PICTURES = "subjects", "collect"
Answer = TypeVar("Answer")


class Ledger:
    """The books of a run; the warehouse is open for no longer than each entry takes."""

    def __init__(self, home: Path) -> None:
        """Remember where the warehouse lies."""
        self._home = home
        # One thread, DuckDB's included: the C library keeps what a batch took for the threads that took it,
        # so that with more of them a run would grow by a batch's memory for each.
        self._thread = ThreadPoolExecutor(1, "mmke-ledger")

    async def enter(self, subjects: Sequence[Subject], offers: Sequence[Offer]) -> Mapping[str, ImageAsset]:
        """Enter what was found, what was never seen before as pending; return the pictures kept before."""
        return await self.during(lambda store: _entered(store, subjects, offers))

    async def settle(self, ends: Sequence[PictureEnd | SubjectEnd]) -> None:
        """Enter what became of things."""
        await self.append([event for end in ends for event in _events(end)])

    async def append(self, events: Sequence[Event]) -> None:
        """Keep events."""
        await self.during(lambda store: store.append(events))

    async def during(self, work: Callable[[Store], Answer]) -> Answer:
        """Return work(store), done in the ledger's thread while the warehouse is ours."""

        def held() -> Answer:
            with open_store(self._home, threads=1) as store:
                return work(store)

        return await asyncio.get_running_loop().run_in_executor(self._thread, held)


def _entered(store: Store, subjects: Sequence[Subject], offers: Sequence[Offer]) -> dict[str, ImageAsset]:
    pending = [
        *(subject_outcome(one.subject_id, one.category, Outcome.PENDING) for one in subjects),
        *(_of_picture(offer, Outcome.PENDING) for offer in offers),
    ]
    before = store.known("outcome", [event.key for event in pending])
    standing = {key for key, value in before.items() if value["outcome"] != "gone"}
    records = [record_event("subject", subject.subject_id, subject) for subject in subjects]
    store.append([*records, *(event for event in pending if event.key not in standing)])
    found = store.known("image", [offer.candidate.image_id for offer in offers])
    return {key: ImageAsset.model_validate(value) for key, value in found.items()}


def _events(end: PictureEnd | SubjectEnd) -> list[Event]:
    if isinstance(end, SubjectEnd):
        if end.rejected:
            rejected, detail = end.rejected.reason, end.rejected.detail
            return [subject_outcome(end.key, end.category, Outcome.REJECTED, rejected, detail)]
        state = Outcome.PENDING if end.pending else Outcome.KEPT
        return [subject_outcome(end.key, end.category, state, detail=end.pending)]
    found = end.result
    if isinstance(found, Rejected):
        return [_of_picture(end, Outcome.REJECTED, found.reason, found.detail)]
    if found is None:
        return [_of_picture(end, Outcome.PENDING, detail=end.detail)]
    return [record_event("image", found.image_id, found), _of_picture(end, Outcome.KEPT)]


def subject_outcome(
    key: str, category: str, state: Outcome, reason: Reason | None = None, detail: str = ""
) -> Event:
    """Return the event that says where a subject stands."""
    return outcome_event(
        SUBJECTS, key, state, unit="subjects", category=category, reason=reason, detail=detail
    )


def picture_outcome(
    key: str, category: str, state: Outcome, reason: Reason | None = None, detail: str = ""
) -> Event:
    """Return the event that says where a picture stands."""
    return outcome_event(
        PICTURES, key, state, unit="pictures", category=category, reason=reason, detail=detail
    )


def _of_picture(
    of: Offer | PictureEnd, state: Outcome, reason: Reason | None = None, detail: str = ""
) -> Event:
    told = ": ".join(part for part in (of.candidate.locator, detail) if part)
    return picture_outcome(of.candidate.image_id, of.category, state, reason, told)
