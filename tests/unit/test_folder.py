"""A folder of own pictures: each needs its licence line, people must have agreed, nothing else leaks in."""

from __future__ import annotations

import asyncio
import json
import os
import unicodedata
from pathlib import Path

import pytest

from curation.collecting.folder import FolderSettings, FolderSource
from curation.collecting.port import Fetched
from curation.errors import PrerequisiteError, Reason, Rejected
from curation.licences import check_licence
from curation.records import EditType, ImageCandidate, Subject
from curation.taxonomy import load_taxonomy
from tests.unit.test_taxonomy import BRIDGE

CONSENT = 'consent = { who = "Jane Doe", when = 2026-11-01, how = "signed form 12" }'
BO = """
[[subject]]
name = "Bo"
category = "pet"
fine_type = "dog"
text = "Bo is a brown dog that lives with Jane Doe in Leeds."
text_licence = "CC BY 4.0"
text_author = "Jane Doe"
pictures = ["bo/"]
"""
TOWER = """
[[subject]]
name = "Water tower"
category = "building"
text = "The water tower of Leeds was built in 1910."
text_licence = "CC0"
pictures = ["tower.jpg"]
"""


def folder(root: Path, described: str, *places: str) -> FolderSource:
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"bytes of " + os.fsencode(place))
    (root / "licences.toml").write_text(described, encoding="utf-8")
    return FolderSource(FolderSettings(path=root))


def listed(source: FolderSource) -> tuple[list[Subject], list[Rejected], list[ImageCandidate]]:
    async def walk() -> tuple[list[Subject], list[Rejected], list[ImageCandidate]]:
        found = [one async for one in source.subjects()]
        subjects = [one for one in found if isinstance(one, Subject)]
        offers = [offer for subject in subjects for offer in await source.search(subject)]
        return subjects, [one for one in found if isinstance(one, Rejected)], offers

    return asyncio.run(walk())


def fetched(source: FolderSource, offer: ImageCandidate) -> Fetched | Rejected:
    return asyncio.run(source.fetch(offer))


def test_pictures_come_with_their_licence_author_and_consent(tmp_path: Path) -> None:
    described = f'[default]\nlicence = "CC BY 4.0"\nauthor = "Jane Doe"\n{CONSENT}\n{BO}'
    source = folder(tmp_path, described, "bo/2.jpg", "bo/1.jpg")
    subjects, rejected, offers = listed(source)
    assert rejected == []
    assert [(one.name, one.edit_type, one.fine_type) for one in subjects] == [
        ("Bo", EditType.USER_SPECIFIC, "dog")
    ]
    assert subjects[0].text_source.attribution == "“Bo” by Jane Doe, CC-BY-4.0"
    assert [(one.locator, one.licence_text, one.author) for one in offers] == [
        ("bo/1.jpg", "CC BY 4.0", "Jane Doe"),
        ("bo/2.jpg", "CC BY 4.0", "Jane Doe"),
    ]
    told = json.loads(offers[0].metadata)
    assert told["consent"] == {"who": "Jane Doe", "when": "2026-11-01", "how": "signed form 12"}
    assert fetched(source, offers[0]) == Fetched(b"bytes of bo/1.jpg")
    assert listed(FolderSource(FolderSettings(path=tmp_path)))[2] == offers


def test_without_a_licence_line_or_consent_a_picture_is_refused(tmp_path: Path) -> None:
    described = f'[[picture]]\nfile = "tower.jpg"\nlicence = "CC0"\n{BO}{TOWER}'
    source = folder(tmp_path, described, "bo/1.jpg", "tower.jpg")
    _, _, (bo, tower) = listed(source)
    out = check_licence(bo.image_id, bo.licence_text)
    assert isinstance(out, Rejected)
    assert out.reason is Reason.LICENCE_MISSING
    refused = fetched(source, bo)
    assert isinstance(refused, Rejected)
    assert (refused.key, refused.reason) == (bo.image_id, Reason.CONSENT_MISSING)
    assert isinstance(fetched(source, tower), Fetched)  # a building agrees to nothing


def test_the_nearest_line_holds_and_gaps_are_filled_from_farther_ones(tmp_path: Path) -> None:
    described = f"""
    [default]
    licence = "CC0"
    author = "Jane"
    [[picture]]
    file = "bo/"
    author = "Joe"
    [[picture]]
    file = "bo/1.jpg"
    licence = "CC BY 4.0"
    page = "https://example.org/1"
    {BO}"""
    _, _, offers = listed(folder(tmp_path, described, "bo/1.jpg", "bo/in/2.jpg"))
    assert [(one.licence_text, one.author, one.source_page) for one in offers] == [
        ("CC BY 4.0", "Joe", "https://example.org/1"),
        ("CC0", "Joe", "urn:mmke-forge:folder"),
    ]


def test_links_pipes_and_paths_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "2.jpg").write_bytes(b"secret")
    root = tmp_path / "mine"
    described = BO.replace(
        '["bo/"]', '["bo/", "../secret.jpg", "/etc/hosts", "a\\\\..\\\\b.jpg", "gone.jpg"]'
    )
    source = folder(root, described, "bo/1.jpg")
    (root / "bo" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "bo" / "linked").symlink_to(tmp_path / "away")
    os.mkfifo(root / "bo" / "pipe.jpg")
    os.mknod(root / os.fsdecode(b"bo/\xff.jpg"), 0o644)
    _, rejected, offers = listed(source)
    assert [offer.locator for offer in offers] == ["bo/1.jpg"]
    reasons = [one.reason for one in rejected]
    assert reasons == [Reason.UNSAFE_PATH] * 7 + [Reason.FETCH_FAILED]
    assert all(one.key.isprintable() and one.detail.encode() for one in rejected)


