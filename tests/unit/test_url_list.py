"""URL lists: every kind of file gives the same rows, broken rows are named, and nothing vanishes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.collecting.http.door import Door
from curation.collecting.list_rows import Row
from curation.collecting.port import Fetched
from curation.collecting.url_list import UrlListSettings, UrlListSource, read_list
from curation.errors import PrerequisiteError, Reason, Rejected
from curation.records import EditType, ImageCandidate, Subject
from tests.loopback import Answer, Loopback, redirect
from tests.unit.http_doors import JPEG, through

COLUMNS = ("url", "caption", "subject", "category", "licence", "author", "page")
ROWS = [
    (
        "http://a.org/1.jpg",
        "A bird, blue",
        "Kingfisher",
        "aerial_animals",
        "CC BY 4.0",
        "Ann",
        "http://a.org/1",
    ),
    ("http://a.org/2.jpg", '=cmd|"/c calc"!A1', "Kingfisher", "aerial_animals", "CC0", "Bob", ""),
    ("http://a.org/3.jpg", "Cafe\u0301 owl", "Owl", "aerial animals", "", "", ""),
]


class ScriptedDoor(Door):
    """A door that has every picture."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def picture(self, url: str, key: str) -> Fetched | Rejected:
        self.asked.append(url)
        return Fetched(b"bytes of " + url.encode(), url, "2026-11-23T00:00:00Z")


def write(path: Path, rows: list[tuple[str, ...]] = ROWS, columns: tuple[str, ...] = COLUMNS) -> Path:
    """Write rows in the form that the file's ending asks for."""
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([{**row, "image": b"\xff" * 9} for row in named]), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(named, indent=1))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in named))
    else:
        sign = "\t" if path.suffix == ".tsv" else ","
        quoted = (('"' + cell.replace('"', '""') + '"' for cell in row) for row in [columns, *rows])
        path.write_text("\ufeff" + "".join(sign.join(row) + "\r\n" for row in quoted))
    return path


def source(path: Path, **settings: Any) -> UrlListSource:
    return UrlListSource(UrlListSettings(path=path, **settings), ScriptedDoor())


def all_of(source: UrlListSource) -> tuple[list[Subject], list[Rejected], list[ImageCandidate]]:
    async def walk() -> tuple[list[Subject], list[Rejected], list[ImageCandidate]]:
        found = [one async for one in source.subjects()]
        subjects = [one for one in found if isinstance(one, Subject)]
        offers = [offer for subject in subjects for offer in await source.search(subject)]
        return subjects, [one for one in found if isinstance(one, Rejected)], offers

    return asyncio.run(walk())


@pytest.mark.parametrize("kind", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, kind: str) -> None:
    rows = [row for row in read_list(write(tmp_path / f"list.{kind}")) if isinstance(row, Row)]
    assert [row.locator for row in rows] == [row[0] for row in ROWS]
    assert [row.caption for row in rows] == ["A bird, blue", '=cmd|"/c calc"!A1', "Café owl"]
    assert [row.licence for row in rows] == ["CC BY 4.0", "CC0", ""]
    assert json.loads(rows[1].raw)["caption"] == '=cmd|"/c calc"!A1'


def test_a_text_list_takes_what_holds_for_all_rows_from_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "urls.txt"
    path.write_text("http://a.org/1.jpg\n\n  https://a.org/2.jpg  \n/etc/passwd\n")
    listed = source(path, subject="Petra", category="building", licence="CC BY-SA 4.0", author="Ann")
    subjects, rejected, _ = all_of(listed)
    assert [(one.reason, "line 4" in one.key) for one in rejected] == [
        (Reason.NO_SOURCE_TEXT, False),
        (Reason.LIST_ROW_INVALID, True),
    ]
    assert subjects == []  # nothing says anything about Petra


def test_rows_become_subjects_with_text_and_pictures_with_licence(tmp_path: Path) -> None:
    subjects, rejected, offers = all_of(source(write(tmp_path / "list.csv"), name="mine"))
    assert [(one.name, one.edit_type, one.source_text) for one in subjects] == [
        ("Kingfisher", EditType.VISUAL_ENTITY, "A bird, blue")
    ]
    assert subjects[0].text_source.licence == "CC-BY-4.0"
    assert subjects[0].text_source.attribution.startswith("“Kingfisher” by Ann, CC-BY-4.0")
    assert [(offer.licence_text, offer.source_page, offer.source) for offer in offers] == [
        ("CC BY 4.0", "http://a.org/1", "mine"),
        ("CC0", "http://a.org/2.jpg", "mine"),
    ]
    assert [(one.reason, one.detail) for one in rejected] == [
        (Reason.NO_SOURCE_TEXT, "Owl: none of its texts has an allowed licence")
    ]


