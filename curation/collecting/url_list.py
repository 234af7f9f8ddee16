"""URL lists in img2dataset's columns: txt, csv, tsv, JSON, JSON lines and Parquet, read as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import Field

from curation.collecting.http.door import Door
from curation.collecting.list_files import open_tables, read_texts
from curation.collecting.list_rows import COLUMNS, Row, check_columns, column_names, invalid, row_of
from curation.collecting.listed import Listing
from curation.collecting.port import Fetched
from curation.errors import Rejected
from curation.licences import DEFAULT_ALLOWED
from curation.records import Category, ImageCandidate, Record, Subject
from curation.taxonomy import load_taxonomy

Column = Literal["url", "caption", "key", "subject", "category", "fine_type", "licence", "author", "page"]


class UrlListSettings(Record):
    """One `[[sources]]` table of kind url_list.

    path: the list, or a folder of lists, relative to the current folder. columns: our name to the list's
    where they differ ({ caption = "TEXT" }). texts: a list of what is said of the subjects (subject, caption,
    licence, author, page), for lists whose captions do not say it. The other fields hold for every row whose
    own cell is empty.
    """

    kind: Literal["url_list"] = "url_list"
    name: str = Field(default="url_list", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    path: Path
    texts: Path | None = None
    columns: dict[Column, str] = Field(default_factory=dict)
    subject: str = ""
    category: str = ""
    fine_type: str = ""
    licence: str = ""
    author: str = ""
    page: str = ""


class UrlListSource:
    """The pictures that a list names, downloaded by the door; subjects are described by their captions."""

    def __init__(
        self,
        settings: UrlListSettings,
        door: Door,
        taxonomy: Mapping[str, Category] | None = None,
        allowed: Collection[str] = DEFAULT_ALLOWED,
    ) -> None:
        """Remember what is needed; the list is read at first use, PrerequisiteError when it cannot be."""
        self._settings, self._door = settings, door
        whole = settings.model_dump(include=set(COLUMNS))
        columns = {str(ours): theirs for ours, theirs in settings.columns.items()}
        self._listing = Listing(
            settings.name,
            f"urn:mmke-forge:{settings.name}",
            lambda: read_list(settings.path, columns, whole),
            load_taxonomy() if taxonomy is None else taxonomy,
            allowed,
            partial(read_texts, settings.texts) if settings.texts else None,
        )

    @property
    def name(self) -> str:
        """Return the source's name as it stands in records."""
        return self._settings.name

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield the subjects in the order in which the list first names them, then the refused rows."""
        await asyncio.to_thread(self._listing.prepare)  # other sources go on meanwhile
        for one in self._listing.subjects():
            yield one

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures that the list has of a subject, in its order."""
        return self._listing.candidates(subject)

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return what is behind the address, as the door does."""
        return await self._door.picture(candidate.locator, candidate.image_id)


def read_list(
    path: Path, columns: Mapping[str, str] | None = None, whole: Mapping[str, str] | None = None
) -> Iterator[Row | Rejected]:
    """Yield every row of a list, or of the lists in a folder by name; a batch of rows is held at a time.

    columns: our names to the list's. whole: what holds for rows whose own cell is empty. A broken row is
    Rejected (list_row_invalid). Raises PrerequisiteError when the list is missing, of an unknown kind, not
    readable at all, or has no column of addresses.
    """
    asked = dict(columns or {})
    for table in open_tables(path):
        if table.header is not None:
            check_columns(table.label, table.header, asked, "url")
        names: dict[tuple[str, ...], dict[str, str]] = {}
        for place, cells in table.rows:
            if isinstance(cells, str):
                yield invalid(place, cells)
                continue
            header = tuple(cells)
            if header not in names:
                names = {
                    header: column_names(header, asked)
                }  # of JSON rows the last one's, the others' differ
            yield row_of(cells, place, names[header], whole or {})
