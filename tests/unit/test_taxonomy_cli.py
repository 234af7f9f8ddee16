"""`mmke taxonomy`: what is wrong with the categories, and how full each one is."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.errors import PrerequisiteError
from curation.records import Outcome
from flows.taxonomy_cli import taxonomy_app
from tests.unit.test_taxonomy import BRIDGE
from warehouse.store import open_store, outcome_event


def told(*words: str) -> str:
    done = CliRunner().invoke(taxonomy_app, list(words))
    if isinstance(done.exception, PrerequisiteError):
        return f"{done.output}error: {done.exception}"
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MMKE_HOME", raising=False)
    return tmp_path


def test_a_sound_taxonomy_is_said_to_be_sound(project: Path) -> None:
    assert told("check") == "the taxonomy is sound: 33 categories\n"
    (project / "mine.toml").write_text(BRIDGE)
    assert told("check", "mine.toml") == "the taxonomy is sound: 34 categories\n"
    (project / "mmke.toml").write_text('taxonomy = "mine.toml"')
    assert told("check") == "the taxonomy is sound: 34 categories\n"


def test_every_problem_is_a_line(project: Path) -> None:
    (project / "mine.toml").write_text(BRIDGE.replace("quota = 40", "").replace('"folder"', '"google"'))
    lines = told("check", "mine.toml").splitlines()
    assert lines[0] == "bridge: quota is missing"
    assert "'google' is no kind of source" in lines[1]
    assert lines[2].startswith("error: the taxonomy has 2 problems; correct ")


def test_show_works_before_anything_was_collected(project: Path) -> None:
    out = told("show")
    assert "visual entity: 0 of 1591 subjects" in out
    assert out.count("·" * 24) == 33
    assert "█" not in out
    assert not (project / ".mmke").exists()


def test_show_sets_what_was_collected_against_what_is_wanted(project: Path) -> None:
    (project / "mmke.toml").write_text('taxonomy = "mine.toml"')
    (project / "mine.toml").write_text(BRIDGE)
    kept = [("a", "layout"), ("b", "layout"), *((f"c{n}", "bridge") for n in range(50)), ("d", "gone")]
    with open_store(project / ".mmke") as store:
        seen = [
            outcome_event("subjects", key, Outcome.KEPT, unit="subjects", category=category)
            for key, category in kept
        ]
        out_too = outcome_event("subjects", "x", Outcome.REJECTED, unit="subjects", category="layout")
        store.settle("subjects", [*seen, out_too])
    out = told("show")
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.rstrip().endswith("%")}
    assert len(rows) == 34
    assert rows["layout"] == ["2", "4", "█" * 12 + "·" * 12, "50", "%"]
    assert rows["bridge"] == ["50", "40", "█" * 24, "100", "%"]
    assert rows["plant"] == ["0", "204", "·" * 24, "0", "%"]
    assert "visual entity: 50 of 1631 subjects" in out
    assert "1 subjects were collected of gone, which is no category any more" in out
