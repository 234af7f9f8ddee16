"""Hugging Face data sets: pinned to a commit, read as data only, the bytes kept, nothing fetched twice."""

from __future__ import annotations

import asyncio
import functools
import io
import json
import socket
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pydantic import ValidationError

from curation.collecting.hugging_face import HuggingFaceSettings, HuggingFaceSource
from curation.collecting.port import Fetched
from curation.errors import PrerequisiteError, Reason, Rejected, TransientError
from curation.records import ImageCandidate, Subject
from tests.loopback import Answer, Loopback, Seen

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CARD = "---\nlicense: cc-by-sa-4.0\nother: [1\n---\n# Birds\n"


def picture(shade: int) -> bytes:
    """Return a PNG with a comment at its end, which decoding and encoding again would lose."""
    out = io.BytesIO()
    Image.new("L", (8, 8), shade).save(out, "PNG")
    return out.getvalue() + b"kept as it is"


def made(folder: Path, name: str = "data/train-0.parquet", **more: Any) -> Path:
    """Write a data set of three pictures as the hub has them: Image, ClassLabel and text columns."""
    columns = {
        "image": [{"bytes": picture(shade), "path": f"{shade}.png"} for shade in (10, 20, 30)],
        "label": [1, 0, 1],
        "text": ["A grey owl", "A kingfisher", None],
        "license": ["cc-by-4.0", "CC BY-NC 2.0", None],
        **more,
    }
    kinds = {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=["Kingfisher", "Owl"]),
        "text": datasets.Value("string"),
        "license": datasets.Value("string"),
        **{key: datasets.Value("string") for key in more if key not in ("image", "label", "text", "license")},
    }
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    datasets.Dataset.from_dict(columns, features=datasets.Features(kinds)).to_parquet(str(folder / name))
    return folder


def source(folder: Path | None, cache: Path, **settings: Any) -> HuggingFaceSource:
    values = {"columns": {"subject": "label"}, "category": "aerial_animals", **settings}
    return HuggingFaceSource(
        HuggingFaceSettings(repo="ann/birds", revision=COMMIT, snapshot=folder, cache=cache, **values)
    )


def listed(source: HuggingFaceSource) -> tuple[list[Subject], list[Rejected], list[ImageCandidate]]:
    async def walk() -> tuple[list[Subject], list[Rejected], list[ImageCandidate]]:
        found = [one async for one in source.subjects()]
        subjects = [one for one in found if isinstance(one, Subject)]
        offers = [offer for subject in subjects for offer in await source.search(subject)]
        return subjects, [one for one in found if isinstance(one, Rejected)], offers

    return asyncio.run(walk())


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a data set on disk was looked for on the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/pr/1", COMMIT[:7], COMMIT.upper(), COMMIT + "0"])
def test_only_a_commit_is_a_revision(revision: str) -> None:
    with pytest.raises(ValidationError, match=r"can move; give the 40 hexadecimal digits"):
        HuggingFaceSettings(repo="ann/birds", revision=revision)


@pytest.mark.parametrize("files", [("../*.parquet",), ("/data/*.parquet",), ("**/*.py",), ()])
def test_only_parquet_files_of_the_data_set_are_asked_for(files: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError, match="files"):
        HuggingFaceSettings(repo="ann/birds", revision=COMMIT, files=files)


@pytest.mark.usefixtures("no_network")
def test_rows_become_subjects_and_the_bytes_are_kept(tmp_path: Path) -> None:
    made(tmp_path / "set")
    (tmp_path / "set" / "README.md").write_text(CARD.replace("other: [1\n", ""))
    birds = source(tmp_path / "set", tmp_path / "cache")
    subjects, rejected, offers = listed(birds)
    assert [(one.name, one.source_text) for one in subjects] == [("Owl", "A grey owl")]
    assert [(one.reason, one.detail) for one in rejected] == [
        (Reason.NO_SOURCE_TEXT, "Kingfisher: none of its texts has an allowed licence")
    ]
    assert [(one.locator, one.licence_text) for one in offers] == [
        ("data/train-0.parquet#0", "cc-by-4.0"),
        ("data/train-0.parquet#2", None),
    ]
    page = f"https://huggingface.co/datasets/ann/birds/blob/{COMMIT}/data/train-0.parquet"
    assert {one.source_page for one in offers} == {page}
    told = json.loads(offers[0].metadata)
    assert (told["card_licence"], told["revision"], told["label"]) == ("cc-by-sa-4.0", COMMIT, "Owl")
    assert [asyncio.run(birds.fetch(one)) for one in offers] == [Fetched(picture(10)), Fetched(picture(30))]
    assert listed(source(tmp_path / "set", tmp_path / "cache"))[2] == offers


