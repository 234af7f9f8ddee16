"""A local folder of pictures with a licence file: one's own photographs, with the consent of who is shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from curation.collecting.port import Fetched
from curation.errors import Rejected
from curation.licences import DEFAULT_ALLOWED
from curation.records import Category, ImageCandidate, Record, Subject

LICENCE_FILE = "licences.toml"


class FolderSettings(Record):
    """One `[[sources]]` table of kind folder; path holds pictures and licences.toml."""

    kind: Literal["folder"] = "folder"
    name: str = Field(default="folder", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    path: Path


class FolderSource:
    """The pictures of a folder that its licences.toml accounts for."""

    def __init__(
        self,
        settings: FolderSettings,
        taxonomy: Mapping[str, Category] | None = None,
        allowed: Collection[str] = DEFAULT_ALLOWED,
    ) -> None:
        """Remember the place; nothing is opened yet."""
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
