"""Immutable files: atomic, verified, by content."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from curation.atomic import write_atomic, write_many_atomic
from curation.drafting.llm import AnswerNote
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import sha256_bytes
from warehouse.artefacts import Artefacts, Responses


def test_what_is_put_is_got(tmp_path: Path) -> None:
    kept = Artefacts(tmp_path)
    sha256 = kept.put(b"bytes")
    assert kept.get(sha256) == b"bytes"
    assert kept.put(b"bytes") == sha256


def test_a_damaged_artefact_is_named(tmp_path: Path) -> None:
    kept = Artefacts(tmp_path)
    sha256 = kept.put(b"bytes")
    kept.path(sha256).write_bytes(b"other")
    with pytest.raises(IntegrityError, match=sha256):
        kept.get(sha256)


def test_a_missing_artefact_is_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="missing"):
        Artefacts(tmp_path).get("a" * 64)


@pytest.mark.parametrize("name", ["../../etc/passwd", "A" * 64, "a" * 63, ""])
def test_only_a_hash_is_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a sha256"):
        Artefacts(tmp_path).path(name)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def note(data: bytes) -> AnswerNote:
    return AnswerNote(answer=sha256_bytes(data), at="2026-01-01T00:00:00Z", cost=Decimal("0.01"))


def test_an_answer_is_found_by_its_request(tmp_path: Path) -> None:
    responses = Responses(Artefacts(tmp_path))
    request, data = "b" * 64, b'{"raw": 1}'
    assert (responses.get(request), responses.sent(request)) == (None, False)

    async def keep() -> None:
        await responses.mark_sent(request, Decimal("0.02"))
        await responses.put(request, data, note(data))

    asyncio.run(keep())
    again = Responses(Artefacts(tmp_path))
    assert again.get(request) == data
    assert list(again.all()) == [(request, note(data), ())]


def test_each_try_that_may_be_charged_is_remembered(tmp_path: Path) -> None:
    responses = Responses(Artefacts(tmp_path))
    request = "c" * 64

    async def tries() -> None:
        await responses.mark_sent(request, Decimal(1))
        await responses.mark_sent(request, Decimal(2))
        await responses.unmark_sent(request)

    asyncio.run(tries())
    assert responses.tries(request) == (Decimal(1),)
    asyncio.run(responses.unmark_sent(request))
    assert not responses.sent(request)


def test_a_try_that_was_lost_stays_beside_the_answer_of_another(tmp_path: Path) -> None:
    responses = Responses(Artefacts(tmp_path))
    request, amounts = "c" * 64, (Decimal(1), None)

    async def tries() -> None:
        for worst in amounts:
            await responses.mark_sent(request, worst)
        assert list(responses.all()) == [(request, None, amounts)]
        await responses.put(request, b"x", note(b"x"))

    asyncio.run(tries())
    assert list(responses.all()) == [(request, note(b"x"), amounts)]


def test_many_answers_share_a_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []

    def counted(files: dict[Path, bytes]) -> None:
        flushes.append(len(files))
        write_many_atomic(files)

    monkeypatch.setattr("warehouse.artefacts.write_many_atomic", counted)
    responses = Responses(Artefacts(tmp_path))

    async def keep() -> None:
        await asyncio.gather(*(responses.put(f"{n:064x}", b"%d" % n, note(b"%d" % n)) for n in range(50)))

    asyncio.run(keep())
    assert sum(flushes) == 100
    assert len(flushes) <= 3
    assert len(list(responses.all())) == 50


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    path = tmp_path / "responses" / "dd" / f"{'d' * 64}.answer"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"{}")
    with pytest.raises(IntegrityError, match="delete it"):
        Responses(Artefacts(tmp_path)).get("d" * 64)


@pytest.mark.parametrize("data", [b"NaN\n", b"-1\n", b"much\n", b"\xff\n"])
def test_a_damaged_mark_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "responses" / "dd" / f"{'d' * 64}.sent"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="delete it"):
        Responses(Artefacts(tmp_path)).tries("d" * 64)


def test_a_mark_that_a_power_cut_left_empty_is_a_try(tmp_path: Path) -> None:
    path = tmp_path / "responses" / "dd" / f"{'d' * 64}.sent"
    path.parent.mkdir(parents=True)
    path.touch()
    assert Responses(Artefacts(tmp_path)).tries("d" * 64) == (None,)


def test_a_full_disk_is_told_to_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: dict[Path, bytes]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("warehouse.artefacts.write_many_atomic", full)
    responses = Responses(Artefacts(tmp_path))

    async def keep() -> list[object]:
        waiting = [responses.put(f"{n:064x}", b"x", note(b"x")) for n in range(5)]
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    assert [type(one) for one in asyncio.run(keep())] == [PrerequisiteError] * 5
