"""Record files: whole or set aside, each record once, whoever writes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import zstandard

from curation.errors import IntegrityError
from curation.records import ProbeKind
from eval.records import EvalRecord, Step
from eval.storage import block_path, present_keys, read_records, write_block
from tests.unit.eval_records import record_of

ONE = {ProbeKind.T_REL: [(1, 2)]}


def block(*cases: str) -> list[EvalRecord]:
    return [record_of(case, "IKE", ONE) for case in cases]


def keys(records: list[EvalRecord]) -> set[str]:
    return {record.key for record in records}


def test_records_survive_their_file_and_steps_are_records_of_their_own(tmp_path: Path) -> None:
    records = [*block("a"), record_of("a", "IKE", ONE, step=Step(order="o", position=0, later=3))]
    write_block(tmp_path, records)
    assert sorted(read_records(tmp_path), key=str) == sorted(records, key=str)
    assert present_keys(tmp_path) == keys(records)
    assert len(keys(records)) == 2


def test_same_records_in_any_order_are_the_same_file(tmp_path: Path) -> None:
    records = block("a", "b", "c")
    path = write_block(tmp_path, records)
    data = path.read_bytes()
    assert write_block(tmp_path, records[::-1]) == path == block_path(tmp_path, keys(records))
    assert path.read_bytes() == data


def damaged(data: bytes) -> list[bytes]:
    """Return what a block may become: cut, changed, longer, emptied, or another's."""
    text = zstandard.ZstdDecompressor().decompress(data)
    pack = zstandard.ZstdCompressor().compress
    return [
        data[:-1], data[:40], b"", data + data, data[:60] + bytes([data[60] ^ 1]) + data[61:],
        pack(text[: len(text) // 2]), pack(text.splitlines()[0]), pack(text.replace(b'"Oslo"', b'"Rome"')),
        pack(b"\xff\xfe"), pack(text.replace(b"IKE", b"KEI")), pack(b""),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(11))
def test_a_damaged_file_is_set_aside_and_nothing_else_is_lost(tmp_path: Path, number: int) -> None:
    bad, good = write_block(tmp_path, block("a", "b")), block("c", "d")
    write_block(tmp_path, good)
    bad.write_bytes(damaged(bad.read_bytes())[number])
    assert present_keys(tmp_path) == keys(good)
    assert not bad.exists()
    assert bad.with_name(bad.name + ".damaged").is_file()
    assert keys(list(read_records(tmp_path))) == keys(good)
    write_block(tmp_path, block("a", "b"))
    assert len(present_keys(tmp_path)) == 4


def test_a_block_that_claims_to_be_huge_is_not_unpacked(tmp_path: Path) -> None:
    path = write_block(tmp_path, block("a"))
    # A frame header with an 8-byte content size of 2^60, and nothing after it.
    path.write_bytes(b"\x28\xb5\x2f\xfd\xe0" + (1 << 60).to_bytes(8, "little"))
    assert present_keys(tmp_path) == set()


def test_a_record_in_two_blocks_is_read_once(tmp_path: Path) -> None:
    write_block(tmp_path, block("a", "b"))
    write_block(tmp_path, block("b", "c"))
    read = [record.case.case_id for record in read_records(tmp_path)]
    assert sorted(read) == ["a", "b", "c"]
    assert read == [record.case.case_id for record in read_records(tmp_path)]


def test_asked_for_keys_are_all_there_or_an_error(tmp_path: Path) -> None:
    records = block("a", "b")
    write_block(tmp_path, records)
    assert list(read_records(tmp_path, [records[0].key])) == records[:1]
    with pytest.raises(IntegrityError, match="1 records are missing"):
        list(read_records(tmp_path, [records[0].key, "0" * 64]))


@pytest.mark.parametrize("records", [[], block("a", "a")])
def test_a_block_is_not_empty_and_has_no_key_twice(tmp_path: Path, records: list[EvalRecord]) -> None:
    with pytest.raises(ValueError, match="at least one record"):
        write_block(tmp_path, records)


def test_an_empty_folder_has_no_records(tmp_path: Path) -> None:
    assert present_keys(tmp_path) == frozenset()
    assert list(read_records(tmp_path)) == []


def _write_many(out: Path, first: int) -> None:
    for number in range(first, first + 12):
        write_block(out, block(f"{number}", f"{number + 1}"))
        present_keys(out)


def test_two_processes_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write_many, args=(tmp_path, first)) for first in (0, 4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sorted(int(record.case.case_id) for record in read_records(tmp_path)) == list(range(17))
    assert not list((tmp_path / "records").glob("*.damaged"))
