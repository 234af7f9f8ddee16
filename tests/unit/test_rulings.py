"""People's rulings: a text file that is read strictly, added to at once, and never rewritten."""

from pathlib import Path

import pytest

from curation.deduplicating.rulings import pair_key, read_rulings, rule, unmatched
from curation.errors import PrerequisiteError

A, B, C = "a" * 64, "b" * 64, "c" * 64
WHEN = "2026-11-23T10:00:00+00:00"


def test_a_ruling_is_read_back_whatever_the_note_says(tmp_path: Path) -> None:
    path = tmp_path / "decisions" / "duplicates.toml"
    note = 'a "quoted" \\ line\nand\ttab, \x07 bell, é'
    made = rule(path, B, A, "same", who="ada", note=note, when=WHEN)
    assert (made.first, made.second) == (A, B)
    assert read_rulings(path) == {(A, B): made}
    assert read_rulings(path)[A, B].note == note


def test_adding_keeps_every_byte_that_people_wrote(tmp_path: Path) -> None:
    path = tmp_path / "duplicates.toml"
    before = (
        f'# mine\n\n[[pair]]  # why\nfirst = "{A}"\nsecond = "{B}"\nverdict = "same"\nwho = "x"\nwhen = "y"'
    )
    path.write_text(before)
    rule(path, A, C, "different", who="ada", when=WHEN)
    assert path.read_text().startswith(before + "\n")
    assert {key: found.verdict for key, found in read_rulings(path).items()} == {
        (A, B): "same",
        (A, C): "different",
    }


def test_the_last_ruling_on_a_pair_holds(tmp_path: Path) -> None:
    path = tmp_path / "duplicates.toml"
    for verdict in ("same", "different"):
        rule(path, A, B, verdict, who="ada", when=WHEN)
    assert read_rulings(path)[pair_key(B, A)].verdict == "different"
    assert path.read_text().count("[[pair]]") == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[pair]\n", "not valid TOML"),
        ("pairs = []\n", "pairs"),
        ("pair = 3\n", "[[pair]]"),
        (f'[[pair]]\nfirst = "{A}"\nsecond = "{B}"\nverdict = "maybe"\nwho = "x"\nwhen = "y"\n', "verdict"),
        (
            f'[[pair]]\nfirst = "abc"\nsecond = "{B}"\nverdict = "same"\nwho = "x"\nwhen = "y"\n',
            "pair 1: first",
        ),
        (f'[[pair]]\nfirst = "{A}"\nsecond = "{A}"\nverdict = "same"\nwho = "x"\nwhen = "y"\n', "same bytes"),
        (f'[[pair]]\nfirst = "{A}"\nsecond = "{B}"\nverdict = "same"\nwhen = "y"\n', "who"),
    ],
)
def test_a_damaged_file_is_named_and_not_added_to(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "duplicates.toml"
    path.write_text(text)
    with pytest.raises(PrerequisiteError, match=r"duplicates\.toml") as error:
        read_rulings(path)
    assert said in str(error.value)
    with pytest.raises(PrerequisiteError):
        rule(path, A, C, "same", who="ada")
    assert path.read_text() == text


def test_a_ruling_on_a_picture_that_is_gone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "duplicates.toml"
    made = rule(path, A, B, "same", who="ada", when=WHEN)
    assert unmatched(read_rulings(path), [A, C]) == [made]
    assert unmatched(read_rulings(path), [A, B]) == []