def test_ids_are_the_same_again_and_the_door_is_asked_for_the_address(tmp_path: Path) -> None:
    path = write(tmp_path / "list.jsonl")
    listed = source(path)
    _, _, offers = all_of(listed)
    assert offers == all_of(source(path))[2]
    fetched = asyncio.run(listed.fetch(offers[0]))
    assert isinstance(fetched, Fetched)
    assert fetched.data == b"bytes of http://a.org/1.jpg"


def test_a_list_is_fetched_over_the_network_each_address_once(tmp_path: Path) -> None:
    with Loopback() as server:
        server.route("/1.jpg", Answer(status=503, headers={"Retry-After": "0"}), JPEG)
        server.route("/2.jpg", redirect("/1.jpg"))
        urls = [server.url(f"/{n}.jpg") for n in (1, 2, 3)] + [
            "http://10.0.0.1/4.jpg",
            "http://169.254.169.254/",
        ]
        path = write(tmp_path / "list.csv", [(url, "A bus") for url in urls], ("url", "caption"))
        settings = UrlListSettings(path=path, subject="Bus", category="vehicle", licence="CC0")

        async def work(door: Door) -> list[str]:
            listed = UrlListSource(settings, door)
            (subject,) = [one async for one in listed.subjects()]
            assert isinstance(subject, Subject)
            outs = [await listed.fetch(offer) for offer in await listed.search(subject)]
            return [out.final_url if isinstance(out, Fetched) else out.reason.value for out in outs]

        expected = [urls[0], urls[0], "fetch_failed", "address_not_allowed", "address_not_allowed"]
        assert through(server, tmp_path / "home", work) == expected
        asked = dict(server.hits)
        assert through(server, tmp_path / "home", work) == expected
        assert server.hits["/1.jpg"] == asked["/1.jpg"]
        assert server.hits["/3.jpg"] == 1


def test_a_licence_for_the_whole_list_fills_empty_cells_only(tmp_path: Path) -> None:
    _, _, offers = all_of(source(write(tmp_path / "list.csv"), licence="CC BY 2.0"))
    assert [offer.licence_text for offer in offers] == ["CC BY 4.0", "CC0", "CC BY 2.0"]


def test_column_names_are_mapped_and_img2datasets_are_known(tmp_path: Path) -> None:
    path = write(tmp_path / "laion.parquet", [("http://a.org/1.jpg", "A cat", "7")], ("URL", "TEXT", "key"))
    (row,) = read_list(path)
    assert isinstance(row, Row)
    assert (row.locator, row.caption, row.key) == ("http://a.org/1.jpg", "A cat", "7")
    other = write(tmp_path / "other.csv", [("http://a.org/1.jpg", "A cat")], ("where", "what"))
    (row,) = read_list(other, {"url": "where", "caption": "what"})
    assert isinstance(row, Row)
    assert row.caption == "A cat"
    with pytest.raises(
        PrerequisiteError, match=r"no column 'url' for url; it has 'where', 'what': set columns"
    ):
        list(read_list(other))
    with pytest.raises(PrerequisiteError, match="no column 'x' for author"):
        list(read_list(other, {"url": "where", "author": "x"}))


BROKEN = [
    ("csv", 'url,subject\nhttp://a.org/1.jpg,x,extra\nhttp://a.org/2.jpg,"y" z\nhttp://a.org/3.jpg,\n', 3),
    ("csv", 'url,subject\nhttp://a.org/1.jpg,"left open\nhttp://a.org/2.jpg,x\n', 1),
    ("csv", f"url,caption\nhttp://a.org/1.jpg,{'a' * 200_000}\n", 1),
    ("csv", "url,page,subject,category\nhttp://a.org/1.jpg,javascript:alert(1),x,building\n", 1),
    ("jsonl", '{"url": \n[1]\n"http://a.org"\n{"caption": "no address"}\n' + "[" * 50_000 + "\n", 5),
    ("json", '[{"url": "ftp://a.org/1.jpg"}, 7, {"url": "http://a.org/2.jpg", "subj', 3),
    ("json", '{"url": "file:///etc/passwd"}\n{"url": null}\n', 2),
    ("txt", "x" * 2_000_001 + "\nhttp//a.org/2.jpg\n", 2),
]


