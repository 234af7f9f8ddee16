"""The journal of fetches: whole after a kill at any moment, several writers, damage said."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from curation.errors import IntegrityError
from curation.ids import sha256_bytes
from warehouse import fetches as module
from warehouse.artefacts import Artefacts
from warehouse.fetches import Fetches


@dataclass(frozen=True)
class Entry:
    key: str
    record: dict[str, Any]
    body: bytes | None = None


def store(home: Path) -> Fetches:
    return Fetches(Artefacts(home))


def journals(home: Path) -> list[Path]:
    return sorted((home / "fetches").iterdir())


def test_a_record_is_found_by_its_key_and_the_newest_counts(tmp_path: Path) -> None:
    first = store(tmp_path)
    first.keep([Entry("a", {"n": 1}, b"one"), Entry("b", {"n": 2})])
    first.keep([Entry("a", {"n": 3}, b"three")])
    wanted = {"n": 3, "sha256": sha256_bytes(b"three"), "size": 5}
    for one in (first, store(tmp_path)):
        assert one.find("a") == wanted
        assert one.find("b") == {"n": 2}
        assert one.find("c") is None
        assert one.body(wanted["sha256"]) == b"three"  # type: ignore[arg-type]


def test_no_run_writes_to_the_journal_of_another(tmp_path: Path) -> None:
    one, other = store(tmp_path), store(tmp_path)
    one.keep([Entry("a", {"n": 1})])
    other.keep([Entry("a", {"n": 2})])
    one.keep([Entry("b", {"n": 3})])
    assert [path.name for path in journals(tmp_path)] == ["00000001.jsonl", "00000002.jsonl"]
    later = store(tmp_path)
    assert (later.find("a"), later.find("b")) == ({"n": 2}, {"n": 3})


def test_a_kill_in_the_middle_of_a_line_loses_that_line_only(tmp_path: Path) -> None:
    store(tmp_path).keep([Entry("a", {"n": 1}), Entry("b", {"n": 2}, b"kept")])
    whole = journals(tmp_path)[0].read_bytes()
    for cut in range(len(whole) + 1):
        journals(tmp_path)[0].write_bytes(whole[:cut])
        found = store(tmp_path)
        assert found.find("a") == ({"n": 1} if whole[:cut].count(b"\n") >= 1 else None)
        assert (found.find("b") is not None) == (cut == len(whole))
    assert Artefacts(tmp_path).has(sha256_bytes(b"kept"))


def test_bodies_are_on_disk_before_the_record_that_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "_write_all", killed)
        with pytest.raises(KeyboardInterrupt):
            store(tmp_path).keep([Entry("a", {}, b"body")])
    assert Artefacts(tmp_path).has(sha256_bytes(b"body"))
    assert store(tmp_path).find("a") is None


def test_a_full_disk_leaves_no_half_line_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(descriptor: int, data: bytes) -> None:
        os.write(descriptor, data[:50])
        raise OSError(28, "No space left on device")

    one = store(tmp_path)
    one.keep([Entry("a", {"n": 1})])
    with monkeypatch.context() as patched:
        patched.setattr(module, "_write_all", half)
        with pytest.raises(OSError, match="No space"):
            one.keep([Entry("b", {"n": 2})])
    one.keep([Entry("c", {"n": 3})])
    for found in (one, store(tmp_path)):
        assert [found.find(key) for key in "abc"] == [{"n": 1}, None, {"n": 3}]


@pytest.mark.parametrize("at", [10, 70])
def test_damage_is_said_and_names_the_file(tmp_path: Path, at: int) -> None:
    store(tmp_path).keep([Entry("a", {"n": 1}), Entry("b", {"n": 2})])
    path = journals(tmp_path)[0]
    data = bytearray(path.read_bytes())
    data[at] = ord("#")
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"00000001\.jsonl is damaged at byte 0"):
        store(tmp_path).find("a")


def test_equal_bodies_are_one_artefact(tmp_path: Path) -> None:
    store(tmp_path).keep([Entry(key, {}, b"same") for key in "abc"])
    assert len(list(tmp_path.rglob("objects/*/*"))) == 1


def test_what_is_used_is_counted(tmp_path: Path) -> None:
    Artefacts(tmp_path).put(b"12345")
    one = store(tmp_path)
    assert one.used_bytes() == 5
    one.keep([Entry("a", {}, b"123")])
    assert one.used_bytes() == 8
    assert one.free_bytes() > 0


def test_many_files_are_flushed_before_they_get_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a power cut would have it: contents first, then names, then the folders that hold them."""
    done: list[str] = []
    flush, rename = os.fsync, Path.replace
    monkeypatch.setattr("curation.atomic._syncfs", lambda: None)
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: (done.append(_kind(descriptor)), flush(descriptor))[1]
    )
    monkeypatch.setattr(Path, "replace", lambda path, to: (done.append("name"), rename(path, to))[1])
    names = Artefacts(tmp_path).put_many([b"one", b"two"])
    assert done[:4] == ["file", "file", "name", "name"]
    assert set(done[4:]) == {"folder"}
    assert [Artefacts(tmp_path).get(name) for name in names] == [b"one", b"two"]


def _kind(descriptor: int) -> str:
    return "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"


@pytest.mark.parametrize("broken", ["_flush_all", "_write_new"])
def test_a_failure_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def full(*_: Sequence[object]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"curation.atomic.{broken}", full)
    with pytest.raises(OSError, match="No space"):
        Artefacts(tmp_path).put_many([b"one", b"two"])
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
