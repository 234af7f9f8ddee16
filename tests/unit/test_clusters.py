"""What counts as the same photograph, which copy stays, and what is said about it."""

import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from curation.deduplicating.checking import compare
from curation.deduplicating.clusters import cluster, rejections, ruled, without_views
from curation.deduplicating.features import picture_features
from curation.deduplicating.pairs import DedupeSettings
from curation.deduplicating.rulings import Key, Ruling
from curation.errors import Reason
from curation.ids import sha256_bytes
from curation.images import Inspected, inspect
from curation.records import DuplicateCluster, ImageAsset, ImageOrigin

Shelf = dict[str, bytes]


def scene(seed: int, size: tuple[int, int] = (400, 300)) -> Image.Image:
    """Return a picture with the soft structure of a photograph."""
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def asset(shelf: Shelf, image_id: str, data: bytes, **changes: object) -> ImageAsset:
    found = inspect(image_id, data)
    assert isinstance(found, Inspected)
    shelf[found.derivative_sha256] = found.derivative
    fields = {
        "image_id": image_id,
        "subject_id": "colosseum",
        "source": "fake",
        "locator": image_id,
        "sha256": hashlib.sha256(data).hexdigest(),
        "derivative_sha256": found.derivative_sha256,
        "width": found.width,
        "height": found.height,
        "byte_size": found.byte_size,
        "media_type": found.media_type,
        "licence": "CC0-1.0",
        "author": "a",
        "attribution": "a",
        "source_page": "https://example.org",
        "origin": ImageOrigin.PHOTOGRAPH,
        "parent": None,
        "retrieved_at": "2026-11-23T00:00:00Z",
    }
    return ImageAsset.model_validate(fields | changes)


def clustered(
    shelf: Shelf, *assets: ImageAsset, rulings: dict[Key, Ruling] | None = None
) -> list[DuplicateCluster]:
    def save(data: bytes) -> str:
        shelf[sha256_bytes(data)] = data
        return sha256_bytes(data)

    def found(order: tuple[ImageAsset, ...]) -> list[DuplicateCluster]:
        made = {
            one.image_id: picture_features(
                one.image_id, shelf[one.derivative_sha256], save, one.derivative_sha256
            )
            for one in order
        }
        pairs = compare(order, made, shelf.__getitem__, DedupeSettings())
        return cluster(order, without_views(order, ruled(order, pairs, rulings or {})))

    forwards = found(assets)
    assert found(tuple(sorted(assets, key=lambda one: one.image_id))) == forwards
    return forwards


def test_the_same_bytes_are_an_exact_duplicate() -> None:
    shelf: Shelf = {}
    data = encoded(scene(1))
    (found,) = clustered(shelf, asset(shelf, "img-b", data), asset(shelf, "img-a", data))
    assert found.keeper == "img-a"
    assert (found.dropped[0].relation, found.dropped[0].distance) == ("exact", 0)
    assert rejections([found])[0].reason is Reason.EXACT_DUPLICATE


EDITS: dict[str, Callable[[Image.Image], bytes]] = {
    "smaller": lambda picture: encoded(picture.resize((200, 150))),
    "recompressed": lambda picture: encoded(picture, "JPEG", quality=40),
    "webp": lambda picture: encoded(picture, "WEBP", quality=70),
    "brighter": lambda picture: encoded(ImageEnhance.Brightness(picture).enhance(1.15)),
    "more contrast": lambda picture: encoded(ImageEnhance.Contrast(picture).enhance(1.2)),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_a_near_duplicate(edit: str) -> None:
    for seed in range(3):
        shelf: Shelf = {}
        copy = asset(shelf, "img-b", EDITS[edit](scene(seed)))
        (found,) = clustered(shelf, asset(shelf, "img-a", encoded(scene(seed))), copy)
        assert [member.relation for member in found.dropped] == ["near"]
        assert rejections([found])[0].reason is Reason.NEAR_DUPLICATE


def test_different_pictures_stay_apart() -> None:
    shelf: Shelf = {}
    assert clustered(shelf, *(asset(shelf, f"img-{n}", encoded(scene(n))) for n in range(20))) == []


def test_swatches_and_recoloured_copies_stay_apart() -> None:
    shelf: Shelf = {}
    swatches = [
        asset(shelf, f"img-{name}", encoded(Image.new("RGB", (200, 200), name)))
        for name in ("red", "darkred", "blue", "white")
    ]
    red, green, blue = scene(3).split()
    recoloured = [
        asset(shelf, "img-x", encoded(scene(3))),
        asset(shelf, "img-y", encoded(Image.merge("RGB", (blue, red, green)))),
    ]
    assert clustered(shelf, *swatches, *recoloured) == []


def test_one_background_with_another_object_is_another_picture() -> None:
    shelf: Shelf = {}
    pictures = []
    for name, colour in (("a", "black"), ("b", "white")):
        picture = scene(5)
        picture.paste(colour, (150, 90, 260, 220))
        pictures.append(asset(shelf, f"img-{name}", encoded(picture)))
    assert clustered(shelf, *pictures) == []


def test_a_view_is_no_duplicate_of_its_parent() -> None:
    shelf: Shelf = {}
    parent = asset(shelf, "img-a", encoded(scene(1)))
    copy = encoded(scene(1), "JPEG")
    derived = asset(shelf, "img-b", copy, parent="img-a", origin=ImageOrigin.DERIVED)
    assert clustered(shelf, parent, derived) == []
    assert len(clustered(shelf, parent, asset(shelf, "img-b", copy))) == 1


@pytest.mark.parametrize(
    ("worse_id", "worse", "why"),
    [
        ("img-a", {"width": 10}, "most pixels"),
        ("img-a", {"licence": "CC-BY-SA-4.0"}, "freest licence"),
        ("img-a", {"byte_size": 1}, "largest file"),
        ("img-z", {}, "smallest id"),
    ],
)
def test_the_keep_rule_in_its_order(worse_id: str, worse: dict[str, object], why: str) -> None:
    shelf: Shelf = {}
    data = encoded(scene(1))
    (found,) = clustered(shelf, asset(shelf, worse_id, data, **worse), asset(shelf, "img-b", data))
    assert found.keep_reason.startswith(why)
    assert found.dropped[0].image_id == worse_id


def test_a_leak_between_subjects_keeps_one_and_says_so() -> None:
    shelf: Shelf = {}
    data = encoded(scene(1))
    (found,) = clustered(
        shelf,
        asset(shelf, "img-a", data),
        asset(shelf, "img-b", data, subject_id="petra"),
    )
    assert "shown as petra but kept for colosseum" in found.dropped[0].reason


def test_groups_do_not_grow_by_chains() -> None:
    """b is near a and c is near b, but c is not near a: c stays."""
    shelf: Shelf = {}
    steps = [Image.blend(scene(1), scene(2), share) for share in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)]
    assets = [
        asset(shelf, f"img-{n}", encoded(picture), byte_size=1000 - n) for n, picture in enumerate(steps)
    ]
    found = clustered(shelf, *assets)
    assert len(found) > 1
    for group in found:
        keeper = next(one for one in assets if one.image_id == group.keeper)
        for member in group.dropped:
            dropped = next(one for one in assets if one.image_id == member.image_id)
            assert clustered(shelf, keeper, dropped)
