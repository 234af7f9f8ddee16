"""The take-down list: what it names is found however it is spelled, and a wrong entry stops everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.collecting.withdrawn import read_withdrawn, withdrawn_among, withdrawn_reason
from curation.errors import PrerequisiteError
from curation.records import ImageAsset, ImageCandidate, ImageOrigin

SHA = "ab" * 32
CANDIDATE = ImageCandidate(
    image_id="img-1",
    subject_id="petra",
    source="wikimedia",
    locator="https://upload.wikimedia.org/a/ab/Petra_%28Jordan%29.jpg",
    author="Ann Smith; adapted by Bob",
    licence_text="CC BY 4.0",
    source_page="https://commons.wikimedia.org/wiki/File:Petra_of_(Jordan).jpg",
    origin=ImageOrigin.PHOTOGRAPH,
)
ASSET = ImageAsset(
    **CANDIDATE.model_dump(exclude={"licence_text", "note", "metadata"}),
    sha256=SHA,
    derivative_sha256="cd" * 32,
    width=10,
    height=10,
    byte_size=100,
    media_type="image/jpeg",
    licence="CC-BY-4.0",
    attribution="“Petra” by Ann Smith, CC-BY-4.0",
    retrieved_at="2026-11-23T00:00:00Z",
    final_url="https://cdn.example.org/final.jpg?width=960",
)


def written(folder: Path, selector: str, more: str = 'reason = "the sitter asked"') -> Path:
    path = folder / "withdrawn.toml"
    path.write_text(f"[[withdrawn]]\n{selector}\ndate = 2026-11-20\n{more}\n")
    return path


@pytest.mark.parametrize(
    "selector",
    [
        'source_page = "https://commons.wikimedia.org/wiki/File:Petra_of_(Jordan).jpg"',
        'source_page = "http://Commons.Wikimedia.org/wiki/File:Petra%20of_%28Jordan%29.jpg#summary"',
        'url = "HTTPS://upload.wikimedia.org:443/a/ab/Petra_(Jordan).jpg"',
        'url = "//upload.wikimedia.org/a/ab/Petra_%28Jordan%29.jpg"',
        'author = "ann  SMITH"',
        'author = "Ann Smith; adapted by Bob"',
    ],
)
def test_a_candidate_is_found_before_anything_is_fetched(tmp_path: Path, selector: str) -> None:
    told = withdrawn_reason(CANDIDATE, read_withdrawn(written(tmp_path, selector)))
    assert told is not None
    assert told.endswith("withdrawn on 2026-11-20: the sitter asked")


@pytest.mark.parametrize(
    "selector",
    [
        'url = "https://upload.wikimedia.org/a/ab/Petra.jpg"',
        'source_page = "https://commons.wikimedia.org/"',
        'author = "Ann"',
        'author = "adapted by Bobby"',
        f'sha256 = "{"0" * 64}"',
        'url = "http://[broken"',
    ],
)
def test_what_is_not_named_passes(tmp_path: Path, selector: str) -> None:
    listed = read_withdrawn(written(tmp_path, selector))
    assert withdrawn_reason(CANDIDATE, listed) is None
    assert withdrawn_reason(ASSET, listed) is None


@pytest.mark.parametrize(
    "selector",
    [
        f'sha256 = "{SHA}"',
        f'sha256 = "{"cd" * 32}"',
        'url = "https://cdn.example.org/final.jpg?width=960"',
        'author = "Ann Smith"',
    ],
)
def test_a_picture_that_was_kept_earlier_is_found_and_what_was_made_of_it(
    tmp_path: Path, selector: str
) -> None:
    view = ASSET.model_copy(
        update={
            "image_id": "img-2",
            "parent": "img-1",
            "sha256": "0" * 64,
            "derivative_sha256": "1" * 64,
            "author": "Carl",
            "final_url": "",
            "locator": "view:crop:x",
            "source_page": "https://example.org/x",
        }
    )
    again = view.model_copy(update={"image_id": "img-3", "parent": "img-2"})
    other = view.model_copy(update={"image_id": "img-4", "parent": None})
    found = withdrawn_among([again, other, view, ASSET], read_withdrawn(written(tmp_path, selector)))
    assert sorted(found) == ["img-1", "img-2", "img-3"]
    assert found["img-2"].startswith("the picture that it was made of was withdrawn: ")


def test_a_project_without_a_list_withdraws_nothing() -> None:
    assert withdrawn_reason(ASSET, read_withdrawn(None)) is None


@pytest.mark.parametrize(
    ("selector", "more", "told"),
    [
        ("", 'reason = "x"', "name exactly one of"),
        (f'sha256 = "{SHA}"\nauthor = "Ann"', 'reason = "x"', "name exactly one of"),
        ('sha256 = "abc"', 'reason = "x"', "sha256"),
        ('author = "Ann"', "", "reason"),
        ('author = "Ann"', 'reason = ""', "reason"),
        ('autor = "Ann"', 'reason = "x"', "autor"),
        ("author =", 'reason = "x"', "cannot be read"),
        ('author = "Ann"', 'reason = "x"\n[other]', "nothing else"),
    ],
)
def test_a_wrong_entry_stops_everything(tmp_path: Path, selector: str, more: str, told: str) -> None:
    with pytest.raises(PrerequisiteError, match=f"{told}.*correct it"):
        read_withdrawn(written(tmp_path, selector, more))


def test_a_list_that_is_named_but_not_there_stops_everything(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="correct it"):
        read_withdrawn(tmp_path / "withdrawn.toml")
