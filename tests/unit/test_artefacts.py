"""Immutable files: atomic, verified, by content."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.atomic import write_atomic
from curation.errors import IntegrityError
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


def test_an_answer_is_found_by_its_request(tmp_path: Path) -> None:
    responses = Responses(Artefacts(tmp_path))
    request = "b" * 64
    assert (responses.get(request), responses.sent(request)) == (None, False)
    responses.mark_sent(request)
    responses.put(request, b'{"raw": 1}')
    assert Responses(Artefacts(tmp_path)).get(request) == b'{"raw": 1}'
    assert responses.sent(request)
