"""What every source of pictures keeps to, and what the real sample packages hold."""

from __future__ import annotations

import asyncio
import os
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stamina

from curation.collecting.folder import FolderSettings, FolderSource
from curation.collecting.http.door import Door, DoorSettings
from curation.collecting.hugging_face import HuggingFaceSettings, HuggingFaceSource
from curation.collecting.port import Fetched, ImageSource
from curation.collecting.sample import SampleSource
from curation.collecting.url_list import UrlListSettings, UrlListSource
from curation.deduplicating.checking import compare
from curation.deduplicating.clusters import cluster, without_views
from curation.deduplicating.features import picture_features
from curation.deduplicating.pairs import DedupeSettings
from curation.errors import Reason, Rejected
from curation.ids import sha256_bytes
from curation.records import EditType, ImageAsset, ImageOrigin, Subject
from curation.taxonomy import load_taxonomy
from tests.loopback import Loopback
from tests.openverse_server import openverse_source, small_shelf
from tests.sources import collected, everything, offers
from tests.wikimedia_server import photograph, small_world, wikimedia_source
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(os.environ.get("MMKE_SAMPLE", ROOT / ".cache" / "sample" / "gcompris-qt-data.deb"))
REAL = (ImageOrigin.PHOTOGRAPH, ImageOrigin.PAINTING)
LISTED = """url,caption,subject,category,license,author
{0},A small blue bird.,Kingfisher,aerial_animals,CC BY 4.0,Ann
{1},,Kingfisher,aerial_animals,,Bob
{2},A tower of 1910.,Water tower,building,CC0,Bob
not an address,A tower of 1910.,Water tower,building,CC0,Bob
"""
DESCRIBED = """
default = { licence = "CC BY 4.0", author = "Jane Doe" }
[[subject]]
name = "Water tower"
category = "building"
text = "The water tower of Leeds was built in 1910."
text_licence = "CC0"
pictures = ["tower.jpg"]
[[subject]]
name = "Silent tower"
category = "building"
text = ""
text_licence = "CC0"
pictures = ["silent.jpg"]
"""
Do = Callable[[Callable[[ImageSource], Awaitable[Any]]], Any]


def sample(_: Loopback, folder: Path, __: Door) -> ImageSource:
    if not PACKAGE.is_file():
        pytest.skip(f"the sample package is not at {PACKAGE}: run `make sample`")
    return SampleSource(PACKAGE, folder.parent / "unpacked")  # once for all tests


def url_list(site: Loopback, folder: Path, door: Door) -> ImageSource:
    addresses = [site.route(f"/{name}.jpg", photograph(name)) for name in ("one", "two")]
    (folder / "list.csv").write_text(LISTED.format(*addresses, site.url("/missing.jpg")))
    return UrlListSource(UrlListSettings(path=folder / "list.csv"), door)


def own_folder(_: Loopback, folder: Path, __: Door) -> ImageSource:
    (folder / "licences.toml").write_text(DESCRIBED)
    (folder / "tower.jpg").write_bytes(photograph("tower"))
    return FolderSource(FolderSettings(path=folder))


def data_set(_: Loopback, folder: Path, __: Door) -> ImageSource:
    pictures = [{"bytes": photograph(name), "path": f"{name}.jpg"} for name in ("one", "two", "three")]
    columns = {
        "image": pictures,
        "subject": ["Kingfisher", "Kingfisher", ""],
        "text": ["A small blue bird.", "", "Nobody knows what."],
        "license": ["cc-by-4.0"] * 3,
    }
    pq.write_table(pa.table(columns), folder / "train.parquet")
    settings = HuggingFaceSettings(
        repo="owner/birds",
        revision="0" * 40,
        snapshot=folder,
        columns={"image": "image"},
        category="aerial_animals",
    )
    return HuggingFaceSource(settings)


SOURCES: dict[str, Callable[[Loopback, Path, Door], ImageSource]] = {
    "sample": sample,
    "wikimedia": lambda site, _, door: wikimedia_source(small_world(site), door),
    "openverse": lambda site, _, door: openverse_source(small_shelf(site), door),
    "url_list": url_list,
    "folder": own_folder,
    "hugging_face": data_set,
}


