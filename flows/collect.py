"""The collect stage: subjects and pictures of the sources, lawfully kept or rejected with a reason."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from prefect import flow

from curation.collecting.books import Offer, Tally
from curation.collecting.collect import Hands, collect_candidate
from curation.collecting.stream import Stream
from curation.decoding import DecodePool
from curation.errors import Rejected
from curation.records import ImageAsset, StageCount
from flows.gallery import write_sheets
from flows.ledger import PICTURES, SUBJECTS, Ledger
from flows.paces import Paces, showing
from flows.scope import Scope
from flows.settings import Settings
from flows.stopping import ending_early
from flows.takedown import take_down
from flows.terminal import say
from flows.wiring import artefacts, image_sources, law, open_door
from warehouse.store import open_store


@flow(name="collect", validate_parameters=False)
def collect(settings: Settings, scope: Scope | None = None) -> list[StageCount]:
    """Fetch what the sources offer; what was collected before is not fetched again.

    scope: a part of it, all by default. SIGINT and SIGTERM end it early with what it has on disk, by
    SystemExit with 128 and the signal's number.
    """
    scope = scope or Scope()
    ended_by: list[int] = []
    tally = asyncio.run(_collect(settings, scope, ended_by))
    with open_store(settings.home) as store:
        if scope.whole and tally.complete:
            store.forget(SUBJECTS, tally.subjects)
            store.forget(PICTURES, tally.pictures)
        take_down(store, settings)
        counts = [store.count(SUBJECTS), store.count(PICTURES)]
    if ended_by:
        say(f"stopped: {counts[1].kept} pictures are kept, {counts[1].pending} pending; run it again")
        raise SystemExit(128 + ended_by[0])
    write_sheets(settings)
    return counts


async def _collect(settings: Settings, scope: Scope, ended_by: list[int]) -> Tally:
    """Take all sources through one door; every picture is decoded in one pool of processes."""
    kept, rules, ledger = artefacts(settings), law(settings), Ledger(settings.home)
    with DecodePool() as decoders:
        hands = Hands(
            save=lambda data: asyncio.to_thread(kept.put, data),
            inspect=decoders.inspect,
            now=lambda: datetime.now(UTC).isoformat(),
        )

        async def judge(offer: Offer) -> ImageAsset | Rejected:
            return await collect_candidate(offer.source, offer.candidate, hands, rules)

        async with open_door(settings, refresh=scope.refresh) as door:
            sources = image_sources(settings, door, scope.categories(settings))
            has = (lambda _: False) if scope.refresh else kept.has
            stream = Stream(ledger, judge, has, rules, scope.wanted(settings))
            with ending_early(stream.stop.set, ended_by):
                async with showing(Paces("collect", stream.tally, door).line):
                    return await stream.run(sources)
