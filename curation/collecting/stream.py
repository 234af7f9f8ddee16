"""Takes sources from their subjects to settled pictures: bounded in memory, every way out told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from curation.collecting.books import Books, Offer, PictureEnd, SubjectEnd, Tally, Wanted
from curation.collecting.collect import Law, still_holds
from curation.collecting.port import ImageSource
from curation.errors import Reason, Rejected, TransientError
from curation.records import ImageAsset, Subject

# So many things, or what came in so many seconds, are entered in the books at once.
PAGE, PAGE_SECONDS = 200, 0.5
BATCH, BATCH_SECONDS = 500, 2.0
# How long the pictures in hand may take when the run is asked to stop.
GRACE_SECONDS = 5.0
Item = TypeVar("Item")


@dataclass(slots=True)
class _Standing:
    """Where a subject stands: kept for all of a run, as a later source may have it too, thus without text."""

    key: str
    name: str
    category: str
    listed: bool = False
    open: int = 0
    kept: int = 0
    pending: str = ""
    bare: bool = False


class Stream:
    """One run over some sources, one after the other, with many pictures in hand at once.

    judge: turns an offer into a kept picture or a reason; TransientError leaves it pending. has: whether the
    bytes with a sha256 are still there. stop: set it to end early; what is in hand gets some seconds.
    """

    def __init__(
        self,
        books: Books,
        judge: Callable[[Offer], Awaitable[ImageAsset | Rejected]],
        has: Callable[[str], bool],
        law: Law,
        wanted: Wanted,
    ) -> None:
        """Remember what is needed; must be called in a running event loop."""
        self._books, self._judge, self._has, self._law, self._wanted = books, judge, has, law, wanted
        self.tally = Tally()
        self.stop = asyncio.Event()
        self._found: asyncio.Queue[Subject | Offer] = asyncio.Queue(PAGE)
        self._offers: asyncio.Queue[Offer] = asyncio.Queue(wanted.in_hand)
        self._ends: asyncio.Queue[PictureEnd | SubjectEnd] = asyncio.Queue(BATCH)
        self._standing: dict[str, _Standing] = {}
        self._looked_at: Counter[str] = Counter()
        self._holding: Counter[str] = Counter()
        self._on_the_way: Counter[str] = Counter()
        self._moved = asyncio.Condition()

    async def run(self, sources: Sequence[ImageSource]) -> Tally:
        """Take every source to its end, or until stop is set; what was settled is in the books then.

        Raises what a source, the judge or the books raise.
        """
        listing = asyncio.create_task(self._list(sources))
        writer = asyncio.create_task(self._write())
        hands = [asyncio.create_task(self._enter())]
        hands += [asyncio.create_task(self._work()) for _ in range(self._wanted.in_hand)]
        end = asyncio.create_task(self._end_of(listing))
        stop = asyncio.create_task(self.stop.wait())
        try:
            await asyncio.wait({end, stop, writer, *hands}, return_when=asyncio.FIRST_COMPLETED)
            if stop.done() and not end.done():
                self.tally.complete = False
                listing.cancel()
                await asyncio.wait({end, writer}, timeout=GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _cancelled(end, stop, listing, *hands)
            last = asyncio.create_task(self._ends.join())
            await asyncio.wait({last, writer}, return_when=asyncio.FIRST_COMPLETED)
            await _cancelled(last, writer)
        for task in (end, listing, writer, *hands):
            if not task.cancelled() and (error := task.exception()):
                raise error
        return self.tally

    async def _end_of(self, listing: asyncio.Task[None]) -> None:
        """Return when the last picture is settled; after a stop, when those in hand are."""
        await asyncio.wait({listing})
        if not listing.cancelled() and (error := listing.exception()):
            raise error
        await self._found.join()
        await self._offers.join()
        await self._ends.join()

    async def _list(self, sources: Sequence[ImageSource]) -> None:
        """Go through the sources' subjects and their pictures."""
        for source in sources:
            try:
                async for entry in source.subjects():
                    if isinstance(entry, Rejected):
                        await self._textless(entry)
                    else:
                        await self._subject(source, entry)
            except TransientError as error:
                self.tally.complete = False
                self.tally.subjects.add(source.name)
                await self._ends.put(SubjectEnd(source.name, "", pending=f"its list is not whole: {error}"))

    async def _textless(self, entry: Rejected) -> None:
        if not self._wanted.categories and self._may_look_at(""):
            self.tally.subjects.add(entry.key)
            await self._ends.put(SubjectEnd(entry.key, "", entry))

    async def _subject(self, source: ImageSource, subject: Subject) -> None:
        """Look for the pictures of a subject, unless its category has all that it wants."""
        key, category = subject.subject_id, subject.category
        if self._wanted.categories and category not in self._wanted.categories:
            return
        if key not in self._standing:
            if not self._may_look_at(category):
                return
            self.tally.subjects.add(key)
            if not await self._has_room(category):
                detail = f"{category} has the {self._wanted.quotas[category]} subjects of its quota"
                told = Rejected(key, Reason.QUOTA_REACHED, detail)
                await self._ends.put(SubjectEnd(key, category, told))
                return
            self._standing[key] = _Standing(key, subject.name, category, bare=True)
            await self._found.put(subject)
        await self._pictures(source, subject, self._standing[key])

    async def _pictures(self, source: ImageSource, subject: Subject, standing: _Standing) -> None:
        category = standing.category
        standing.listed = False
        self._on_the_way[category] += 1
        self._holding[category] += standing.bare
        standing.bare = False
        try:
            offered = await source.search(subject)
        except TransientError as error:
            self.tally.complete = False
            standing.pending, offered = str(error), []
        for candidate in offered:
            if candidate.image_id not in self.tally.pictures:
                self.tally.pictures.add(candidate.image_id)
                self.tally.found += 1
                standing.open += 1
                await self._found.put(Offer(source, candidate, category))
        standing.listed = True
        await self._maybe_settled(standing)

    def _may_look_at(self, category: str) -> bool:
        self._looked_at[category] += 1
        return self._wanted.listed is None or self._looked_at[category] <= self._wanted.listed

    async def _has_room(self, category: str) -> bool:
        """Return whether a category wants one more; near its quota this waits for those on their way."""
        quota = self._wanted.quotas.get(category)
        if quota is None:
            return True
        async with self._moved:
            await self._moved.wait_for(
                lambda: self._holding[category] < quota or not self._on_the_way[category]
            )
        return self._holding[category] < quota

    async def _enter(self) -> None:
        """Enter what is found, page by page, and hand on what is to be fetched."""
        async for page in _pages(self._found, PAGE, PAGE_SECONDS):
            offers = [found for found in page if isinstance(found, Offer)]
            known = await self._books.enter([found for found in page if isinstance(found, Subject)], offers)
            for offer in offers:
                result = self._at_once(offer, known.get(offer.candidate.image_id))
                if result is not None:
                    await self._settled(offer, result)
                elif not self.stop.is_set():
                    await self._offers.put(offer)

    def _at_once(self, offer: Offer, before: ImageAsset | None) -> ImageAsset | Rejected | None:
        """Return what a picture comes to where that takes no fetching, None where it does."""
        licence = self._law.licence(offer.candidate)
        if isinstance(licence, Rejected):
            return licence
        if before is None or not still_holds(before, offer.candidate, licence):
            return None
        if not (self._has(before.sha256) and self._has(before.derivative_sha256)):
            return None
        return self._law.kept(before)

    async def _work(self) -> None:
        while True:
            offer = await self._offers.get()
            if not self.stop.is_set():  # else it stays pending, as it was entered
                try:
                    await self._settled(offer, await self._judge(offer))
                except TransientError as error:
                    await self._settled(offer, None, str(error))
            self._offers.task_done()

    async def _settled(self, offer: Offer, result: ImageAsset | Rejected | None, detail: str = "") -> None:
        await self._ends.put(PictureEnd(offer.candidate, offer.category, result, detail))
        standing = self._standing[offer.candidate.subject_id]
        standing.open -= 1
        if isinstance(result, Rejected):
            self.tally.rejected += 1
        elif result is None:
            self.tally.pending += 1
            standing.pending = detail
        else:
            self.tally.kept += 1
            standing.kept += 1
        await self._maybe_settled(standing)

    async def _maybe_settled(self, standing: _Standing) -> None:
        """Say what became of a subject as soon as all of its pictures are settled."""
        if standing.open or not standing.listed:
            return
        key, category = standing.key, standing.category
        end = SubjectEnd(key, category)
        if not standing.kept and standing.pending:
            end = SubjectEnd(key, category, pending=standing.pending)
        elif not standing.kept:
            standing.bare = True
            self._holding[category] -= 1
            told = Rejected(key, Reason.NO_PICTURE, f"no picture of {standing.name} could be kept")
            end = SubjectEnd(key, category, told)
        self._on_the_way[category] -= 1
        await self._ends.put(end)
        async with self._moved:
            self._moved.notify_all()

    async def _write(self) -> None:
        async for batch in _pages(self._ends, BATCH, BATCH_SECONDS):
            await self._books.settle(batch)


async def _pages(queue: asyncio.Queue[Item], most: int, seconds: float) -> AsyncIterator[list[Item]]:
    """Yield what comes in the queue in lists: of `most` things, or of what came within some seconds.

    The things of a list count as done when the next one is asked for.
    """
    while True:
        page = [await queue.get()]
        late = asyncio.get_running_loop().time() + seconds
        while len(page) < most:
            try:
                async with asyncio.timeout_at(late):
                    page.append(queue.get_nowait() if queue.qsize() else await queue.get())
            except TimeoutError:
                break
        yield page
        for _ in page:
            queue.task_done()


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
