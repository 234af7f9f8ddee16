"""The folder of a batch: what a kill leaves there, and ids that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.drafting.batches.folder import BatchFolder, checked_id, clear_unfinished, next_number
from curation.drafting.batches.records import Asked, Ended, Fate, Intent
from curation.errors import IntegrityError, TransientError

KEY = "b" * 64


def made(root: Path, number: int = 1) -> BatchFolder:
    lines = root / "lines.jsonl"
    lines.parent.mkdir(parents=True, exist_ok=True)
    lines.write_bytes(b"{}\n")
    asked = (Asked(request_sha256=KEY, prompt_id="p.v1"),)
    intent = Intent(number=number, token="0" * 32, url="/v1/responses", model="m", at="now", asked=asked)
    return BatchFolder.make(root, intent, lines)


def test_a_folder_without_its_intent_was_never_sent(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "000002").mkdir()
    (tmp_path / "000002" / "input.jsonl").write_bytes(b"{}")
    assert [folder.intent.number for folder in BatchFolder.all(tmp_path)] == [1]
    assert next_number(tmp_path) == 3
    clear_unfinished(tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["000001"]


def test_every_step_is_found_again(tmp_path: Path) -> None:
    folder = made(tmp_path)
    assert (folder.file_id, folder.batch_id, folder.submitting_since, folder.ended) == (None,) * 4
    folder.note_uploaded("file-1")
    folder.note_submitting()
    folder.note_batch("batch_1")
    (again,) = BatchFolder.all(tmp_path)
    assert (again.file_id, again.batch_id) == ("file-1", "batch_1")
    assert again.submitting_since is not None
    again.note_ended(Ended(status="completed", at="now", fates={KEY: Fate.ANSWERED}))
    assert not folder.input.exists()
    assert folder.ended is not None


@pytest.mark.parametrize("value", ["", "../x", "a/b", "a b", "a\n", "é", "x" * 2000, "..", "a?b", "%2e"])
def test_an_id_that_is_none(value: str) -> None:
    with pytest.raises(TransientError):
        checked_id(value)


def test_a_damaged_file_stops(tmp_path: Path) -> None:
    folder = made(tmp_path)
    (folder.path / "batch.json").write_bytes(b'{"id"')
    with pytest.raises(IntegrityError, match=r"batch\.json is damaged"):
        _ = folder.batch_id
