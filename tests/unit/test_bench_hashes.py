"""The bench times every way on the same files in turn and knows a hash that is another."""

import subprocess
import sys
from pathlib import Path

import pytest

from curation.deduplicating import bench_hashes
from curation.deduplicating.bench_hashes import NAIVE, OURS, measure, written
from tests.pictures import noise, opened


def test_files_are_baseline_jpegs_of_both_sizes(tmp_path: Path) -> None:
    files = [opened(path.read_bytes()) for path in written([noise(seed=n) for n in range(3)], tmp_path, 2)]
    assert [(file.format, file.size, "progressive" in file.info) for file in files] == [
        ("JPEG", (1280, 960), False), ("JPEG", (1600, 1200), False),
    ]  # fmt: skip


def test_a_row_has_the_median_a_file_and_the_bits_that_differ(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    times = {"a": iter([9, 1, 50, 2]), "b": iter([3, 3, 90])}
    rows = measure(paths, {NAIVE: lambda path: (next(times[path.name]), 7), OURS: lambda _: (1, 4)}, 3)
    assert [(row.name, row.milliseconds, row.drift) for row in rows] == [
        (NAIVE, 2500, (0, 0)), (OURS, 1000, (2, 2)),
    ]  # fmt: skip


@pytest.mark.parametrize(("drift", "code"), [(0, 0), (7, 1)])
def test_other_hashes_than_imagehashs_are_an_error(
    drift: int, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    phash = bench_hashes.phash
    monkeypatch.setattr(bench_hashes, "phash", lambda data: phash(data) ^ drift)
    monkeypatch.setattr(bench_hashes, "of_sample", lambda _: [noise(seed=n) for n in range(2)])
    monkeypatch.setattr(bench_hashes, "IMAGEDEDUP", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["bench_hashes", "--images", "2", "--repeats", "1"])
    with pytest.raises(SystemExit) as left:
        bench_hashes.main()
    said = capsys.readouterr().out
    assert int(bool(left.value.code)) == code
    assert "imagededup is left out" in said
    assert "goal 4x" in said


def test_without_photographs_it_names_the_fix(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "curation.deduplicating.bench_hashes",
        "--sample",
        str(tmp_path / "no.deb"),
    ]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "make sample" in ended.stderr
