"""The reader of Qt resource archives: three formats, three packings, and nothing hostile gets through."""

import struct

import pytest

from curation.collecting.rcc import RccArchive
from curation.errors import IntegrityError
from tests.archives import build_rcc

FILES = {"gcompris/src/a/README": b"Copyright: me", "gcompris/src/a/image/b.webp": b"B" * 5000}


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("packing", ["", "zlib", "zstd"])
def test_files_come_out_as_they_went_in(version: int, packing: str) -> None:
    archive = RccArchive(build_rcc(FILES, version, packing), "a.rcc")
    assert archive.paths == tuple(sorted(FILES))
    assert {path: archive.read(path) for path in archive.paths} == FILES


def test_a_file_that_is_not_there_is_said_so() -> None:
    with pytest.raises(FileNotFoundError, match=r"a\.rcc"):
        RccArchive(build_rcc(FILES), "a.rcc").read("nowhere")


def test_every_cut_archive_is_damaged() -> None:
    data = build_rcc(FILES, packing="zlib")
    for end in range(0, len(data), 7):
        with pytest.raises(IntegrityError):
            archive = RccArchive(data[:end], "cut.rcc")
            [archive.read(path) for path in archive.paths]


@pytest.mark.parametrize("name", ["..", ".", "a\\b", "a\0b", ""])
def test_names_that_play_tricks_are_refused(name: str) -> None:
    with pytest.raises(IntegrityError, match="name"):
        RccArchive(build_rcc({f"good/{name}": b"x"}), "a.rcc")


def test_a_slash_inside_a_name_is_refused() -> None:
    data = build_rcc({"folder/name": b"x"}).replace("name".encode("utf-16-be"), "n/me".encode("utf-16-be"))
    with pytest.raises(IntegrityError, match="name"):
        RccArchive(data, "a.rcc")


def test_a_folder_that_contains_itself_is_a_loop() -> None:
    data = bytearray(build_rcc({"folder/name": b"x"}))
    tree = struct.unpack_from(">I", data, 8)[0]
    struct.pack_into(">II", data, tree + 22 + 6, 1, 1)  # the folder's only child becomes the folder
    with pytest.raises(IntegrityError, match="loop"):
        RccArchive(bytes(data), "a.rcc")


def test_a_folder_with_billions_of_entries_is_refused() -> None:
    data = bytearray(build_rcc({"folder/name": b"x"}))
    tree = struct.unpack_from(">I", data, 8)[0]
    struct.pack_into(">II", data, tree + 6, 0xFFFFFFFF, 0)
    with pytest.raises(IntegrityError):
        RccArchive(bytes(data), "a.rcc")


@pytest.mark.parametrize("packing", ["zlib", "zstd"])
def test_a_bomb_is_not_unpacked(packing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.collecting.rcc._MAX_FILE", 100_000)
    archive = RccArchive(build_rcc({"bomb": b"\0" * 10_000_000}, packing=packing), "a.rcc")
    with pytest.raises(IntegrityError, match="larger"):
        archive.read("bomb")


def test_another_format_is_named() -> None:
    data = bytearray(build_rcc(FILES))
    struct.pack_into(">I", data, 4, 9)
    with pytest.raises(IntegrityError, match="format 9"):
        RccArchive(bytes(data), "a.rcc")
