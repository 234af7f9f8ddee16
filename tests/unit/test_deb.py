"""The reader of Debian packages takes what it is asked for and nothing else."""

from pathlib import Path

import pytest

from curation.collecting.deb import read_files
from curation.errors import IntegrityError
from tests.archives import build_deb

FILES = {"usr/share/a.rcc": b"A" * 100_001, "usr/share/b.rcc": b"B", "etc/passwd": b"no"}


@pytest.mark.parametrize("kind", ["xz", "zst"])
def test_the_wanted_files_come_out(tmp_path: Path, kind: str) -> None:
    package = build_deb(tmp_path / "p.deb", FILES, kind)
    assert dict(read_files(package, ["usr/share/a.rcc", "usr/share/b.rcc", "missing"])) == {
        "usr/share/a.rcc": FILES["usr/share/a.rcc"],
        "usr/share/b.rcc": b"B",
    }


def test_a_link_is_never_followed(tmp_path: Path) -> None:
    package = build_deb(tmp_path / "p.deb", {}, links={"usr/share/a.rcc": "/etc/passwd"})
    assert dict(read_files(package, ["usr/share/a.rcc"])) == {}


@pytest.mark.parametrize("kind", ["xz", "zst"])
def test_a_cut_package_is_damaged(tmp_path: Path, kind: str) -> None:
    package = build_deb(tmp_path / "p.deb", FILES, kind)
    package.write_bytes(package.read_bytes()[:-60])
    with pytest.raises(IntegrityError):
        list(read_files(package, FILES))


def test_a_flipped_byte_is_damage(tmp_path: Path) -> None:
    package = build_deb(tmp_path / "p.deb", FILES)
    data = bytearray(package.read_bytes())
    data[len(data) // 2 + 40] ^= 0xFF
    package.write_bytes(bytes(data))
    with pytest.raises(IntegrityError):
        list(read_files(package, FILES))


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"!<arch>\n", b"!<arch>\n" + b"x" * 60])
def test_another_file_is_no_package(tmp_path: Path, data: bytes) -> None:
    package = tmp_path / "p.deb"
    package.write_bytes(data)
    with pytest.raises(IntegrityError, match="not a Debian package"):
        list(read_files(package, FILES))


def test_an_unknown_compression_is_said(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"data\.tar\.xz"):
        list(read_files(build_deb(tmp_path / "p.deb", FILES, "bz2"), FILES))


@pytest.mark.parametrize("kind", ["xz", "zst"])
def test_a_bomb_ends_the_work(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.collecting.deb._MAX_UNPACKED", 1_000_000)
    package = build_deb(tmp_path / "p.deb", {"big": b"\0" * 30_000_000}, kind)
    with pytest.raises(IntegrityError, match="unpacks to more"):
        list(read_files(package, ["big"]))


def test_one_file_may_not_be_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.collecting.deb._MAX_FILE", 1000)
    with pytest.raises(IntegrityError, match="more than 1000"):
        list(read_files(build_deb(tmp_path / "p.deb", FILES), FILES))