@pytest.fixture(params=SOURCES)
def do(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Do]:
    """Run something with each source in turn, behind a real door to a loopback server."""
    with stamina.set_testing(True, attempts=2), Loopback() as site:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ImageSource]:
            fetches = Fetches(Artefacts(tmp_path / "home"))
            async with Door(DoorSettings(trusted_hosts=(site.host,)), fetches) as door:
                yield SOURCES[request.param](site, tmp_path, door)

        def run(work: Callable[[ImageSource], Awaitable[Any]]) -> Any:
            async def inside() -> Any:
                async with opened() as source:
                    return await work(source)

            return asyncio.run(inside())

        yield run


def test_ids_are_unique_and_stable_over_runs(do: Do) -> None:
    subjects, first = do(everything), do(offers)
    keys = [one.subject_id if isinstance(one, Subject) else one.key for one in subjects]
    assert len(set(keys)) == len(keys) > 1
    assert len({offer.image_id for offer in first}) == len(first) > 0
    assert (do(everything), do(offers)) == (subjects, first)
    assert {offer.parent for offer in first if offer.parent} <= {offer.image_id for offer in first}


def test_an_offer_says_whose_it_is_and_of_what(do: Do) -> None:
    async def told(source: ImageSource) -> tuple[str, list[Any], list[Any]]:
        return source.name, await everything(source), await offers(source)

    name, subjects, offered = do(told)
    ids = {one.subject_id for one in subjects if isinstance(one, Subject)}
    assert {(offer.source, offer.subject_id in ids) for offer in offered} == {(name, True)}
    assert {one.category for one in subjects if isinstance(one, Subject)} <= set(load_taxonomy())


def test_what_is_out_has_a_reason(do: Do) -> None:
    out = [one for one in do(everything) if isinstance(one, Rejected)]
    assert out
    assert all(isinstance(one.reason, Reason) and one.detail for one in out)


def test_fetching_repeats_and_what_is_gone_is_said(do: Do) -> None:
    async def fetched(source: ImageSource) -> list[Fetched | Rejected]:
        offer = (await offers(source))[0]
        place = re.match("https?://[^/]+/|", offer.locator)
        assert place
        gone = offer.model_copy(update={"locator": f"{place[0]}no/such-picture.webp"})
        return [await source.fetch(one) for one in (offer, offer, gone)]

    once, twice, gone = do(fetched)
    assert isinstance(once, Fetched)
    assert once == twice
    assert isinstance(gone, Rejected)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ImageSource:
    if not PACKAGE.is_file():
        pytest.skip(f"the sample package is not at {PACKAGE}: run `make sample`")
    return SampleSource(PACKAGE, tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def subjects(source: ImageSource) -> list[Subject]:
    return [one for one in asyncio.run(everything(source)) if isinstance(one, Subject)]


@pytest.fixture(scope="module")
def of_sample(source: ImageSource) -> tuple[list[ImageAsset], list[Rejected], dict[str, bytes]]:
    stored: dict[str, bytes] = {}

    def save(data: bytes) -> str:
        name = sha256_bytes(data)
        stored[name] = data
        return name

    out = [collected(source, offer, save) for offer in asyncio.run(offers(source))]
    kept = [one for one in out if isinstance(one, ImageAsset)]
    return kept, [one for one in out if isinstance(one, Rejected)], stored


def test_the_sample_is_as_large_and_as_mixed_as_promised(
    subjects: list[Subject], of_sample: tuple[list[ImageAsset], list[Rejected], dict[str, bytes]]
) -> None:
    kept, rejected, _ = of_sample
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
    of_sample: tuple[list[ImageAsset], list[Rejected], dict[str, bytes]],
) -> None:
    for asset in of_sample[0]:
        assert asset.author
        assert asset.source_page.startswith(("https://", "http://", "urn:"))
        assert asset.licence in asset.attribution or "public domain" in asset.attribution


def test_the_copies_in_the_sample_are_found_and_nothing_else(
    of_sample: tuple[list[ImageAsset], list[Rejected], dict[str, bytes]],
) -> None:
    kept, _, stored = of_sample

    def save(data: bytes) -> str:
        stored[sha256_bytes(data)] = data
        return sha256_bytes(data)

    made = {
        one.image_id: picture_features(
            one.image_id, stored[one.derivative_sha256], save, one.derivative_sha256
        )
        for one in kept
    }
    pairs_found = compare(kept, made, stored.__getitem__, DedupeSettings())
    found = cluster(kept, without_views(kept, pairs_found))
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
