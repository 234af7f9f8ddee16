"""The books of a run in the warehouse: pending first, then what became of it; and what was taken down."""

from __future__ import annotations

import asyncio
from pathlib import Path
from threading import get_ident
from typing import Any

from curation.collecting.books import Offer, PictureEnd, SubjectEnd
from curation.errors import Reason, Rejected
from curation.records import ImageAsset
from flows.ledger import Ledger
from flows.settings import Settings
from flows.takedown import take_down, withdrawn_items, withdrawn_pictures
from tests.samples import accepted, make_item
from tests.sources import collected
from tests.unit.test_stream import GOOD, Source, offer, subject
from warehouse.store import Store, open_store, read_store

TAKEN_DOWN = """
[[withdrawn]]
url = "https://x.org/a.jpg"
date = 2026-11-01
reason = "asked for by letter"
"""


def where(home: Path) -> dict[str, tuple[str, str | None]]:
    with read_store(home) as store:
        return {
            key: (state, why) for key, state, why in store.rows("SELECT key, outcome, reason FROM outcome")
        }


def kept(name: str, **changes: Any) -> ImageAsset:
    asset = collected(Source({"a": [GOOD] * 3}), offer(name, "a"))
    assert isinstance(asset, ImageAsset)
    return asset.model_copy(update=changes)


def test_what_is_found_is_pending_until_it_is_settled(tmp_path: Path) -> None:
    books, source = Ledger(tmp_path), Source({})
    offers = [Offer(source, offer(f"a-{number}", "a"), "building") for number in range(3)]
    assert asyncio.run(books.enter([subject("a")], offers)) == {}
    assert where(tmp_path) == dict.fromkeys(("a", "a-0", "a-1", "a-2"), ("pending", None))
    out = Rejected("a-1", Reason.FETCH_FAILED, "404")
    ends: list[PictureEnd | SubjectEnd] = [
        PictureEnd(offers[0].candidate, "building", kept("a-0")),
        PictureEnd(offers[1].candidate, "building", out),
        PictureEnd(offers[2].candidate, "building", None, "busy"),
        SubjectEnd("a", "building"),
    ]
    asyncio.run(books.settle(ends))
    states = {"a": "kept", "a-0": "kept", "a-1": "rejected", "a-2": "pending"}
    assert {key: state for key, (state, _) in where(tmp_path).items()} == states
    again = asyncio.run(books.enter([subject("a")], offers))
    assert again == {"a-0": kept("a-0")}
    assert {key: state for key, (state, _) in where(tmp_path).items()} == states


def test_the_books_have_one_thread(tmp_path: Path) -> None:
    def seen(store: Store) -> tuple[int, int]:
        return get_ident(), store.rows("SELECT current_setting('threads')")[0][0]

    async def several() -> list[tuple[int, int]]:
        books = Ledger(tmp_path)
        return await asyncio.gather(*(books.during(seen) for _ in range(4)))

    threads = asyncio.run(several())
    assert len({ours for ours, _ in threads}) == 1
    assert {duckdbs for _, duckdbs in threads} == {1}


def test_what_was_taken_down_goes_with_what_was_made_of_it(tmp_path: Path) -> None:
    (tmp_path / "withdrawn.toml").write_text(TAKEN_DOWN)
    settings = Settings(home=tmp_path, withdrawn=tmp_path / "withdrawn.toml")
    pictures = {
        "a-0": kept("a-0", final_url="https://x.org/a.jpg"),
        "a-1": kept("a-1", parent="a-0"),
        "a-2": kept("a-2"),
    }
    ends = [PictureEnd(offer(key, "a"), "building", one) for key, one in pictures.items()]
    asyncio.run(Ledger(tmp_path).settle(ends))
    with open_store(tmp_path) as store:
        take_down(store, settings)
        withdrawn = withdrawn_pictures(store, settings)
    assert set(withdrawn) == {"a-0", "a-1"}
    assert where(tmp_path)["a-2"] == ("kept", None)
    assert where(tmp_path)["a-1"] == ("rejected", "withdrawn")


def test_an_item_with_a_picture_that_was_taken_down_is_not_released() -> None:
    one, other = accepted(make_item(1)), accepted(make_item(2))
    assert one.item
    assert withdrawn_items([one, other], {one.item.images[2].image_id: "asked"}) == {"item-1": "asked"}
