"""A Hugging Face data set at a pinned commit: Parquet files only, the pictures' bytes kept as they are."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field, field_validator

from curation.collecting.list_files import read_texts
from curation.collecting.list_rows import COLUMNS, Row, check_columns, column_names, row_of
from curation.collecting.listed import Listing
from curation.collecting.parquet_pictures import ParquetPictures
from curation.collecting.port import Fetched
from curation.collecting.snapshots import card_licence, snapshot_folder
from curation.errors import PrerequisiteError, Reason, Rejected
from curation.licences import DEFAULT_ALLOWED
from curation.records import Category, ImageCandidate, Record, Subject
from curation.taxonomy import load_taxonomy

Column = Literal["image", "caption", "key", "subject", "category", "fine_type", "licence", "author", "page"]


class HuggingFaceSettings(Record):
    """One `[[sources]]` table of kind hugging_face.

    repo: owner/name. revision: the commit, 40 hexadecimal digits. files: which Parquet files, as globs.
    snapshot: a folder that has the files of that commit; without it they are downloaded into cache.
    columns: our name to the data set's. texts: a list (csv, tsv, JSON, Parquet) of what is said of the
    subjects (subject, caption, licence, author, page), for data sets of labels without texts. The other
    fields hold for every row whose own cell is empty; what the data set's card says of the licence is
    recorded, but is not taken for the pictures' licence.
    """

    kind: Literal["hugging_face"] = "hugging_face"
    name: str = Field(default="hugging_face", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    repo: str = Field(pattern=r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$")
    revision: str
    files: tuple[str, ...] = Field(default=("**/*.parquet",), min_length=1)
    snapshot: Path | None = None
    cache: Path = Path(".cache/hugging_face")
    texts: Path | None = None
    columns: dict[Column, str] = Field(default_factory=dict)
    subject: str = ""
    category: str = ""
    fine_type: str = ""
    licence: str = ""
    author: str = ""

    @field_validator("revision")
    @classmethod
    def _pinned(cls, revision: str) -> str:
        if not re.fullmatch(r"[0-9a-f]{40}", revision):
            raise ValueError(
                f"{revision[:60]!r} is no commit: a branch or a tag can move; give the 40 hexadecimal digits "
                "that the data set's page shows under Files and versions, History"
            )
        return revision

    @field_validator("files")
    @classmethod
    def _parquet(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in files:
            path = PurePosixPath(pattern)
            if path.is_absolute() or ".." in path.parts or path.suffix != ".parquet":
                raise ValueError(f"{pattern!r} names no Parquet files below the data set; end it in .parquet")
        return files


class HuggingFaceSource:
    """The pictures of a data set; its rows make subjects and pictures as those of a URL list do.

    Nothing of the data set is run: of all its files only Parquet is read, and the card as text. A picture
    whose row holds a path or an address in place of its bytes is refused.
    """

    def __init__(
        self,
        settings: HuggingFaceSettings,
        taxonomy: Mapping[str, Category] | None = None,
        allowed: Collection[str] = DEFAULT_ALLOWED,
    ) -> None:
        """Remember what is needed; nothing is read or downloaded yet."""
        self._settings = settings
        self._pictures: dict[str, ParquetPictures] = {}
        table = load_taxonomy() if taxonomy is None else taxonomy
        texts = partial(read_texts, settings.texts) if settings.texts else None
        self._listing = Listing(settings.name, self._page(""), self._rows, table, allowed, texts)

    @property
    def name(self) -> str:
        """Return the source's name as it stands in records."""
        return self._settings.name

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield the subjects in the order in which the data set first names them, then the refused rows.

        Raises PrerequisiteError when the data set is not there or has no pictures, TransientError when it
        could not be downloaded this time.
        """
        await asyncio.to_thread(self._listing.prepare)  # other sources go on meanwhile
        for one in self._listing.subjects():
            yield one

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures that the data set has of a subject, in its order."""
        return self._listing.candidates(subject)

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return the bytes of a picture as the data set has them."""
        file, _, number = candidate.locator.rpartition("#")
        await asyncio.to_thread(self._listing.prepare)
        pictures = self._pictures.get(file)
        if pictures is None or not number.isdecimal():
            return Rejected(
                candidate.image_id, Reason.FETCH_FAILED, f"{candidate.locator} is not in the data set"
            )
        data = await asyncio.to_thread(pictures.picture, int(number))
        if data is None:
            told = f"{candidate.locator} holds no bytes of a picture; a path or an address is not followed"
            return Rejected(candidate.image_id, Reason.FETCH_FAILED, told)
        return Fetched(data)

    def _page(self, file: str) -> str:
        shown = f"blob/{self._settings.revision}/{file}" if file else f"tree/{self._settings.revision}"
        return f"https://huggingface.co/datasets/{self._settings.repo}/{shown}"

    def _rows(self) -> Iterator[Row | Rejected]:
        settings = self._settings
        root = snapshot_folder(
            settings.repo, settings.revision, settings.files, settings.snapshot, settings.cache
        )
        found = {path for pattern in settings.files for path in root.glob(pattern) if path.is_file()}
        if not found:
            raise PrerequisiteError(f"{settings.repo} has no {' or '.join(settings.files)}; correct files")
        asked = {str(ours): theirs for ours, theirs in settings.columns.items() if ours != "image"}
        about = {"repo": settings.repo, "revision": settings.revision, "card_licence": card_licence(root)}
        whole = settings.model_dump(include=set(COLUMNS))
        for path in sorted(found):
            file = path.relative_to(root).as_posix()
            pictures = ParquetPictures(path, settings.cache, settings.columns.get("image"))
            self._pictures[file] = pictures
            check_columns(file, pictures.columns, asked)
            columns = column_names(pictures.columns, asked)
            for number, cells in enumerate(pictures.rows()):
                place = f"{file}, row {number}"
                here = {**whole, "page": self._page(file)}
                yield row_of({**cells, **about}, place, columns, here, locator=f"{file}#{number}")
