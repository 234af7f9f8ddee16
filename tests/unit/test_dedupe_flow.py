"""The dedupe stage on a project: what is dropped, what waits for people, what people's rulings change."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from curation.deduplicating import checking
from curation.deduplicating.copies import encoded
from curation.errors import PrerequisiteError
from curation.ids import sha256_bytes
from curation.records import ImageRole, Outcome, Subject
from flows.dedupe import dedupe, rule, unique_pictures
from flows.ledger import picture_outcome
from flows.settings import Settings
from tests.samples import accepted, item_image, make_item, picture
from tests.sources import collected
from tests.unit.pictures import scenery
from tests.unit.test_stream import Source, offer, subject
from warehouse.artefacts import Artefacts
from warehouse.freeze import Selection, freeze
from warehouse.store import open_store, read_store, record_event

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(300), pytest.mark.usefixtures("prefect")]


def marked(base: Image.Image) -> Image.Image:
    ImageDraw.Draw(base).rectangle((200, 150, 290, 200), "white")
    return base


def project(folder: Path) -> Settings:
    """Make a project: a photograph, its smaller copy, its crop, one with a mark; and two others."""
    one = scenery(1, (640, 480))
    answers = {
        "a-0": one,
        "a-1": one.resize((320, 240)),
        "a-2": one.crop((64, 0, 640, 432)),
        "a-3": marked(scenery(2)),
        "b-0": scenery(2),
        "b-1": scenery(3),
    }
    shelf = Artefacts(folder)
    with open_store(folder) as store:
        for name in ("a", "b"):
            store.append([record_event("subject", name, found := subject(name))])
            assert isinstance(found, Subject)
        for key, made in answers.items():
            source = Source({key[0]: [encoded(made)]})
            asset = collected(source, offer(f"{key[0]}-0", key[0]), shelf.put)
            asset = asset.model_copy(update={"image_id": key})  # type: ignore[union-attr]
            kept = picture_outcome(key, "building", Outcome.KEPT)
            store.append([record_event("image", key, asset), kept])
    return Settings(home=folder, workers=2, dedupe={"rulings": folder / "decisions" / "duplicates.toml"})  # type: ignore[arg-type]


def left(settings: Settings) -> list[str]:
    with read_store(settings.home) as store:
        return [asset.image_id for asset in unique_pictures(store)]


def payloads(settings: Settings, kind: str) -> dict[str, dict[str, object]]:
    with read_store(settings.home) as store:
        return store.payloads(kind)


def test_copies_go_doubts_stay_and_rulings_are_obeyed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = project(tmp_path)
    (count,) = dedupe(settings)
    assert (count.incoming, count.kept, count.rejected, count.pending) == (6, 4, {"near_duplicate": 2}, 0)
    assert left(settings) == ["a-0", "a-3", "b-0", "b-1"]
    assert "pairs in doubt: 1" in capsys.readouterr().out
    assert payloads(settings, "pair")["a-0/a-2"]["transform"] == "cropped"
    with read_store(settings.home) as store:
        details = dict(store.rows("SELECT key, detail FROM outcome WHERE stage = 'dedupe' AND detail <> ''"))
    assert details["a-2"].startswith(
        "cropped: the same photograph: the dropped one is the part of the kept one"
    )
    table = (tmp_path / "galleries" / "leakage.csv").read_text()
    assert "subjects,a-3,b-0,a,b,review" in table

    rule(settings, "a-0", "a-1", "different", note="kept on purpose", who="ada")
    rule(settings, "a-3", "b-0", "same", who="ada")
    looks: list[object] = []
    monkeypatch.setattr(checking.Checker, "check", lambda _, pair: looks.append(pair))
    dedupe(settings)
    assert looks == []  # nothing that was looked at is looked at again
    assert left(settings) == ["a-0", "a-1", "b-0", "b-1"] or left(settings) == ["a-0", "a-1", "a-3", "b-1"]
    assert payloads(settings, "pair")["a-3/b-0"]["ruled"] is True
    assert "pairs in doubt: 0" in capsys.readouterr().out


def test_a_ruling_needs_two_pictures_that_are_there(tmp_path: Path) -> None:
    settings = project(tmp_path)
    with pytest.raises(PrerequisiteError, match="there is no picture a-9"):
        rule(settings, "a-0", "a-9", "same")
    with pytest.raises(PrerequisiteError, match="same bytes"):
        rule(settings, "a-0", "a-0", "same")


def test_a_picture_of_an_earlier_release_is_told(tmp_path: Path) -> None:
    settings = project(tmp_path)
    old = encoded(scenery(3).resize((300, 225)))
    plain = {sha256_bytes(picture(n)): picture(n) for n in range(40)}
    shown = item_image(ImageRole.EDIT, old, "old")
    item = make_item(1)
    item = item.model_copy(update={"images": (shown, *item.images[1:])})
    shelf = plain | {shown.sha256: old}
    freeze(settings.releases, "0.1.0", Selection([accepted(item)], "rules", False), shelf.__getitem__)
    dedupe(settings)
    lines = (tmp_path / "galleries" / "leakage.csv").read_text().splitlines()
    assert [line.split(",")[:5] for line in lines if line.startswith("release")] == [
        ["release", "b-1", shown.image_id, "b", "0.1.0 eval: item-1 (edit)"]
    ]
    assert left(settings) == ["a-0", "a-3", "b-0", "b-1"]
