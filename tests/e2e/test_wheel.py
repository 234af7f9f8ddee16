"""The built wheel works outside the checkout: every data file is in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOAD_ALL = """
import pathlib, sys
from importlib.resources import files
import curation, flows.cli
from curation.collecting.sample import SampleSource
from curation.drafting.steps.prompting import load_prompt
from curation.reviewing.interface import guidelines, label_config
from curation.reviewing.pairs import pair_interface
from curation.taxonomy import load_taxonomy
from warehouse.store import open_store
assert pathlib.Path(curation.__file__).is_relative_to(sys.argv[1]), curation.__file__
assert len(load_taxonomy()) == 33 and label_config() and guidelines() and pair_interface().guidelines
assert load_prompt("original_knowledge").text
assert all(files(package).joinpath(name).is_file() for package, name in (
    ("warehouse", "card.md.j2"), ("eval", "report.html.j2"), ("curation", "templates/page.html.j2")))
with open_store(pathlib.Path(sys.argv[1]) / "home") as store:
    assert store.payloads("item") == {}
flows.cli.app(["--help"])
"""


@pytest.mark.timeout(120)
def test_the_wheel_holds_all_that_the_program_reads(tmp_path: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    subprocess.run([uv, "build", "-q", "--wheel", "-o", tmp_path, ROOT], check=True)
    wheel = next(tmp_path.glob("*.whl"))
    place = tmp_path / "installed"
    subprocess.run([uv, "pip", "install", "-q", "--no-deps", "--target", place, wheel], check=True)
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, str(place)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "release       Cut and verify" in done.stdout
