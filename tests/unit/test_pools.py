"""Question pools: sound rows alone, a choice that stays the same, and nothing that touches the item."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from curation.drafting.steps.pools import Pool, PoolQuestion, load_pools
from curation.errors import Reason, Rejected
from curation.images import Inspected, inspect
from curation.licences import DEFAULT_ALLOWED
from tests.drafts import Pictures
from tests.samples import picture

GOOD = {
    "question": "How many moons does Mars have?",
    "answer": "two",
    "licence": "CC0-1.0",
    "source": "https://example.org/q",
}


def loaded(tmp_path: Path, *rows: dict[str, str]) -> tuple[Pool, Pictures]:
    path, kept = tmp_path / "pool.jsonl", Pictures()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    async def decode(key: str, data: bytes) -> Inspected | Rejected:
        return inspect(key, data)

    return asyncio.run(load_pools([path], DEFAULT_ALLOWED, decode, kept.save)), kept


def test_a_row_with_a_picture_is_kept_as_any_other_picture(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture(3))
    pool, kept = loaded(tmp_path, GOOD | {"picture": "a.jpg", "attribution": "by A"})
    (row,) = pool.questions
    assert row.image is not None
    assert row.image.sha256 in kept.blobs
    assert (row.image.licence, row.image.attribution, row.image.role) == ("CC0-1.0", "by A", "locality")
    assert not pool.rejected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": "Tell me"}, Reason.LIST_ROW_INVALID),
        ({"question": "What? Why?"}, Reason.LIST_ROW_INVALID),
        ({"answer": "two."}, Reason.LIST_ROW_INVALID),
        ({"answer": "word " * 13}, Reason.LIST_ROW_INVALID),
        ({"answer": "Mars"}, Reason.ANSWER_IN_QUESTION),
        ({"answer": "<img src=x onerror=alert(1)>"}, Reason.HOSTILE_CONTENT),
        ({"question": "What is at https://evil.example/x?"}, Reason.HOSTILE_CONTENT),
        ({"licence": "CC-BY-NC-4.0"}, Reason.LICENCE_NON_COMMERCIAL),
        ({"licence": ""}, Reason.LIST_ROW_INVALID),
        ({"source": "javascript:alert(1)"}, Reason.LIST_ROW_INVALID),
        ({"picture": "none.jpg"}, Reason.NO_PICTURE),
        ({"picture": "../secret.jpg"}, Reason.UNSAFE_PATH),
        ({"picture": "link.jpg"}, Reason.UNSAFE_PATH),
        ({"picture": "page.jpg"}, Reason.NOT_AN_IMAGE),
        ({"picture": "."}, Reason.UNSAFE_PATH),
        ({"picture": "a\\u0000b"}, Reason.NO_PICTURE),
    ],
)
def test_a_bad_row_is_out_with_line_and_reason(
    tmp_path: Path, change: dict[str, str], reason: Reason
) -> None:
    folder = tmp_path / "pool"
    folder.mkdir()
    (tmp_path / "secret.jpg").write_bytes(picture(1))
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "page.jpg").write_bytes(b"<html>not found</html>")
    pool, kept = loaded(folder, GOOD, GOOD | change)
    assert [(row.key, row.reason) for row in pool.rejected] == [("pool.jsonl:2", reason)]
    assert len(pool.questions) == 1
    assert not kept.blobs


def pool_of(count: int) -> Pool:
    rows = [
        PoolQuestion(f"How many legs has animal {number}?", f"{number} legs", "https://x.org", "CC0-1.0")
        for number in range(count)
    ]
    return Pool(tuple(rows))


def test_the_choice_is_the_same_for_a_seed_whatever_the_order_of_the_rows() -> None:
    pool = pool_of(40)
    turned = Pool(tuple(reversed(pool.questions)))
    chosen = [pool.choose(f"item-{seed}", [], with_image=False) for seed in range(60)]
    assert chosen == [turned.choose(f"item-{seed}", [], with_image=False) for seed in range(60)]
    assert len(set(chosen)) > 20


def test_a_row_that_touches_the_item_is_never_chosen() -> None:
    pool = pool_of(3)
    assert pool.choose("a", ["Animal"], with_image=False) is None
    found = pool.choose("a", ["0 legs", "animal 1"], with_image=False)
    assert found == pool.questions[2]


def test_an_empty_pool_gives_nothing() -> None:
    assert Pool().choose("a", [], with_image=True) is None
    assert pool_of(2).choose("a", [], with_image=True) is None
