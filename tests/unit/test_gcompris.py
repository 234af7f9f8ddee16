"""Credits, texts and reassembled paintings out of a package of our own making."""

import io
from pathlib import Path

import pytest
from PIL import Image

from curation.collecting.gcompris import GCompris
from curation.errors import IntegrityError, PrerequisiteError
from tests.archives import build_deb, build_rcc, picture

ROOT = "gcompris/src/activities"
BOARD = """/* SPDX-FileCopyrightText: 2015 Ada L <ada@example.org> */
property var tab: [ { "title": qsTr("Pont du Gard"), "text": qsTr("A \\"Roman\\" bridge.\\nIn France.") } ]
"""
PUZZLE = """property string instruction: qsTr("Hokusai, Wave - 1830")
property var levels: [ { "pixmapfile" : "image/bg.svg", "width": 400, "height": 100 },
 { "pixmapfile" : "image/b.webp", "x" : "0.375", "y" : "0.5" },
 { "pixmapfile" : "image/a.webp", "x" : "0.125", "y" : "0.5" } ]
"""


def tile(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (100, 100), colour).save(out, "WEBP", lossless=True)
    return out.getvalue()


@pytest.fixture
def package(tmp_path: Path) -> Path:
    art = {
        f"{ROOT}/art/resource/board/p.qml": PUZZLE.encode(),
        f"{ROOT}/art/resource/image/README": b"Copyright: N\nLicense: GPLv3+\nFiles:\n a.webp\n b.webp\n",
        f"{ROOT}/art/resource/image/a.webp": tile("red"),
        f"{ROOT}/art/resource/image/b.webp": tile("blue"),
    }
    towns = {
        f"{ROOT}/towns/resource/board/board1.qml": BOARD.encode(),
        f"{ROOT}/towns/resource/README": b"Copyright: M\nLicense: Public Domain\nFiles: france/gard.webp",
        f"{ROOT}/towns/resource/france/gard.webp": picture(),
    }
    folder = "usr/share/gcompris-qt/rcc"
    archives = {f"{folder}/art.rcc": build_rcc(art), f"{folder}/towns.rcc": build_rcc(towns)}
    return build_deb(tmp_path / "g.deb", archives)


def test_a_credit_is_found_in_a_folder_above(package: Path, tmp_path: Path) -> None:
    credit = GCompris(package, tmp_path / "cache", ["towns"]).credit("towns/france/gard.webp")
    assert credit is not None
    assert (credit.author, credit.licence_text) == ("M", "Public Domain")
    assert GCompris(package, tmp_path / "cache", ["towns"]).credit("towns/france/other.webp") is None


def test_texts_come_without_escapes_and_mail_addresses(package: Path, tmp_path: Path) -> None:
    texts = GCompris(package, tmp_path / "cache", ["towns"]).texts("towns")
    assert texts["Pont du Gard"].text == 'A "Roman" bridge. In France.'
    assert texts["Pont du Gard"].author == "2015 Ada L"


def test_a_painting_is_put_together(package: Path, tmp_path: Path) -> None:
    source = GCompris(package, tmp_path / "cache", ["art"])
    whole = Image.open(io.BytesIO(source.painting("art/board/p.qml")))
    assert whole.size == (200, 100)
    assert (whole.getpixel((50, 50)), whole.getpixel((150, 50))) == ((255, 0, 0), (0, 0, 255))
    assert source.painting_title("art/board/p.qml") == ("Hokusai, Wave - 1830", "art/image/b.webp")


def test_what_is_missing_is_not_there(package: Path, tmp_path: Path) -> None:
    source = GCompris(package, tmp_path / "cache", ["art", "nothing"])
    for path in ("nothing/a.webp", "art/image/c.webp"):
        with pytest.raises(FileNotFoundError):
            source.read(path)
    with pytest.raises(FileNotFoundError):
        source.painting("art/image/a.webp")


def test_the_package_is_unpacked_once(package: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    GCompris(package, cache, ["art"])
    first = {path: path.stat().st_mtime_ns for path in cache.rglob("*.rcc")}
    GCompris(package, cache, ["art", "towns"])
    assert len(first) == 1
    assert {path: path.stat().st_mtime_ns for path in first} == first
    assert not [path for path in cache.rglob(".*") if path.is_file()]


def test_without_the_package_the_fix_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="make sample"):
        GCompris(tmp_path / "no.deb", tmp_path, ["art"])


def test_a_broken_archive_in_the_cache_stops_the_work(package: Path, tmp_path: Path) -> None:
    source = GCompris(package, tmp_path / "cache", ["art"])
    next((tmp_path / "cache").rglob("art.rcc")).write_bytes(b"qres" + b"\xff" * 40)
    with pytest.raises(IntegrityError, match=r"art\.rcc"):
        source.read("art/image/a.webp")
