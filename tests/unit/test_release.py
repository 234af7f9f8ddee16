"""A release is complete and verified, or it does not exist under its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import sha256_bytes
from curation.records import EditType, ImageRole, VerdictState
from tests.samples import accepted, make_item, picture
from warehouse.formats.mmke_json import legacy_record
from warehouse.freeze import Selection, freeze
from warehouse.release import Release, open_release

PICTURES = {sha256_bytes(picture(n)): picture(n) for n in range(200)}
ITEMS = [
    make_item(n, kind)
    for kind, start in zip(EditType, (1, 5, 9), strict=True)
    for n in range(start, start + 4)
]


def cut(folder: Path, version: str = "0.1.0", items: list = ITEMS) -> tuple[Release, bool]:  # type: ignore[type-arg]
    selection = Selection([accepted(item) for item in items], drafter="rules", is_llm=False)
    return freeze(folder, version, selection, PICTURES.__getitem__)


def test_the_same_items_give_the_same_bytes(tmp_path: Path) -> None:
    one, _ = cut(tmp_path / "one")
    other, _ = cut(tmp_path / "other", items=list(reversed(ITEMS)))
    for path in sorted(one.path.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (other.path / path.relative_to(one.path)).read_bytes(), path
    assert [entry.item for entry in one.items] == sorted(ITEMS, key=lambda item: item.item_id)


def test_freezing_again_changes_nothing_and_other_items_are_refused(tmp_path: Path) -> None:
    assert cut(tmp_path)[1] is True
    assert cut(tmp_path)[1] is False
    with pytest.raises(IntegrityError, match="choose the next version"):
        cut(tmp_path, items=ITEMS[:-1])
    assert len(open_release(tmp_path / "0.1.0").items) == len(ITEMS)
    assert [path.name for path in tmp_path.iterdir()] == ["0.1.0"]


def test_only_accepted_items_are_released(tmp_path: Path) -> None:
    verdicts = [accepted(ITEMS[0], VerdictState.REJECTED), accepted(ITEMS[1], VerdictState.FIXED)]
    release, _ = freeze(tmp_path, "1.0.0", Selection(verdicts, "rules", False), PICTURES.__getitem__)
    assert [entry.item.item_id for entry in release.items] == [ITEMS[1].item_id]


@pytest.mark.parametrize("version", ["1.0", "../1.0.0", "v1.0.0", "1.0.0/x"])
def test_a_bad_version_is_refused(tmp_path: Path, version: str) -> None:
    with pytest.raises(PrerequisiteError, match="three numbers"):
        cut(tmp_path, version)


def test_nothing_approved_names_the_fix(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="mmke pull"):
        cut(tmp_path, items=[])


def change(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def swap_for_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


def add(path: Path) -> None:
    path.with_name("added.txt").write_text("x")


@pytest.mark.parametrize(
    ("harm", "told"),
    [(change, "was changed"), (Path.unlink, "is missing"), (swap_for_link, "link"), (add, "added.txt")],
)
@pytest.mark.parametrize("name", ["items.jsonl", "data/visual_entity/eval.parquet", "README.md"])
def test_harm_to_a_file_is_named(tmp_path: Path, name: str, harm: Callable[[Path], None], told: str) -> None:
    release, _ = cut(tmp_path)
    harm(release.path / name)
    with pytest.raises(IntegrityError, match=told):
        open_release(release.path)


def test_a_rewritten_manifest_does_not_hide_a_changed_item(tmp_path: Path) -> None:
    release, _ = cut(tmp_path)
    items = release.path / "items.jsonl"
    items.write_text(items.read_text().replace("Norway", "Sweden"))
    manifest = json.loads((release.path / "manifest.json").read_text())
    manifest["files"]["items.jsonl"] = sha256_bytes(items.read_bytes())
    (release.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(IntegrityError, match="content hash"):
        open_release(release.path)


@pytest.mark.parametrize("body", ["", "[]", "{", '{"format": "other/1"}', "\x00"])
def test_a_damaged_manifest_is_a_clear_error(tmp_path: Path, body: str) -> None:
    release, _ = cut(tmp_path)
    (release.path / "manifest.json").write_text(body)
    with pytest.raises(IntegrityError, match="is damaged"):
        open_release(release.path)


def test_datasets_loads_every_config_with_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    from datasets import load_dataset

    release, _ = cut(tmp_path / "releases")
    for edit_type in EditType:
        loaded = load_dataset(str(release.path), str(edit_type), cache_dir=str(tmp_path / "cache"))
        assert sum(part.num_rows for part in loaded.values()) == 4
        row = loaded["eval"][0]
        assert row["edit_image"].size == (96, 96)
        assert row["probes"][0]["kind"] == "T-Rel"


@pytest.mark.parametrize("item", [ITEMS[0], ITEMS[4], ITEMS[8]], ids=[str(kind) for kind in EditType])
def test_the_official_layout_has_what_the_official_loader_reads(tmp_path: Path, item: object) -> None:
    release, _ = cut(tmp_path)
    entry = next(entry for entry in release.items if entry.item is item or entry.item == item)
    record = legacy_record(entry)
    semantic = record["knowledge_type"] == "visual_knowledge"
    answers = ["rel", "rel_ans", "m_rel", "m_rel_ans", "image_rephrase_question"]
    if not semantic:
        answers = [f"{kind}{n}" for kind in ("rel_", "rel_ans_", "m_rel_", "m_rel_ans_") for n in (1, 2)]
    shared = [
        "src",
        "pred",
        "alt",
        "rephrase",
        "image",
        "image_rephrase",
        "loc",
        "loc_ans",
        "m_loc",
        "m_loc_q",
        "m_loc_a",
    ]
    assert all(isinstance(record[key], str) and record[key] for key in [*shared, *answers])
    assert [port["port_type"] for port in record["port_new"]] == ["1-hop"]
    pictures = [record[key] for key in ("image", "image_rephrase", "m_loc", "one_hop_img") if key in record]
    assert all((release.path / "mmke" / "data_image" / name).is_file() for name in pictures)
    assert ("one_hop_img" in record) is (entry.item.image(ImageRole.ONE_HOP) is not None)
