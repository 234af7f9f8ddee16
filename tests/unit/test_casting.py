"""Who stands in for whom, which pictures play which role, and why some cannot be cast."""

from __future__ import annotations

import pytest

from curation.drafting.casting import Casting, cast
from curation.drafting.steps.locality import pool_questions
from curation.drafting.steps.pools import Pool, PoolQuestion
from curation.errors import Reason, Rejected
from curation.records import ImageAsset, ImageOrigin, ImageRole, ItemImage
from tests.drafts import TEXTS, Pictures, subject

ALL = [subject(name) for name in TEXTS]


@pytest.fixture
def pictures() -> Pictures:
    kept = Pictures()
    for one in ALL:
        kept.add(one.subject_id, 3)
    return kept


def castings(kept: Pictures, subjects: list[object] | None = None) -> dict[str, Casting]:
    found = cast(subjects or ALL, kept.assets, kept.read, kept.save)  # type: ignore[arg-type]
    assert not [one for one in found.values() if isinstance(one, Rejected)]
    return {key: one for key, one in found.items() if isinstance(one, Casting)}


def role(casting: Casting, wanted: ImageRole) -> object:
    return next(image for image in casting.images if image.role is wanted)


def test_partners_of_a_type_stand_in_for_each_other(pictures: Pictures) -> None:
    found = castings(pictures)
    assert found["petra"].stand_in == "taj-mahal"
    assert found["taj-mahal"].stand_in == "petra"
    assert found["petra"].images[0].subject_id == found["petra"].images[1].subject_id == "taj-mahal"
    assert found["petra"].images[0].image_id != found["petra"].images[1].image_id


def test_a_user_shows_the_own_thing(pictures: Pictures) -> None:
    hammer = castings(pictures)["hammer"]
    assert hammer.stand_in is None
    assert hammer.images[0].subject_id == "hammer"


def test_locality_is_of_another_category(pictures: Pictures) -> None:
    categories = {one.subject_id: one.category for one in ALL}
    for key, casting in castings(pictures).items():
        for other in (casting.image_locality, casting.text_locality, casting.images[2].subject_id):
            assert categories[other] != categories[key]


def test_a_composite_joins_pictures_and_licences(pictures: Pictures) -> None:
    for asset in list(pictures.assets):
        if asset.subject_id == "hammer":
            pictures.assets[pictures.assets.index(asset)] = asset.model_copy(update={"licence": "CC-BY-4.0"})
    casting = castings(pictures)["hammer"]
    composite = casting.images[3]
    assert composite.role is ImageRole.ONE_HOP
    assert composite.sha256 in pictures.blobs
    assert composite.licence == "CC-BY-4.0 AND CC0-1.0"
    assert len(composite.parents) == 2
    assert casting.images[0].image_id in composite.parents
    assert composite.attribution.count("by ") == 2
    assert casting.one_hop is not None
    assert (composite.parents.index(casting.images[0].image_id) == 0) == (casting.one_hop.side == "left")


def test_only_entities_have_no_composite(pictures: Pictures) -> None:
    assert {key for key, one in castings(pictures).items() if one.one_hop is None} == {
        "petra",
        "taj-mahal",
        "koala",
        "tiger",
    }


def test_a_true_second_picture_is_preferred_to_a_derived_view(pictures: Pictures) -> None:
    kept = Pictures()
    kept.add("cat", 1, ImageOrigin.DERIVED)
    kept.add("cat", 2)
    kept.add("petra", 2)
    kept.add("taj-mahal", 2)
    images = castings(kept, [subject("Cat"), subject("Petra"), subject("Taj Mahal")])["cat"].images
    assert [image.origin for image in images[:2]] == [ImageOrigin.PHOTOGRAPH] * 2


def test_the_order_of_what_comes_in_does_not_matter(pictures: Pictures) -> None:
    forth = castings(pictures)
    back = cast(list(reversed(ALL)), list(reversed(pictures.assets)), pictures.read, pictures.save)
    assert forth == back


def test_a_subject_with_one_picture_borrows_from_its_kind(pictures: Pictures) -> None:
    pictures.assets = [a for a in pictures.assets if a.subject_id != "petra"]
    others = [one for one in ALL if one.name != "Tiger"]
    found = cast(others, pictures.assets, pictures.read, pictures.save)["petra"]
    assert isinstance(found, Casting)
    assert found.stand_in == "taj-mahal"


@pytest.mark.parametrize(
    ("without", "key", "reason"),
    [
        ({"taj-mahal"}, "petra", Reason.NO_STAND_IN),
        ({"hammer"}, "hammer", Reason.NO_PICTURE),
        ({one.subject_id for one in ALL} - {"petra", "taj-mahal"}, "petra", Reason.NO_DISTRACTOR),
    ],
)
def test_who_cannot_be_cast_is_told_why(
    pictures: Pictures, without: set[str], key: str, reason: Reason
) -> None:
    pictures.assets = [a for a in pictures.assets if a.subject_id not in without]
    found = cast(ALL, pictures.assets, pictures.read, pictures.save)[key]
    assert isinstance(found, Rejected)
    assert found.reason is reason


def test_a_pools_pictures_do_not_tie_all_blocks_together() -> None:
    kept, pool = Pictures(), Pictures()
    names = [name for name in TEXTS if name != "Cat"]
    subjects = [
        subject(name).model_copy(update={"subject_id": f"{name.lower()}-{number}"})
        for number in range(20)
        for name in names
    ]
    for one in subjects:
        kept.add(one.subject_id)
    pool.add("pool", 12)
    rows = [
        PoolQuestion(f"What is number {n} in the image?", "it", "https://x.org", "CC0-1.0", _as_image(asset))
        for n, asset in enumerate(pool.assets)
    ]
    chosen: dict[str, set[str]] = {}
    for key, casting in cast(subjects, kept.assets, kept.read, kept.save).items():
        if isinstance(casting, Casting):
            _, found = pool_questions(Pool(tuple(rows)), key, casting.block, [])
            assert found is not None
            chosen.setdefault(casting.block, set()).add(found.question)
    assert len(chosen) > 20
    assert {len(questions) for questions in chosen.values()} == {1}
    assert len({question for questions in chosen.values() for question in questions}) > 8


def _as_image(asset: ImageAsset) -> ItemImage:
    return ItemImage(
        role=ImageRole.LOCALITY,
        sha256=asset.sha256,
        image_id=asset.image_id,
        subject_id=asset.image_id,
        origin=asset.origin,
        parents=(),
        licence=asset.licence,
        attribution=asset.attribution,
        source_page=asset.source_page,
    )
