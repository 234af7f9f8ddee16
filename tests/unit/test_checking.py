"""What the close look says of copies with their transform, and of pictures that only look alike."""

import re
from random import Random

import pytest
from PIL import Image, ImageDraw

from curation.deduplicating.copies import EDITS, encoded
from curation.deduplicating.look_alikes import PAIRED, look_alikes
from curation.deduplicating.pairs import DedupeSettings
from curation.records import DuplicatePair, PairVerdict, Transform
from tests.unit.pictures import Shelf, scenery

MERGE, REVIEW, DISTINCT = PairVerdict


def one_pair(first: Image.Image | bytes, second: Image.Image | bytes) -> DuplicatePair:
    shelf = Shelf()
    shelf.add(first)
    shelf.add(second)
    (pair,) = shelf.pairs()
    return pair


@pytest.mark.parametrize("kind", [kind for kind in EDITS if "everything" not in kind and "grey" not in kind])
def test_a_copy_is_found_and_its_transform_named(kind: str) -> None:
    transform, edit = EDITS[kind]
    original = scenery(3)
    made = edit(original, Random(kind))
    pair = one_pair(encoded(original), made if isinstance(made, bytes) else encoded(made))
    assert pair.verdict is not DISTINCT
    assert pair.transform is transform
    assert (pair.first, pair.second) == ("img-000", "img-001")


def test_a_plain_copy_is_merged_without_people() -> None:
    pair = one_pair(scenery(4), encoded(scenery(4).resize((300, 225)), quality=60))
    assert (pair.verdict, pair.transform) == (MERGE, Transform.SAME)
    assert pair.measures["correlation"] > 0.97
    assert pair.reason.startswith("the same photograph")


def test_a_crop_says_which_part_it_is() -> None:
    picture = scenery(5)
    pair = one_pair(picture, picture.crop((48, 0, 480, 324)))
    assert (pair.verdict, pair.transform) == (MERGE, Transform.CROPPED)
    found = re.search(
        r"the second is the part of the first from (\d+) to (\d+) % across and (\d+) to (\d+) %", pair.reason
    )
    assert found is not None
    assert [
        abs(int(edge) - wanted) <= 1 for edge, wanted in zip(found.groups(), (10, 100, 0, 90), strict=True)
    ]


def test_a_turn_is_told_from_the_smaller_id_to_the_larger() -> None:
    upright, turned = scenery(6), scenery(6).transpose(Image.Transpose.ROTATE_270)
    assert one_pair(upright, turned).transform is Transform.ROTATED_90
    assert one_pair(turned, upright).transform is Transform.ROTATED_270


def test_a_grey_copy_goes_to_people() -> None:
    pair = one_pair(scenery(7), scenery(7).convert("L").convert("RGB"))
    assert pair.verdict is REVIEW
    assert "colours" in pair.reason


def test_a_mark_in_the_middle_goes_to_people() -> None:
    marked = scenery(8)
    ImageDraw.Draw(marked).rectangle((200, 150, 290, 200), "white")
    pair = one_pair(scenery(8), marked)
    assert (pair.verdict, pair.transform) == (REVIEW, Transform.SAME)
    assert "a part" in pair.reason


def test_equal_bytes_need_no_look() -> None:
    data = encoded(Image.new("RGB", (200, 200), "white"))
    pair = one_pair(data, data)
    assert (pair.verdict, pair.transform, pair.reason) == (MERGE, Transform.IDENTICAL, "the same bytes")


def test_plain_pictures_are_never_merged_on_their_hashes() -> None:
    shelf = Shelf()
    for colour in ("white", "black", "red", "navy"):
        shelf.add(Image.new("RGB", (200, 200), colour))
    shelf.add(encoded(Image.new("RGB", (220, 220), "white"), "PNG"))
    merged = [(pair.first, pair.second) for pair in shelf.pairs() if pair.verdict is MERGE]
    assert set(merged) <= {("img-000", "img-004")}


def test_look_alikes_are_not_merged() -> None:
    sets = look_alikes([scenery(seed) for seed in range(6)], 6, "test")
    assert set(sets) >= PAIRED
    for made in sets.values():
        shelf = Shelf()
        for data in made:
            shelf.add(data)
        assert [pair for pair in shelf.pairs() if pair.verdict is MERGE] == []


def test_what_is_merged_follows_the_settings() -> None:
    shelf = Shelf()
    shelf.add(scenery(9))
    shelf.add(encoded(scenery(9), quality=30))
    assert [pair.verdict for pair in shelf.pairs()] == [MERGE]
    assert [pair.verdict for pair in shelf.pairs(DedupeSettings(worst_spot=0))] == [REVIEW]
    faiss = shelf.pairs(DedupeSettings(index="faiss"))
    assert faiss == shelf.pairs()
