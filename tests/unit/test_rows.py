"""Rows of files from outside: whole and plain, or out with file, line and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.drafting.steps.rows import Row, is_address, read_rows
from curation.errors import PrerequisiteError, Reason, Rejected

WANTED = ("a", "b")


def rows(path: Path, optional: tuple[str, ...] = ()) -> list[tuple[str, dict[str, str] | str]]:
    found: list[tuple[str, dict[str, str] | str]] = []
    for row in read_rows(path, WANTED, optional):
        if isinstance(row, Row):
            found.append((row.key, row.values))
        else:
            assert row.reason is Reason.LIST_ROW_INVALID
            found.append((row.key, row.detail))
    return found


def test_csv_and_jsonl_give_the_same_rows(tmp_path: Path) -> None:
    table, lines = tmp_path / "t.csv", tmp_path / "t.jsonl"
    table.write_text('\ufeffB,other,a\n"two, three",x,one\n\nzwei,y,eins\n', "utf-8")
    lines.write_text('{"a": "one", "b": "two, three"}\n\n{"b": "zwei", "a": "eins", "other": 7}\n', "utf-8")
    values = [{"a": "one", "b": "two, three"}, {"a": "eins", "b": "zwei"}]
    assert [row[1] for row in rows(table)] == [row[1] for row in rows(lines)] == values
    assert [row[0] for row in rows(table)] == ["t.csv:2", "t.csv:4"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"a": "x"}', "b is missing"),
        ('{"a": "x", "b": 7}', "b is no text"),
        ('{"a": "x", "b": "\\u0000 \\u202e"}', "b is empty"),
        ('{"a": "x", "b": "' + "y" * 20_001 + '"}', "more than 20000"),
        ("[1]", "no JSON object"),
        ('{"a": ', "no JSON"),
        ('{"a":' * 5_000, "no JSON"),
        ('{"a": "x", "b": "y", "c": []}', "c is no text"),
    ],
)
def test_a_bad_line_is_out_alone(tmp_path: Path, line: str, why: str) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"a": "1", "b": "2"}}\n{line}\n{{"a": "3", "b": "4"}}\n', "utf-8")
    first, bad, last = rows(path, ("c",))
    assert (bad[0], why in bad[1]) == ("t.jsonl:2", True)
    assert (first[1], last[1]) == ({"a": "1", "b": "2", "c": ""}, {"a": "3", "b": "4", "c": ""})


def test_a_csv_line_of_another_width_is_out_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1\n1,2,3\n1,2\n", "utf-8")
    assert [isinstance(row[1], str) for row in rows(path)] == [True, True, False]


def test_an_open_quote_does_not_swallow_the_file_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"2\n3,4\n', "utf-8")
    assert any("no CSV" in row[1] for row in rows(path))


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("t.csv", b"a,c\n1,2\n", "lacks the column b"),
        ("t.csv", b"", "lacks the column a"),
        ("t.csv", b"a,b\n\xff,1\n", "UTF-8"),
        ("t.txt", b"a,b\n1,2\n", "neither"),
    ],
)
def test_a_file_that_is_not_right_says_so_with_its_fix(
    tmp_path: Path, name: str, data: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(PrerequisiteError, match=why):
        rows(tmp_path / name)
    with pytest.raises(PrerequisiteError, match="cannot be read"):
        rows(tmp_path / "none.csv")


def test_an_address_is_one_of_the_web_and_nothing_else() -> None:
    assert is_address("https://example.org/a?b=c#d")
    for text in ("javascript:alert(1)", "https://x.org/<b>", "see https://x.org", "file:///etc/passwd", ""):
        assert not is_address(text)


def test_rejections_are_values(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("x\n", "utf-8")
    assert [type(row) for row in read_rows(path, WANTED)] == [Rejected]
