"""The page of duplicates: pairs for people on top, keepers outlined, every picture embedded once."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.galleries import duplicate_gallery
from curation.records import ClusterMember, DuplicateCluster, PairVerdict, Transform
from tests.unit.galleries import Page, asset, features, pair


def group(keeper: str, *dropped: tuple[str, int]) -> DuplicateCluster:
    members = [
        ClusterMember(image_id=key, distance=bits, relation="near", reason=f"{bits} bits off")
        for key, bits in dropped
    ]
    return DuplicateCluster(
        cluster_id=f"dup-{keeper}", keeper=keeper, keep_reason="most pixels", dropped=tuple(members)
    )


def test_a_group_shows_the_keeper_first_then_the_least_sure(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b", "img-c")}
    compared = pair("img-a", "img-c", PairVerdict.MERGE, transform=Transform.CROPPED)
    found = group("img-b", ("img-a", 1), ("img-c", 9))
    page = duplicate_gallery([found], [compared], assets, shelf.__getitem__, tmp_path / "new" / "d.html", {})
    html = page.read_text()
    places = [html.index(words) for words in ('class="keeper"', "most pixels", "9 bits off", "1 bits off")]
    assert places == sorted(places)
    assert "mmke dedupe rule img-b img-c different" in html
    assert "one is cut out of the other" not in html, "that pair is not the keeper's"


def test_a_dropped_picture_says_how_it_comes_from_the_keeper(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b")}
    compared = pair("img-a", "img-b", PairVerdict.MERGE, ruled=True, measures={"dhash": 3.0})
    html = duplicate_gallery(
        [group("img-b", ("img-a", 31))], [compared], assets, shelf.__getitem__, tmp_path / "d.html", {}
    ).read_text()
    for words in ("31 bits", "mirrored left to right", "ruled by a person", "dHash bits</dt><dd>3<"):
        assert words in html


def test_pairs_for_people_come_first_most_alike_on_top_with_the_command(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b", "img-c", "img-d", "img-e")}
    known = {name: features(name, value) for name, value in zip(assets, (0, 0b111, 1, 0, 0), strict=True)}
    pairs = [pair("img-a", "img-b"), pair("img-a", "img-c"), pair("img-b", "img-c", PairVerdict.DISTINCT)]
    html = duplicate_gallery(
        [group("img-d", ("img-e", 0))], pairs, assets, shelf.__getitem__, tmp_path / "d.html", known
    ).read_text()
    commands = [
        html.index(f"mmke dedupe rule {pair} {word}")
        for pair in ("img-a img-c", "img-a img-b")
        for word in ("same", "different")
    ]
    assert commands == sorted(commands)
    assert commands[-1] < html.index('class="keeper"')
    assert "rule img-b img-c" not in html
    assert "mirrored left to right?" in html
    assert "1 of 64 bits differ" in html


def test_a_pair_of_which_one_is_dropped_anyway_comes_last(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b", "img-c", "img-d")}
    known = {name: features(name, value) for name, value in zip(assets, (0, 1, 7, 0), strict=True)}
    pairs = [pair("img-a", "img-b"), pair("img-a", "img-c")]
    clusters = [group("img-d", ("img-b", 0))]
    out = duplicate_gallery(clusters, pairs, assets, shelf.__getitem__, tmp_path / "d.html", known)
    html = out.read_text()
    assert html.index("rule img-a img-c") < html.index("dropped for another already")
    assert html.index("dropped for another already") < html.index("rule img-a img-b")


def test_a_picture_that_comes_twice_is_embedded_once(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b", "img-c")}
    pairs = [pair("img-a", "img-b"), pair("img-a", "img-c")]
    html = duplicate_gallery([], pairs, assets, shelf.__getitem__, tmp_path / "d.html", {}).read_text()
    assert html.count("data:image/jpeg;base64,") == 3
    assert html.count('class="pic p0"') == 2


def test_pictures_whose_hash_says_nothing_are_listed(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b")}
    known = {"img-a": features("img-a", informative=False), "img-b": features("img-b")}
    html = duplicate_gallery([], [], assets, shelf.__getitem__, tmp_path / "d.html", known).read_text()
    listed = html[html.index('id="plain"') :]
    assert "img-a.webp" in listed
    assert "img-b.webp" not in listed


def test_more_pictures_than_a_page_holds_go_on_in_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.galleries.duplicates.MOST_ON_A_PAGE", 3)
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b", "img-c", "img-d", "img-e")}
    pairs = [pair("img-a", "img-b"), pair("img-b", "img-c"), pair("img-d", "img-e")]
    out = duplicate_gallery([], pairs, assets, shelf.__getitem__, tmp_path / "d.html", {})
    first, second = Page(out.read_text()), Page((tmp_path / "d-2.html").read_text())
    assert "rule img-b img-c" in first.text
    assert "rule img-d img-e" not in first.text
    assert "rule img-d img-e" in second.text
    assert [link["href"] for link in first.links if link["href"] == "d-2.html"]
    duplicate_gallery([], pairs[:1], assets, shelf.__getitem__, out, {})
    assert [path.name for path in tmp_path.iterdir()] == ["d.html"], "the page that is no more is removed"


def test_the_same_records_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b", "img-c", "img-d")}
    known = {name: features(name, number) for number, name in enumerate(assets)}
    pairs = [pair("img-a", "img-b"), pair("img-a", "img-c")]
    clusters = [group("img-a", ("img-b", 2)), group("img-c", ("img-d", 2))]
    read, out = shelf.__getitem__, tmp_path / "d.html"
    first = duplicate_gallery(clusters, pairs, assets, read, out, known).read_bytes()
    turned = dict(reversed(known.items()))
    assert duplicate_gallery(clusters[::-1], pairs[::-1], assets, read, out, turned).read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["d.html"]


def test_no_duplicates_is_a_page_too(tmp_path: Path) -> None:
    html = duplicate_gallery([], [], {}, {}.__getitem__, tmp_path / "d.html", {}).read_text()
    assert "No pair is in doubt" in html
    assert "Nothing to show" in html


def test_a_command_that_is_pasted_runs_nothing_else(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "x; rm -rf ~ $(id)")}
    doubtful = pair("img-a", "x; rm -rf ~ $(id)")
    out = duplicate_gallery([], [doubtful], assets, shelf.__getitem__, tmp_path / "d.html", {})
    assert "rule img-a 'x; rm -rf ~ $(id)' same" in Page(out.read_text()).text


def test_a_few_pictures_in_many_pairs_go_on_in_the_next_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curation.galleries.duplicates._MOST_PAIRS", 2)
    shelf: dict[str, bytes] = {}
    assets = {name: asset(name, shelf) for name in ("img-a", "img-b", "img-c")}
    pairs = [pair("img-a", "img-b"), pair("img-a", "img-c"), pair("img-b", "img-c")]
    out = duplicate_gallery([], pairs, assets, shelf.__getitem__, tmp_path / "d.html", {})
    assert [path.read_text().count('<article class="pair">') for path in (out, tmp_path / "d-2.html")] == [
        2,
        1,
    ]
