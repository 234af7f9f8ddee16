"""The command line: what it imports, what it says when something is wrong, and with which exit code."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from curation.records import Outcome
from flows import cli
from tests.unit.test_release import cut
from warehouse.store import open_store, outcome_event

MMKE = Path(sys.executable).with_name("mmke")
HEAVY = (
    "prefect",
    "torch",
    "transformers",
    "label_studio_sdk",
    "openai",
    "datasets",
    "matplotlib",
    "aiohttp",
    "cv2",
    "faiss",
    "distributed",
)


def mmke(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(MMKE), *words], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with open_store(tmp_path / ".mmke") as store:
        kept = outcome_event(
            "collect", "img-1", Outcome.KEPT, unit="pictures", category="building", detail="a.webp"
        )
        store.settle("collect", [kept])
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["status"],
        ["why", "img-1"],
        ["release", "verify", "--help"],
        ["taxonomy", "check"],
        ["dedupe", "rule", "--help"],
    ],
)
def test_light_commands_import_nothing_heavy(project: Path, words: list[str]) -> None:
    code = (
        "import sys\nfrom flows.cli import main\nsys.argv = ['mmke', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        f"print([name for name in {HEAVY} if name in sys.modules], code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=project, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[] 0"


def test_status_and_why_tell_what_is_stored(project: Path) -> None:
    assert "1 pictures = 1 kept + 0 rejected + 0 pending" in mmke(project, "status").stdout
    assert mmke(project, "why", "img-1").stdout.split() == ["collect", "img-1", "kept", "a.webp"]


def test_nothing_there_is_one_line_with_the_fix(tmp_path: Path) -> None:
    done = mmke(tmp_path, "status")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "mmke collect" in done.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [("colour = 1", "colour"), ("chunk = 0", "chunk"), ("chunk =", "not valid TOML"), ("\udcff", "")],
)
def test_a_bad_setting_is_named(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "mmke.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    done = mmke(tmp_path, "status")
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert told in done.stderr


def test_a_tampered_release_exits_4_and_names_the_file(tmp_path: Path) -> None:
    release, _ = cut(tmp_path)
    assert mmke(tmp_path, "release", "verify", "0.1.0").returncode == 0
    (release.path / "README.md").write_text("other")
    done = mmke(tmp_path, "release", "verify", "0.1.0")
    assert (done.returncode, done.stderr.count("\n")) == (4, 1)
    assert "README.md was changed" in done.stderr


def test_usage_errors_exit_2(tmp_path: Path) -> None:
    assert mmke(tmp_path, "nonsense").returncode == 2


def test_a_full_disk_is_one_line_and_exits_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/objects")

    monkeypatch.setattr(cli, "app", full)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 3
    assert "free some space" in capsys.readouterr().err
