"""The list of the sample holds together, and the source turns it into subjects and pictures."""

import asyncio
import tomllib
from collections import Counter
from importlib.metadata import PackageNotFoundError
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from curation.collecting import wikipedia
from curation.collecting.sample import SampleSource
from curation.errors import PrerequisiteError, Reason, Rejected
from curation.ids import slug
from curation.licences import PUBLIC_DOMAIN
from curation.records import EditType, ImageAsset, ImageCandidate, ImageOrigin, Subject
from curation.taxonomy import load_taxonomy
from tests.archives import build_deb, build_rcc, picture
from tests.sources import collected, everything, offers

LISTED: list[dict[str, Any]] = tomllib.loads(
    files("curation.collecting").joinpath("sample.toml").read_text(encoding="utf-8")
)["subject"]
TAXONOMY = load_taxonomy()
FILED = ("photographs", "paintings", "drawn")
README = "Copyright: A. Author\nLicense: Public Domain\nSource: https://example.org/File:a.jpg\nFiles:\n"


def package_of_everything(path: Path) -> Path:
    """Return a package with a picture for every file of the list; only photographs have a licence."""
    trees: dict[str, dict[str, bytes]] = {}
    credited: dict[str, list[str]] = {}
    number = 0
    for entry in LISTED:
        for kind in FILED:
            for file in entry.get(kind, ()):
                activity, _, place = file.partition("/")
                root = f"gcompris/src/activities/{activity}/resource"
                number += 1
                data = picture((number % 256, number * 7 % 256, 90))
                trees.setdefault(activity, {})[f"{root}/{place}"] = b"" if file.endswith(".qml") else data
                if kind == "photographs":
                    credited.setdefault(activity, []).append(place)
        if "board" in entry:
            trees.setdefault(entry["board"].partition("/")[0], {})
    for activity, tree in trees.items():
        readme = README + "\n".join(credited.get(activity, []))
        tree[f"gcompris/src/activities/{activity}/resource/README"] = readme.encode()
    return build_deb(
        path, {f"usr/share/gcompris-qt/rcc/{name}.rcc": build_rcc(tree) for name, tree in trees.items()}
    )


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SampleSource:
    without_paintings = [{**entry, "paintings": []} for entry in LISTED]
    monkeypatch.setattr(tomllib, "loads", lambda _: {"subject": without_paintings})
    titles = [entry["wikipedia"] for entry in LISTED if "wikipedia" in entry]
    monkeypatch.setattr(
        wikipedia, "load_extracts", lambda: {title: f"{title} is a thing." for title in titles}
    )
    return SampleSource(package_of_everything(tmp_path / "g.deb"), tmp_path / "cache")


def of_petra(source: SampleSource) -> list[ImageCandidate]:
    return asyncio.run(offers(source, "petra"))


def test_every_file_shows_one_subject_and_every_view_has_its_parent() -> None:
    counted = Counter(file for entry in LISTED for kind in FILED for file in entry.get(kind, ()))
    assert [file for file, times in counted.items() if times > 1] == []
    for entry in LISTED:
        own = {file for kind in FILED for file in entry.get(kind, ())}
        assert {view["of"] for view in entry.get("views", ())} <= own


def test_names_and_categories_are_sound_and_no_kind_stands_alone() -> None:
    ids = [entry.get("id") or slug(entry["name"]) for entry in LISTED]
    assert len(set(ids)) == len(ids)
    kinds: Counter[tuple[str, str]] = Counter()
    for entry in LISTED:
        if TAXONOMY[entry["category"]].edit_type is not EditType.USER_SPECIFIC and (
            "wikipedia" in entry or "board" in entry
        ):
            kinds[entry["category"], entry["fine_type"]] += 1
    assert [kind for kind, count in kinds.items() if count < 3] == []


def test_subjects_have_a_text_or_a_reason(source: SampleSource) -> None:
    listed = asyncio.run(everything(source))
    found = {one.subject_id if isinstance(one, Subject) else one.key: one for one in listed}
    eiffel = found["eiffel-tower"]
    assert isinstance(eiffel, Subject)
    assert eiffel.text_source.page == "https://en.wikipedia.org/wiki/Eiffel_Tower"
    assert eiffel.text_source.licence == "CC-BY-SA-4.0"
    missing = found["nagoya-castle"]
    assert isinstance(missing, Rejected)
    assert missing.reason is Reason.NO_SOURCE_TEXT


def test_a_picture_has_its_credit_and_its_id_stays(source: SampleSource) -> None:
    photo, view = of_petra(source)
    assert (photo.author, photo.licence_text) == ("A. Author", "Public Domain")
    assert (photo.origin, view.origin) == (ImageOrigin.PHOTOGRAPH, ImageOrigin.DERIVED)
    assert view.parent == photo.image_id
    assert of_petra(source) == [photo, view]


def test_collecting_it_keeps_photographs_and_refuses_what_has_no_licence(source: SampleSource) -> None:
    offered = asyncio.run(offers(source, "petra", "hammer", "red", "pet-cat", "giraffe"))
    out = [collected(source, offer) for offer in offered]
    origins = Counter(one.origin for one in out if isinstance(one, ImageAsset))
    reasons = Counter(one.reason for one in out if isinstance(one, Rejected))
    assert origins == {ImageOrigin.PHOTOGRAPH: 14, ImageOrigin.DERIVED: 1, ImageOrigin.GENERATED: 3}
    assert reasons == {Reason.LICENCE_MISSING: 3}
    assert {one.licence for one in out if isinstance(one, ImageAsset)} == {PUBLIC_DOMAIN, "CC0-1.0"}


def test_a_view_of_a_broken_picture_is_only_a_lost_view(
    source: SampleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    view = of_petra(source)[1]
    monkeypatch.setattr("curation.collecting.gcompris.GCompris.read", lambda *_: b"broken")
    out = collected(source, view)
    assert isinstance(out, Rejected)
    assert out.reason is Reason.FETCH_FAILED


def test_a_missing_text_package_names_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: str) -> None:
        raise PackageNotFoundError

    monkeypatch.setattr(wikipedia, "files", absent)
    with pytest.raises(PrerequisiteError, match="make sample"):
        wikipedia.load_extracts()


def test_a_page_address_is_quoted() -> None:
    page = wikipedia.text_source("Plate (dishware) 100%").page
    assert page == "https://en.wikipedia.org/wiki/Plate_(dishware)_100%25"
