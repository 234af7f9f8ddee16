"""Contact sheets: every picture seen is on one, with where it stands and why."""

from __future__ import annotations

import os
from pathlib import Path

from curation.galleries import SeenPicture, State, category_sheets
from tests.unit.galleries import Page, asset


def sample(shelf: dict[str, bytes]) -> list[SeenPicture]:
    def kept(name: str, category: str, subject: str) -> SeenPicture:
        return SeenPicture(name, category, subject, State.KEPT, asset=asset(name, shelf))

    copy = asset("img-c", shelf)
    return [
        kept("img-b", "building", "Petra"),
        kept("img-a", "building", "Colosseum"),
        SeenPicture(
            "img-c", "building", "Petra", State.DUPLICATE, "near_duplicate", "2 bits", "img-b", asset=copy
        ),
        SeenPicture("img-d", "building", "", State.REJECTED, "licence_missing", "no licence is stated"),
        SeenPicture("img-e", "pet", "", State.PENDING, "", "the host is down"),
    ]


def test_a_category_page_shows_every_picture_its_state_and_the_reason(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    names = {"building": "Buildings of note"}
    category_sheets(sample(shelf), shelf.__getitem__, tmp_path, names)
    html = (tmp_path / "building.html").read_text()
    order = [html.index(f"<code>{name}</code></span>\n</figcaption>") for name in _ORDER]
    assert order == sorted(order)
    for words in ("Buildings of note", "near duplicate", "kept instead: <code>img-b", "licence missing"):
        assert words in html
    assert "public domain" in html
    assert "no licence is stated" in html
    assert "the host is down" in (tmp_path / "pet.html").read_text()


_ORDER = ("img-a", "img-b", "img-c", "img-d")


def test_the_page_filters_by_state_without_a_script(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    html = category_sheets(sample(shelf), shelf.__getitem__, tmp_path, only="building").read_text()
    assert "#rejected:checked ~ main figure:not(.rejected) { display: none; }" in html
    assert '<label for="kept">kept <b>2</b></label>' in html
    assert "script" not in Page(html).tags


def test_the_index_leads_to_every_category_and_counts(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    index = Page(category_sheets(sample(shelf), shelf.__getitem__, tmp_path).read_text())
    assert [link["href"] for link in index.links] == ["building.html", "pet.html"]
    assert "5 pictures seen in 2 categories: 2 kept, 1 duplicate, 1 rejected, 1 pending" in index.text
    assert all((tmp_path / str(link["href"])).is_file() for link in index.links)


def test_a_page_that_shows_the_same_is_not_made_again(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    seen = sample(shelf)
    category_sheets(seen, shelf.__getitem__, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    category_sheets([*seen[1:], seen[0]], {}.__getitem__, tmp_path)  # nothing is read
    assert {path.stat().st_mtime for path in tmp_path.iterdir()} == {0}
    seen[-1] = SeenPicture("img-e", "pet", "Rex", State.KEPT, asset=asset("img-e", shelf))
    category_sheets(seen, shelf.__getitem__, tmp_path)
    changed = {path.name for path in tmp_path.iterdir() if path.read_bytes() != before[path.name]}
    assert changed == {"pet.html", "index.html"}


def test_pages_of_categories_that_are_no_more_are_removed(tmp_path: Path) -> None:
    shelf: dict[str, bytes] = {}
    seen = sample(shelf)
    category_sheets(seen, shelf.__getitem__, tmp_path)
    category_sheets(seen[:4], shelf.__getitem__, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["building.html", "index.html"]


def test_a_category_of_more_than_a_thousand_gets_more_pages(tmp_path: Path) -> None:
    seen = [SeenPicture(f"img-{n:05}", "pet", "", State.REJECTED, "x") for n in range(2_001)]
    category_sheets(seen, {}.__getitem__, tmp_path)
    pages = [(tmp_path / name).read_text() for name in ("pet.html", "pet-2.html", "pet-3.html")]
    assert [html.count("<figure") for html in pages] == [1_000, 1_000, 1]
    assert all(f"img-{n:05}" in "".join(pages) for n in range(2_001))


def test_strange_keys_of_categories_become_safe_file_names_that_differ(tmp_path: Path) -> None:
    keys = ("../../etc/passwd", "a b", "a-b", "index", "", "é" * 300, "x" * 300, "CON\0")
    seen = [SeenPicture(f"img-{n}", key, "", State.PENDING) for n, key in enumerate(keys)]
    category_sheets(seen, {}.__getitem__, tmp_path / "in")
    assert len(list((tmp_path / "in").iterdir())) == len(keys) + 1
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
