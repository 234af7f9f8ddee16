"""`mmke gallery` reads the warehouse, shows every picture seen, and changes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.errors import PrerequisiteError, Reason
from curation.galleries import State
from curation.records import ClusterMember, DuplicateCluster, EditType, Outcome, Subject, TextSource
from flows.cli import app
from flows.gallery import seen_pictures, write_sheets
from flows.settings import Settings
from tests.unit.galleries import asset
from warehouse.artefacts import Artefacts
from warehouse.store import open_store, outcome_event, read_store, record_event

SOURCE = TextSource(title="t", page="p", licence="CC0-1.0", attribution="a")


def outcome(stage: str, key: str, state: Outcome, reason: Reason | None = None, detail: str = "") -> object:
    return outcome_event(
        stage, key, state, unit="pictures", category="building", reason=reason, detail=detail
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project that kept two pictures, dropped one for another, refused one and withdrew one."""
    shelf: dict[str, bytes] = {}
    images = [asset(f"img-{name}", shelf) for name in "abcd"]
    for data in shelf.values():
        Artefacts(tmp_path).put(data)
    subject = Subject(
        subject_id="colosseum",
        name="The Colosseum",
        edit_type=EditType.VISUAL_ENTITY,
        category="building",
        fine_type="building",
        source_text="It stands.",
        text_source=SOURCE,
    )
    member = ClusterMember(image_id="img-b", distance=2, relation="near", reason="2 bits")
    group = DuplicateCluster(cluster_id="dup", keeper="img-a", keep_reason="", dropped=(member,))
    states = [
        outcome("collect", "img-a", Outcome.KEPT),
        outcome("collect", "img-b", Outcome.KEPT),
        outcome("collect", "img-c", Outcome.KEPT),
        outcome("collect", "img-d", Outcome.REJECTED, Reason.LICENCE_MISSING, "withdrawn"),
        outcome("collect", "img-e", Outcome.PENDING, detail="the host is down"),
        outcome("dedupe", "img-a", Outcome.KEPT),
        outcome("dedupe", "img-b", Outcome.REJECTED, Reason.NEAR_DUPLICATE, "2 bits"),
    ]
    with open_store(tmp_path) as store:
        store.append([record_event("image", one.image_id, one) for one in images])
        store.append([record_event("subject", "colosseum", subject), record_event("cluster", "dup", group)])
        store.append(states)
    return Settings(home=tmp_path)


def test_every_picture_seen_has_its_present_state_and_reason(settings: Settings) -> None:
    with read_store(settings.home) as store:
        seen = {one.image_id: one for one in seen_pictures(store)}
    assert {key: (one.state, one.reason, one.keeper) for key, one in seen.items()} == {
        "img-a": (State.KEPT, "", ""),
        "img-b": (State.DUPLICATE, "near_duplicate", "img-a"),
        "img-c": (State.KEPT, "", ""),
        "img-d": (State.REJECTED, "licence_missing", ""),
        "img-e": (State.PENDING, "", ""),
    }
    assert seen["img-b"].subject == "The Colosseum"
    assert seen["img-d"].asset is None, "a withdrawn picture is not shown"
    assert seen["img-e"].detail == "the host is down"


def test_the_sheets_are_written_and_nothing_else_changes(settings: Settings) -> None:
    before = {path: path.read_bytes() for path in settings.home.rglob("*") if path.is_file()}
    index = write_sheets(settings)
    assert index == settings.home / "galleries" / "collected" / "index.html"
    page = (index.parent / "building.html").read_text()
    assert all(f"<code>img-{name}</code>" in page for name in "abcde")
    after = {path: path.read_bytes() for path in settings.home.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    assert {path.parent for path in set(after) - set(before)} == {index.parent}


def test_one_category_is_one_page(settings: Settings) -> None:
    page = write_sheets(settings, "building")
    assert page.name == "building.html"
    assert "index.html" not in page.read_text(), "there is no index yet"
    with pytest.raises(PrerequisiteError, match="there are: building"):
        write_sheets(settings, "castle")


def test_without_a_warehouse_the_fix_is_named(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="mmke collect"):
        write_sheets(Settings(home=tmp_path))


def test_the_command_prints_the_page_to_open(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMKE_HOME", str(settings.home))
    monkeypatch.chdir(settings.home)
    done = CliRunner().invoke(app, ["gallery", "building"])
    assert done.exit_code == 0, done.output
    page = Path(done.output.strip().removeprefix("contact sheet: "))
    assert page == settings.home / "galleries" / "collected" / "building.html"
    assert page.is_file()