def test_settings_fill_empty_cells_and_the_cards_licence_does_not(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "README.md").write_text(CARD)
    _, _, offers = listed(source(tmp_path, tmp_path / "cache", licence="CC0", author="Ann"))
    assert sorted(one.licence_text or "" for one in offers) == ["CC BY-NC 2.0", "CC0", "cc-by-4.0"][1:]
    assert {one.author for one in offers} == {"Ann"}


def test_a_data_set_of_labels_takes_its_texts_from_a_list(tmp_path: Path) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("subject,text,licence\nKingfisher,It dives for fish.,CC0\n")
    subjects, _, offers = listed(
        source(made(tmp_path / "set"), tmp_path / "cache", texts=texts, licence="CC0")
    )
    assert [(one.name, one.source_text) for one in subjects][1] == ("Kingfisher", "It dives for fish.")
    assert len(offers) == 3


def test_a_path_in_place_of_bytes_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(0))
    made(tmp_path / "set")
    file = tmp_path / "set" / "data" / "train-0.parquet"
    table = pq.read_table(file)
    values = [{"bytes": None, "path": str(secret)}, {"bytes": None, "path": "http://127.0.0.1/x.png"}, None]
    column = pa.array(values, type=table.schema.field("image").type)
    pq.write_table(table.set_column(0, table.schema.field("image"), column), file)
    birds = source(tmp_path / "set", tmp_path / "cache")
    _, _, offers = listed(birds)
    outs = [asyncio.run(birds.fetch(one)) for one in offers]
    assert [out.reason for out in outs if isinstance(out, Rejected)] == [Reason.FETCH_FAILED] * 2


@pytest.mark.parametrize(
    "locator", ["data/train-0.parquet#9", "data/train-0.parquet#-1", "../x.parquet#0", "x", "#0"]
)
def test_what_is_not_in_the_data_set_is_said(tmp_path: Path, locator: str) -> None:
    birds = source(made(tmp_path), tmp_path / "cache")
    offer = listed(birds)[2][0].model_copy(update={"locator": locator})
    out = asyncio.run(birds.fetch(offer))
    assert isinstance(out, Rejected)
    assert (out.key, out.reason) == (offer.image_id, Reason.FETCH_FAILED)


def test_a_plain_column_of_bytes_and_several_files_will_do(tmp_path: Path) -> None:
    for name, shade in (("b.parquet", 2), ("a.parquet", 1)):
        pq.write_table(
            pa.table({"jpg": [picture(shade)], "subject": ["Owl"], "text": ["An owl"]}), tmp_path / name
        )
    birds = source(tmp_path, tmp_path / "cache", columns={"image": "jpg"}, licence="CC0")
    _, rejected, offers = listed(birds)
    assert (rejected, [one.locator for one in offers]) == ([], ["a.parquet#0", "b.parquet#0"])
    assert [asyncio.run(birds.fetch(one)) for one in offers] == [Fetched(picture(1)), Fetched(picture(2))]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"columns": {"image": "photo"}}, "no column 'photo'.*set columns.image"),
        ({"columns": {"subject": "bird"}}, "no column 'bird' for subject"),
        ({"files": ("test/*.parquet",)}, "has no test/"),
        ({"revision": "f" * 40}, f"files of commit {COMMIT}"),
    ],
)
def test_what_does_not_fit_is_said_with_the_fix(tmp_path: Path, settings: dict[str, Any], told: str) -> None:
    folder = made(tmp_path / "snapshots" / COMMIT)
    values = {
        "repo": "ann/birds",
        "revision": COMMIT,
        "snapshot": folder,
        "cache": tmp_path / "cache",
        **settings,
    }
    with pytest.raises(PrerequisiteError, match=told):
        listed(HuggingFaceSource(HuggingFaceSettings(**values)))


