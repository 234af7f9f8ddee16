"""What every source of pictures keeps to, and what the real sample packages hold."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from curation.collecting.collect import collect_candidate
from curation.collecting.port import ImageSource
from curation.collecting.sample import SampleSource
from curation.deduplicating.clusters import cluster
from curation.deduplicating.hashes import hash_asset
from curation.errors import Reason, Rejected
from curation.ids import sha256_bytes
from curation.records import EditType, ImageAsset, ImageOrigin, Subject
from curation.taxonomy import load_taxonomy

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(os.environ.get("MMKE_SAMPLE", ROOT / ".cache" / "sample" / "gcompris-qt-data.deb"))
REAL = (ImageOrigin.PHOTOGRAPH, ImageOrigin.PAINTING)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    if not PACKAGE.is_file():
        pytest.skip(f"the sample package is not at {PACKAGE}: run `make sample`")
    return SampleSource(PACKAGE, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def subjects(source: ImageSource) -> list[Subject]:
    return [one for one in source.subjects() if isinstance(one, Subject)]


@pytest.fixture(scope="module")
def collected(
    source: ImageSource, subjects: list[Subject]
) -> tuple[list[ImageAsset], list[Rejected], dict[str, bytes]]:
    stored: dict[str, bytes] = {}

    def save(data: bytes) -> str:
        name = sha256_bytes(data)
        stored[name] = data
        return name

    out = [
        collect_candidate(source, offer, save, "2026-11-23T00:00:00Z")
        for subject in subjects
        for offer in source.search(subject)
    ]
    kept = [one for one in out if isinstance(one, ImageAsset)]
    return kept, [one for one in out if isinstance(one, Rejected)], stored


def test_ids_are_unique_and_stable(source: ImageSource, subjects: list[Subject]) -> None:
    offers = [offer for subject in subjects for offer in source.search(subject)]
    assert len({offer.image_id for offer in offers}) == len(offers)
    assert offers == [offer for subject in subjects for offer in source.search(subject)]
    assert {offer.source for offer in offers} == {source.name}
    ids = {offer.image_id for offer in offers}
    assert {offer.parent for offer in offers if offer.parent} <= ids


def test_fetching_repeats_and_what_is_gone_is_said(source: ImageSource, subjects: list[Subject]) -> None:
    offer = source.search(subjects[0])[0]
    assert source.fetch(offer) == source.fetch(offer)
    with pytest.raises(FileNotFoundError):
        source.fetch(offer.model_copy(update={"locator": "erase/no-such-picture.webp"}))


def test_the_sample_is_as_large_and_as_mixed_as_promised(
    subjects: list[Subject], collected: tuple[list[ImageAsset], list[Rejected], dict[str, bytes]]
) -> None:
    kept, rejected, _ = collected
    category = {subject.subject_id: subject.category for subject in subjects}
    real = [asset for asset in kept if asset.origin in REAL]
    shown = {category[asset.subject_id] for asset in real}
    assert len({asset.subject_id for asset in kept}) >= 90
    assert len(real) >= 150
    assert len(shown) >= 10
    assert {load_taxonomy()[key].edit_type for key in shown} == set(EditType)
    reasons = Counter(one.reason for one in rejected)
    assert reasons[Reason.LICENCE_MISSING] >= 10
    assert reasons[Reason.LICENCE_NOT_ALLOWED] >= 1


def test_every_kept_picture_says_where_it_comes_from(
    collected: tuple[list[ImageAsset], list[Rejected], dict[str, bytes]],
) -> None:
    for asset in collected[0]:
        assert asset.author
        assert asset.source_page.startswith(("https://", "http://", "urn:"))
        assert asset.licence in asset.attribution or "public domain" in asset.attribution


def test_the_copies_in_the_sample_are_found_and_nothing_else(
    collected: tuple[list[ImageAsset], list[Rejected], dict[str, bytes]],
) -> None:
    kept, _, stored = collected
    hashes = {asset.image_id: hash_asset(asset, stored[asset.derivative_sha256]) for asset in kept}
    found = cluster(kept, hashes, stored.__getitem__)
    by_id = {asset.image_id: asset for asset in kept}
    pairs = {
        (by_id[group.keeper].locator.rpartition("/")[2], by_id[member.image_id].locator.rpartition("/")[2])
        for group in found
        for member in group.dropped
    }
    assert pairs == {
        ("colosseum.webp", "colosseum.webp"),
        ("brandenburgGate.webp", "brandenburgGate.webp"),
        ("greatPyramidOfGiza.webp", "greatPyramid.webp"),
        ("red", "circle"),
    }
    lost = {member.image_id for group in found for member in group.dropped}
    left = Counter(asset.subject_id for asset in kept if asset.image_id not in lost)
    assert min(left.values()) >= 2