@pytest.mark.parametrize(("kind", "text", "expected"), BROKEN)
def test_broken_rows_are_named_one_by_one(tmp_path: Path, kind: str, text: str, expected: int) -> None:
    path = tmp_path / f"broken.{kind}"
    path.write_text(text)
    _, rejected, offers = all_of(source(path))
    assert offers == []
    assert [one.reason for one in rejected] == [Reason.LIST_ROW_INVALID] * expected
    assert len({one.key for one in rejected}) == expected
    assert all(one.key.startswith("url_list: broken.") and one.detail for one in rejected)


def test_control_signs_and_broken_characters_do_not_pass(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    row = {
        "url": "http://a.org/1.jpg",
        "caption": "a\x00b\x1b[31m\ud800c",
        "subject": "Petra",
        "category": "building",
    }
    path.write_text(json.dumps(row))
    subjects, _, offers = all_of(source(path, licence="CC0"))
    assert subjects[0].source_text == "a b [31m c"
    assert offers[0].model_dump_json()


def test_unknown_categories_and_repeated_pictures_are_refused(tmp_path: Path) -> None:
    rows = [("http://a.org/1.jpg", "Petra", "building"), ("http://a.org/1.jpg", "petra", "Building")]
    path = write(
        tmp_path / "list.csv", [*rows, ("http://a.org/2.jpg", "Petra", "bildung")], COLUMNS[:1] + COLUMNS[2:4]
    )
    _, rejected, _ = all_of(source(path))
    assert [one.reason for one in rejected] == [
        Reason.NO_SOURCE_TEXT,
        Reason.EXACT_DUPLICATE,
        Reason.LIST_ROW_INVALID,
    ]
    assert "'bildung' is unknown" in rejected[-1].detail


def test_texts_about_subjects_go_before_captions(tmp_path: Path) -> None:
    said = [
        ("Kingfisher", "A bird that dives for fish.", "CC BY-SA 4.0", "Wiki", "https://w.org/K", ""),
        ("owl", "Not lawful.", "CC BY-NC 4.0", "", "", ""),
        ("OWL", "Owls hunt at night.", "CC0", "", "", "aerial_animals"),
        ("Owl", "A pub.", "CC0", "", "", "building"),
        ("", "Of nothing.", "CC0", "", "", ""),
        ("Wren", "", "CC0", "", "", ""),
    ]
    columns = ("subject", "text", "licence", "author", "page", "category")
    texts = write(tmp_path / "said.csv", said, columns)
    subjects, rejected, _ = all_of(source(write(tmp_path / "list.csv"), texts=texts))
    assert [one.source_text for one in subjects] == ["A bird that dives for fish.", "Owls hunt at night."]
    assert subjects[0].text_source.page == "https://w.org/K"
    assert subjects[1].text_source.page == "urn:mmke-forge:url_list"
    assert [one.reason for one in rejected] == [Reason.LIST_ROW_INVALID] * 2
    with pytest.raises(PrerequisiteError, match="no column 'subject'"):
        all_of(source(tmp_path / "list.csv", texts=write(tmp_path / "x.csv", [("a",)], ("text",))))


def test_a_folder_of_lists_is_read_by_name(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", ROWS[1:2])
    write(tmp_path / "a.parquet", ROWS[:1])
    (tmp_path / "notes.md").write_text("not a list")
    assert [row.locator[-5:] for row in read_list(tmp_path) if isinstance(row, Row)] == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("name", "data"), [("gone.csv", None), ("list.xlsx", b""), ("list.parquet", b"PAR1junk")]
)
def test_what_is_no_list_is_said_with_the_fix(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(PrerequisiteError, match=r"give|convert|make it again"):
        list(read_list(tmp_path / name))


def test_a_long_list_is_not_held_in_memory(tmp_path: Path) -> None:
    import tracemalloc

    path = tmp_path / "long.csv"
    line = "http://a.org/{}.jpg,some words about it that make the row longer,CC0\n"
    path.write_text("url,caption,licence\n" + "".join(line.format(n) for n in range(8_000)))
    list(read_list(write(tmp_path / "warm.csv")))
    tracemalloc.start()
    rows = sum(1 for _ in read_list(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 8_000
    assert peak < 1_000_000