@pytest.mark.parametrize("name", ["train.py", "damaged.parquet"])
def test_code_is_never_run_and_damage_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PAR1 raise SystemExit(99)")
    with pytest.raises(PrerequisiteError, match=r"correct files|fetch it again"):
        listed(source(tmp_path, tmp_path / "cache"))


class Hub:
    """Answers as the hub does for one data set: its commit's file list, then each file with its hash."""

    def __init__(self, folder: Path, server: Loopback) -> None:
        self._files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*")}
        self.downloads: list[str] = []
        self.tokens: set[str] = set()
        server.script("/*", self.answer)

    def answer(self, seen: Seen) -> Answer:
        self.tokens.add(seen.headers.get("authorization", ""))
        if seen.path == f"/api/datasets/ann/birds/revision/{COMMIT}":
            files = [{"rfilename": name, "size": len(data)} for name, data in self._files.items()]
            body = {
                "id": "ann/birds",
                "sha": COMMIT,
                "siblings": files,
                "tags": [],
                "private": False,
                "downloads": 1,
            }
            return Answer(json.dumps(body).encode(), media_type="application/json")
        if seen.path.startswith(f"/api/datasets/ann/birds/tree/{COMMIT}"):
            files = [
                {"type": "file", "path": name, "size": len(data), "oid": "a" * 40}
                for name, data in self._files.items()
            ]
            return Answer(json.dumps(files).encode(), media_type="application/json")
        name = seen.path.removeprefix(f"/datasets/ann/birds/resolve/{COMMIT}/")
        if name not in self._files:
            return Answer(b"", 404, {"X-Error-Code": "RepoNotFound"})
        data = self._files[name]
        headers = {"ETag": f'"{len(data):040d}"', "X-Repo-Commit": COMMIT}
        if seen.method == "HEAD":
            told = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"HTTP/1.1 200 OK\r\n{told}Content-Length: {len(data)}\r\nConnection: close\r\n\r\n"
            return Answer(raw=head.encode())
        self.downloads.append(name)
        return Answer(data, headers=headers, media_type="application/octet-stream")


def test_a_commit_is_downloaded_once_without_code_or_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path / "hub")
    (tmp_path / "hub" / "birds.py").write_text("raise SystemExit(99)")
    (tmp_path / "hub" / "README.md").write_text(CARD)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Loopback() as server:
        hub = Hub(tmp_path / "hub", server)
        here = functools.partial(huggingface_hub.snapshot_download, endpoint=server.url(""))
        monkeypatch.setattr(huggingface_hub, "snapshot_download", here)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        birds = source(None, tmp_path / "cache")
        _, _, offers = listed(birds)
        assert asyncio.run(birds.fetch(offers[0])) == Fetched(picture(10))
        assert sorted(hub.downloads) == ["README.md", "data/train-0.parquet"]
        assert listed(source(None, tmp_path / "cache"))[2] == offers
        assert len(hub.downloads) == 2
        assert hub.tokens == {""}
        with pytest.raises(PrerequisiteError, match="no open data set bob/birds"):
            listed(
                HuggingFaceSource(
                    HuggingFaceSettings(repo="bob/birds", revision=COMMIT, cache=tmp_path / "c")
                )
            )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(TransientError, match="run again"):
        listed(source(None, tmp_path / "other"))


def test_a_connection_that_breaks_is_for_a_later_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("time.sleep", lambda _: None)  # the hub's client tries five times, 23 seconds in all
    with Loopback() as server:
        server.script("/*", lambda _: Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"))
        here = functools.partial(huggingface_hub.snapshot_download, endpoint=server.url(""))
        monkeypatch.setattr(huggingface_hub, "snapshot_download", here)
        with pytest.raises(TransientError, match=r"ann/birds could not be downloaded .*; run again"):
            listed(source(None, tmp_path / "cache"))
