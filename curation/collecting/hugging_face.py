"""A Hugging Face data set at a pinned commit: Parquet files only, the pictures' bytes kept as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from curation.collecting.listed import COLUMNS
from curation.collecting.port import Fetched
from curation.errors import Rejected
from curation.licences import DEFAULT_ALLOWED
from curation.records import Category, ImageCandidate, Record, Subject

Column = Literal["image", "caption", "key", "subject", "category", "fine_type", "licence", "author", "page"]


class HuggingFaceSettings(Record):
    """One `[[sources]]` table of kind hugging_face.

    repo: owner/name. revision: the commit, 40 hexadecimal digits. files: which Parquet files, as globs.
    snapshot: a folder that has the files of that commit; without it they are downloaded into cache.
    columns: our name to the data set's. The other fields hold for every row whose own cell is empty.
    """

    kind: Literal["hugging_face"] = "hugging_face"
    name: str = Field(default="hugging_face", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    repo: str = Field(pattern=r"^[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}$")
    revision: str
    files: tuple[str, ...] = ("**/*.parquet",)
    snapshot: Path | None = None
    cache: Path = Path(".cache/hugging_face")
    columns: dict[Column, str] = Field(default_factory=dict)
    subject: str = ""
    category: str = ""
    fine_type: str = ""
    licence: str = ""
    author: str = ""

    @field_validator("revision")
    @classmethod
    def _pinned(cls, revision: str) -> str:
        if len(revision) != 40 or set(revision) - set("0123456789abcdef"):
            raise ValueError(
                f"{revision[:60]!r} is no commit: a branch or a tag can move; give the 40 hexadecimal digits"
                " that the data set's page shows under Files, History"
            )
        return revision


class HuggingFaceSource:
    """The pictures of a data set; rows are subjects and captions as in a URL list."""

    def __init__(
        self,
        settings: HuggingFaceSettings,
        taxonomy: Mapping[str, Category] | None = None,
        allowed: Collection[str] = DEFAULT_ALLOWED,
    ) -> None:
        """Remember what is needed; nothing is read yet."""
        self._settings = settings

    @property
    def name(self) -> str:
        """Return the source's name as it stands in records."""
        return self._settings.name

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield the subjects."""
        raise NotImplementedError
        yield

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures of a subject."""
        raise NotImplementedError

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return the bytes of a picture."""
        raise NotImplementedError