@pytest.mark.parametrize(
    "place", ["bo/link.jpg", "linked/2.jpg", "pipe.jpg", "../secret.jpg", "/etc/hosts", "bo"]
)
def test_what_was_swapped_after_the_search_is_not_read(tmp_path: Path, place: str) -> None:
    root = tmp_path / "mine"
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    source = folder(root, f"[default]\n{CONSENT}\n{BO}", "bo/1.jpg")
    _, _, (offer,) = listed(source)
    (root / "bo" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "linked").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.jpg")
    out = fetched(source, offer.model_copy(update={"locator": place}))
    assert isinstance(out, Rejected)
    assert out.reason is Reason.UNSAFE_PATH


def test_gone_and_huge_files_are_named(tmp_path: Path) -> None:
    source = folder(tmp_path, f"[default]\n{CONSENT}\n{BO}", "bo/1.jpg", "bo/2.jpg")
    _, _, offers = listed(source)
    (tmp_path / "bo/1.jpg").unlink()
    with (tmp_path / "bo/2.jpg").open("wb") as file:
        file.truncate(40_000_001)
    outs = [fetched(source, offer) for offer in offers]
    assert [out.reason for out in outs if isinstance(out, Rejected)] == [
        Reason.FETCH_FAILED,
        Reason.IMAGE_TOO_LARGE,
    ]


def test_pictures_of_no_subject_are_named_and_other_files_left_alone(tmp_path: Path) -> None:
    source = folder(tmp_path, BO, "bo/1.jpg", "other.PNG", "notes.txt", ".hidden.jpg")
    _, rejected, _ = listed(source)
    assert [(one.key, one.reason) for one in rejected] == [("folder: other.PNG", Reason.LIST_ROW_INVALID)]


def test_a_picture_belongs_to_the_first_subject_that_names_it(tmp_path: Path) -> None:
    described = BO + TOWER.replace('"tower.jpg"', '"./"')
    _, rejected, offers = listed(
        folder(tmp_path, described, "bo/1.jpg", "bo/in/2.jpg", "tower.jpg", "bo.jpg")
    )
    assert [offer.locator for offer in offers] == ["bo/1.jpg", "bo/in/2.jpg", "bo.jpg", "tower.jpg"]
    assert rejected == []


def test_both_spellings_of_a_name_are_one_file(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "Zoë.jpg")
    described = f'[default]\n{CONSENT}\n[[picture]]\nfile = "Zoë.jpg"\nlicence = "CC0"\n' + BO.replace(
        "bo/", "Zoë.jpg"
    )
    source = folder(tmp_path, described, decomposed)
    _, rejected, (offer,) = listed(source)
    assert (rejected, offer.licence_text) == ([], "CC0")
    assert isinstance(fetched(source, offer), Fetched)


def test_a_category_of_ones_own_will_do(tmp_path: Path) -> None:
    (tmp_path / "taxonomy.toml").write_text(BRIDGE)
    folder(tmp_path / "mine", TOWER.replace('"building"', '"Bridge"'), "tower.jpg")
    settings = FolderSettings(path=tmp_path / "mine")
    (subject,), rejected, offers = listed(FolderSource(settings, load_taxonomy(tmp_path / "taxonomy.toml")))
    assert (subject.category, subject.fine_type, len(offers), rejected) == ("bridge", "bridge", 1, [])
    assert listed(FolderSource(settings))[0] == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('text_licence = "CC BY 4.0"\n', "", Reason.LICENCE_MISSING),
        ('"CC BY 4.0"', '"CC BY-NC 4.0"', Reason.LICENCE_NON_COMMERCIAL),
        ('text = "', 'text = ""\n#', Reason.NO_SOURCE_TEXT),
        ('"pet"', '"petunia"', Reason.LIST_ROW_INVALID),
    ],
)
def test_a_subject_needs_a_text_that_may_be_released(
    tmp_path: Path, old: str, new: str, reason: Reason
) -> None:
    subjects, rejected, offers = listed(folder(tmp_path, BO.replace(old, new), "bo/1.jpg"))
    assert (subjects, offers) == ([], [])
    assert [one.reason for one in rejected] == [reason]


@pytest.mark.parametrize(
    ("described", "told"),
    [
        ("[default", "cannot be read as TOML"),
        ('[default]\nlicense = "CC0"', "default.license"),
        ('[default]\npage = "javascript:alert(1)"', "default.page"),
        ('[default]\nconsent = { who = "Jane", when = 2026-11-01 }', "default.consent.how"),
        ('[default]\nconsent = { who = "Jane", when = "soon", how = "by mail" }', "default.consent.when"),
        ('[[subject]]\nname = "Bo"\ncategory = "pet"\npictures = []', "subject.1.pictures"),
        (BO + BO, "'Bo of pet' stands there 2 times"),
    ],
)
def test_a_wrong_licence_file_is_said_with_its_place(tmp_path: Path, described: str, told: str) -> None:
    with pytest.raises(PrerequisiteError, match=f"{told}.*correct it"):
        listed(folder(tmp_path, described))


def test_without_folder_or_licence_file_the_fix_is_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "gone"):
        with pytest.raises(PrerequisiteError, match=r"licences\.toml is not there"):
            listed(FolderSource(FolderSettings(path=path)))
