"""The measurement of downloads must itself be right: bytes, rows, what is compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from curation.collecting.bench import picture


def test_pictures_are_distinct_and_real() -> None:
    one, other = picture(1), picture(2)
    assert one != other
    assert len(one) == len(other)
    assert 190_000 < len(one) < 230_000
    assert one[:2] == b"\xff\xd8"


def test_the_table_names_both_clients_and_their_bytes(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}  # elsewhere: no img2dataset
    command = [sys.executable, "-m", "curation.collecting.bench", "--count", "40", "--rounds", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
    assert done.stdout.count("right") == 2
    assert "bare aiohttp" in done.stdout
    assert "WRONG" not in done.stdout
