"""The measurement of quality: what it counts, what it calls missed, and that it is the same every time."""

from pathlib import Path

import pytest

from curation.deduplicating import bench_pairs, copies, quality
from curation.deduplicating.index import Pairs, pairs_within
from curation.deduplicating.pairs import DedupeSettings
from curation.deduplicating.photographs import different, of_folder
from tests.unit.pictures import scenery


def test_a_row_reaches_its_goal_or_not() -> None:
    crops = quality.Row("border", copies=True, pairs=100, merged=97, named=96, naming=True)
    assert (crops.found, crops.goal, crops.reached) == (96.0, 97.0, False)
    assert quality.Row("resize", copies=True, pairs=100, merged=90, review=9).reached
    assert not quality.Row("flags", copies=False, pairs=100, merged=1).reached
    assert not quality.Row("objects on white", copies=False, pairs=1000, merged=1).reached
    assert "at most 0 %, missed" in quality.table([quality.Row("objects on white", False, 10, 1, 1)])


def test_copies_are_the_same_every_time_and_unlike_each_other() -> None:
    one, other = (copies.copies(scenery(1), "seed") for _ in range(2))
    assert one == other
    assert len({copy.data for copy in one}) == len(one)
    assert set(quality.RECALL) <= {copy.kind for copy in one}


def test_a_folder_is_measured_and_the_table_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = ("resize:50", "border:3", "flip:across")
    monkeypatch.setattr(copies, "EDITS", {kind: copies.EDITS[kind] for kind in few})
    for name, seed in (("a", 1), ("b", 2), ("again", 1)):
        scenery(seed).save(tmp_path / f"{name}.jpg", quality=95)
    (tmp_path / "notes.txt").write_text("no picture")
    assert len(different(of_folder(tmp_path), 9)) == 2
    out = tmp_path / "table.md"
    arguments = ["--photographs", str(tmp_path), "--look-alikes", "3", "--out", str(out)]
    assert quality.main(arguments) == 0
    assert "| resize | 2 | 100.0 % | 100.0 % | 0.0 % | 100.0 % | at least 99 % |" in out.read_text()
    assert out.read_text().split("\n")[0] in capsys.readouterr().out
    assert quality.main(["--photographs", str(tmp_path / "none")]) == 2


def test_what_is_not_found_is_not_counted_as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "EDITS", {"flip:across": copies.EDITS["flip:across"]})
    (row,) = quality.of_copies([scenery(1)], DedupeSettings(turned_radius=0, plain_radius=0))
    assert row.pairs == 1
    (other,) = quality.of_copies([scenery(1)], DedupeSettings(merge_correlation=1, review_correlation=1))
    assert other.merged == 0


def test_the_bench_plants_neighbours_and_tells_different_answers_apart() -> None:
    hashes = bench_pairs.planted(4000, 3, seed=1)
    found = pairs_within(hashes, 3)
    assert len(found) >= 200
    assert bench_pairs.equal(found, pairs_within(hashes, 3))
    less = Pairs(found.first[1:], found.second[1:], found.distance[1:], {})
    assert not bench_pairs.equal(found, less)
