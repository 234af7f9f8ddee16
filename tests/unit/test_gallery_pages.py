"""What every page keeps: strangers' text is harmless, links are web links, nothing comes from elsewhere."""

from __future__ import annotations

import io
import random
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation.errors import IntegrityError
from curation.galleries import SeenPicture, State, category_sheets, duplicate_gallery
from curation.galleries.page import harmless, source_link
from curation.galleries.thumbnails import LARGE, SMALL, Thumbnails, shrunk
from tests.unit.galleries import Page, asset, pair
from tests.unit.test_markup import HOSTILE

JOINERS = "\u200c\u200d\xad"
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
BIDI = "\u202egpj.exe\u202c\u2066\u200f\u061c"


def _safe(address: str | None) -> bool:
    """Return whether a link leads to the web, to a page beside this one or into it, and runs nothing."""
    return bool(address and re.match(r"https?://|#|[a-z0-9_-]+\.html$", address))


def noise(side: int) -> bytes:
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), random.Random(1).randbytes(3 * side * side)).save(out, "JPEG")
    return out.getvalue()


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_any_text_becomes_one_short_printable_line(text: str) -> None:
    line = harmless(text, 100)
    assert len(line) <= 100
    line.encode("utf-8")
    assert all(sign in JOINERS or unicodedata.category(sign) not in HIDDEN for sign in line)
    assert harmless(line, 100) == line


def test_text_in_other_scripts_stays_as_it_is() -> None:
    for text in ("Chichén Itzá", "قلعة", "می‌خواهم", "ไม้เอก", "👨‍👩‍👧", "漢字かな交じり文"):
        assert harmless(text) == text
    assert "\u202e" not in harmless(BIDI)
    assert len(harmless("e" + "\u0301" * 500)) < 10


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://commons.wikimedia.org/wiki/File:A_b.jpg", "commons.wikimedia.org"),
        ("http://example.org:8080/?q=1#x", "example.org"),
        ("https://exаmple.org/", "xn--exmple-4nf.org"),
        ("javascript:alert(1)", None),
        ("JaVaScRiPt://example.org/%0aalert(1)", None),
        ("data:text/html,<script>1</script>", None),
        ("//example.org/", None),
        ("https://user:secret@example.org/", None),
        ("https:///nowhere", None),
        ("https://example.org/a b", None),
        ("https://example.org/\u202egpj", None),
        ("https://example.org\\@evil.example/", None),
        ("https://[::1", None),
        ("https://example.org:99999/", None),
        ("\tjavascript:alert(1)", None),
        ("", None),
    ],
)
def test_only_web_pages_are_linked(address: str, host: str | None) -> None:
    assert source_link(address) == ((address, host) if host else None)


@pytest.mark.parametrize("hostile", [*HOSTILE, BIDI, "\ud800", "a\0b", "x" * 50_000])
def test_hostile_names_make_no_tag_no_link_and_no_script(hostile: str, tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    told = hostile.encode("utf-8", "replace").decode()  # pydantic itself refuses half a character
    strange = {"author": told, "attribution": told, "locator": told, "source_page": told, "subject_id": told}
    one, other = asset("img-a", shelf, **strange), asset("img-b", shelf, licence=told)
    seen = [
        SeenPicture("img-a", "building", hostile, State.DUPLICATE, hostile, hostile, hostile, one),
        SeenPicture(hostile, hostile, hostile, State.REJECTED, hostile, hostile),
    ]
    category_sheets(seen, shelf.__getitem__, tmp_path / "s", {"building": hostile})
    doubtful = pair("img-a", "img-b", reason=told, measures={told: 1.5})
    duplicate_gallery(
        [], [doubtful], {"img-a": one, "img-b": other}, shelf.__getitem__, tmp_path / "d.html", {}
    )
    for path in tmp_path.rglob("*.html"):
        page = Page(path.read_text("utf-8"))
        assert not page.tags & {"script", "iframe", "svg", "object", "embed", "base", "form", "link"}
        assert not page.handlers
        assert all(_safe(link["href"]) for link in page.links)
        assert all(source.startswith("data:image/jpeg;base64,") for source in page.pictures)
        assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u200f\u061c\0") & set(page.text)


def test_a_page_forbids_all_that_is_from_elsewhere(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    seen = SeenPicture("img-a", "c", "A & B", State.KEPT, asset=asset("img-a", shelf))
    html = category_sheets([seen], shelf.__getitem__, tmp_path, only="c").read_text()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )
    assert policy in html
    assert "A &amp; B" in html
    assert html.count("http") - html.count("http-equiv") == 1, "the source page alone"
    (link,) = Page(html).links
    assert (link["href"], link["rel"]) == ("https://example.org/page", "noopener noreferrer")


def test_a_thousand_pictures_of_noise_stay_under_twenty_megabytes(tmp_path: Path) -> None:
    data = noise(512)
    assert len(shrunk(data, *SMALL)) <= SMALL[2]
    assert len(shrunk(data, *LARGE)) <= LARGE[2]
    shelf: dict[str, bytes] = {}
    long = dict.fromkeys(("author", "attribution", "locator", "subject_id", "licence"), "<" * 2000)
    one = asset("img-a", shelf, **long)
    seen = SeenPicture("i" * 99, "c", "<" * 999, State.DUPLICATE, "<" * 999, "<" * 999, "<" * 999, one)
    page = category_sheets([seen] * 2, shelf.__getitem__, tmp_path, only="c").read_bytes()
    less = category_sheets([seen], shelf.__getitem__, tmp_path / "b", only="c").read_bytes()
    assert len(page) - len(less) + SMALL[2] * 4 / 3 < 20_000


def test_many_pictures_are_smaller_than_few() -> None:
    data = noise(512)
    few = Thumbnails(["a"], lambda _: data).of("a").uri
    many = Thumbnails(map(str, range(400)), lambda _: data).of("1").uri
    assert few is not None
    assert many is not None
    assert len(few) > len(many)


def test_a_damaged_picture_is_named_as_such() -> None:
    with pytest.raises(IntegrityError, match="no picture"):
        shrunk(b"<html>", *SMALL)
