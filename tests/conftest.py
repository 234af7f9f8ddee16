"""Fixtures that several parts of the tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.reviewing.server import StudioServer, label_studio
from flows.prefect_server import prefect_server

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / ".cache" / "label-studio-template"


@pytest.fixture(scope="session")
def label_studio_executable() -> Path:
    """Return the real Label Studio of this checkout; without it these tests fail, they do not skip."""
    default = ROOT / ".venv-label-studio" / "bin" / "label-studio"
    path = Path(os.environ.get("MMKE_LABEL_STUDIO", default))
    if not path.is_file():
        pytest.fail(f"Label Studio is not installed at {path}: run `make setup-label-studio`")
    return path


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Run one real Prefect server for the whole session; a command alone would start its own."""
    before = dict(os.environ)
    with prefect_server(tmp_path_factory.mktemp("prefect")):
        from prefect.settings import PREFECT_API_URL, PREFECT_LOGGING_LEVEL, temporary_settings

        # Tests that import flows have imported Prefect before the server was there.
        there = {PREFECT_API_URL: os.environ["PREFECT_API_URL"], PREFECT_LOGGING_LEVEL: "CRITICAL"}
        with temporary_settings(there):
            yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def studio(label_studio_executable: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    """Run one real Label Studio for the whole session; every test makes a project of its own."""
    home = tmp_path_factory.mktemp("studio")
    with label_studio(label_studio_executable, home, TEMPLATES) as server:
        yield server
