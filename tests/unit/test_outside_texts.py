"""Texts about what an edit brings in: found by name however it is written, never by guess."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.drafting.steps.outside_texts import (
    FirstOf,
    LaterTexts,
    OutsideText,
    OutsideTexts,
    TitledTexts,
    read_outside_texts,
    texts_of_extracts,
    texts_of_subjects,
)
from curation.errors import Reason
from curation.licences import DEFAULT_ALLOWED
from curation.records import TextSource
from tests.drafts import subject
from tests.samples import SOURCE

HEADER = "title,text,page,licence,attribution\n"


def texts(**by_title: str) -> TitledTexts:
    return texts_of_extracts(by_title, lambda title: SOURCE.model_copy(update={"title": title}))


def title(found: OutsideTexts, name: str) -> str | None:
    text = found.about(name)
    return text.source.title if text is not None else None


@pytest.mark.parametrize("name", ["Norway", "norway", "the Norway", " Norway ", "Nórway"])
def test_a_name_is_found_however_it_is_written(name: str) -> None:
    assert title(texts(Norway="Oslo is its capital."), name) == "Norway"


@pytest.mark.parametrize("name", ["", "the", "Nor", "South Norway", "1743"])
def test_another_name_is_not_found(name: str) -> None:
    assert title(texts(Norway="Oslo is its capital."), name) is None


def test_a_name_of_two_things_is_nobodys() -> None:
    found = texts(**{"Mercury (planet)": "a", "Mercury (element)": "b", "Turkey (bird)": "c", "Venus": "d"})
    assert title(found, "Mercury") is None
    assert title(found, "Mercury (planet)") == "Mercury (planet)"
    assert title(found, "turkey") == "Turkey (bird)"
    assert title(texts(Turkey="a", **{"Turkey (bird)": "b"}), "Turkey") == "Turkey"


def test_the_first_collection_that_has_a_name_answers() -> None:
    first, second = texts(Norway="mine"), texts(Norway="theirs", Sweden="theirs")
    both = FirstOf(first, second)
    found = both.about("Norway")
    assert found is not None
    assert found.text == "mine"
    assert title(both, "Sweden") == "Sweden"
    assert FirstOf().about("Norway") is None


def test_texts_are_loaded_at_the_first_question_and_once() -> None:
    loads: list[int] = []

    def load() -> OutsideTexts:
        loads.append(1)
        return texts(Norway="x")

    later = LaterTexts(load)
    assert not loads
    assert later.about("Norway") is not None
    assert later.about("Sweden") is None
    assert len(loads) == 1


def test_a_projects_own_subjects_are_texts_too() -> None:
    found = texts_of_subjects([subject("Petra"), subject("Koala")]).about("koala")
    assert found == OutsideText(subject("Koala").source_text, subject("Koala").text_source)


def test_rows_of_a_file_are_texts_with_their_source(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + "Norway,Its capital is Oslo.,https://x.org/n,CC BY 4.0,by N\n", "utf-8")
    found, rejected = read_outside_texts([path], DEFAULT_ALLOWED)
    source = TextSource(title="Norway", page="https://x.org/n", licence="CC-BY-4.0", attribution="by N")
    assert found.about("norway") == OutsideText("Its capital is Oslo.", source)
    assert not rejected


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Norway,,https://x.org,CC0-1.0,by N", Reason.LIST_ROW_INVALID),
        ("Norway,Oslo.,javascript:alert(1),CC0-1.0,by N", Reason.LIST_ROW_INVALID),
        ("Norway,Oslo.,https://x.org,CC-BY-NC-4.0,by N", Reason.LICENCE_NON_COMMERCIAL),
        ("Norway,Oslo.,https://x.org,whatever,by N", Reason.LICENCE_UNKNOWN),
    ],
)
def test_a_row_that_is_not_right_is_out_with_its_line(tmp_path: Path, row: str, reason: Reason) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{HEADER}Sweden,Stockholm.,https://x.org,CC0-1.0,by S\n{row}\n", "utf-8")
    found, rejected = read_outside_texts([path], DEFAULT_ALLOWED)
    assert [(one.key, one.reason) for one in rejected] == [("t.csv:3", reason)]
    assert (title(found, "Sweden"), title(found, "Norway")) == ("Sweden", None)
