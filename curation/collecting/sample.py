"""The sample source: hand-listed subjects whose pictures and texts are in two ordinary packages."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Literal

from curation import images
from curation.collecting import drawings, wikipedia
from curation.collecting.credits import Credit
from curation.collecting.gcompris import BoardText, GCompris
from curation.collecting.port import Fetched
from curation.errors import IntegrityError, Reason, Rejected
from curation.ids import short_id, slug
from curation.records import ImageCandidate, ImageOrigin, Record, Subject, TextSource
from curation.taxonomy import load_taxonomy

_UPSTREAM = "https://invent.kde.org/education/gcompris"
_GENERATED_PAGE = "urn:mmke-forge:generated"
_VIEW, _DRAWING = "view:", "drawing:"


class _View(Record):
    kind: Literal["crop", "dimmed", "flip"]
    of: str


class _Entry(Record):
    """One subject of sample.toml."""

    name: str
    category: str
    fine_type: str
    id: str = ""
    wikipedia: str = ""
    board: str = ""
    photographs: tuple[str, ...] = ()
    paintings: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()
    views: tuple[_View, ...] = ()

    @property
    def subject_id(self) -> str:
        return self.id or slug(self.name)

    @property
    def files(self) -> tuple[tuple[str, ImageOrigin], ...]:
        """Return the files of the package that show the subject, each with how it came to be."""
        origins = (
            (self.photographs, ImageOrigin.PHOTOGRAPH),
            (self.paintings, ImageOrigin.PAINTING),
            (self.drawn, ImageOrigin.DRAWN),
        )
        return tuple((path, origin) for paths, origin in origins for path in paths)


class SampleSource:
    """Photographs and paintings of Debian's gcompris-qt-data, texts of Wikipedia and of GCompris itself.

    archive: the .deb file. cache: a folder for what is unpacked of it, once per package content.
    Everything that is missing shows as PrerequisiteError at first use, with the command that mends it.
    """

    name = "sample"

    def __init__(self, archive: Path, cache: Path) -> None:
        """Remember the places; nothing is opened yet."""
        self._archive = archive
        self._cache = cache

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield the subjects in the order of sample.toml; Rejected (no_source_text) where no text exists."""
        for entry in self._entries.values():
            yield self._subject(entry)

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures of a subject: real ones, then drawn, generated and derived ones."""
        entry = self._entries[subject.subject_id]
        return [*self._filed(entry), *self._generated(entry), *self._derived(entry)]

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return the bytes of a picture; Rejected (fetch_failed) when the package has no such file."""
        try:
            # In a thread: unpacking, drawing and putting puzzles together take their time.
            return Fetched(await asyncio.to_thread(self._bytes, candidate.locator))
        except FileNotFoundError as error:
            return Rejected(candidate.image_id, Reason.FETCH_FAILED, str(error))

    def _bytes(self, locator: str) -> bytes:
        if locator.startswith(_DRAWING):
            return drawings.draw(locator.removeprefix(_DRAWING))
        if locator.startswith(_VIEW):
            kind, _, path = locator.removeprefix(_VIEW).partition(":")
            return self._view(kind, path)
        return self._file(locator)

    @cached_property
    def _entries(self) -> dict[str, _Entry]:
        text = files("curation.collecting").joinpath("sample.toml").read_text(encoding="utf-8")
        entries = [_Entry.model_validate(row) for row in tomllib.loads(text)["subject"]]
        return {entry.subject_id: entry for entry in entries}

    @cached_property
    def _package(self) -> GCompris:
        paths = [path for entry in self._entries.values() for path, _ in entry.files]
        boards = [entry.board for entry in self._entries.values() if entry.board]
        activities = {path.partition("/")[0] for path in (*paths, *boards)}
        return GCompris(self._archive, self._cache, activities)

    @cached_property
    def _extracts(self) -> dict[str, str]:
        return wikipedia.load_extracts()

    @cached_property
    def _boards(self) -> dict[str, BoardText]:
        activities = {entry.board.partition("/")[0] for entry in self._entries.values() if entry.board}
        return {
            f"{activity}/{title}": text
            for activity in sorted(activities)
            for title, text in self._package.texts(activity).items()
        }

    def _subject(self, entry: _Entry) -> Subject | Rejected:
        found = self._text(entry)
        if found is None:
            return Rejected(
                entry.subject_id, Reason.NO_SOURCE_TEXT, f"neither source has a text about {entry.name}"
            )
        text, source = found
        return Subject(
            subject_id=entry.subject_id,
            name=entry.name,
            edit_type=load_taxonomy()[entry.category].edit_type,
            category=entry.category,
            fine_type=entry.fine_type,
            source_text=text,
            text_source=source,
        )

    def _text(self, entry: _Entry) -> tuple[str, TextSource] | None:
        if extract := self._extracts.get(entry.wikipedia):
            return extract, wikipedia.text_source(entry.wikipedia)
        if board := self._boards.get(entry.board):
            title = entry.board.partition("/")[2]
            return board.text, TextSource(
                title=title,
                page=_UPSTREAM,
                licence="GPL-3.0-or-later",
                attribution=f"“{title}”, GCompris, {board.author}, GPL-3.0-or-later",
            )
        return None

    def _filed(self, entry: _Entry) -> Iterator[ImageCandidate]:
        for path, origin in entry.files:
            credit = self._credit(path)
            yield self._candidate(entry, path, origin, credit, credit.note)

    def _generated(self, entry: _Entry) -> Iterator[ImageCandidate]:
        credit = Credit(drawings.AUTHOR, drawings.LICENCE, _GENERATED_PAGE, "")
        for what in entry.generated:
            yield self._candidate(entry, _DRAWING + what, ImageOrigin.GENERATED, credit, "")

    def _derived(self, entry: _Entry) -> Iterator[ImageCandidate]:
        for made in entry.views:
            locator = f"{_VIEW}{made.kind}:{made.of}"
            note = f"{made.kind} of {made.of}"
            parent = self._image_id(entry, made.of)
            credit = self._credit(made.of)
            yield self._candidate(entry, locator, ImageOrigin.DERIVED, credit, note, parent)

    def _candidate(
        self,
        entry: _Entry,
        locator: str,
        origin: ImageOrigin,
        credit: Credit,
        note: str,
        parent: str | None = None,
    ) -> ImageCandidate:
        return ImageCandidate(
            image_id=self._image_id(entry, locator),
            subject_id=entry.subject_id,
            source=self.name,
            locator=locator,
            author=credit.author,
            licence_text=credit.licence_text,
            source_page=credit.source_page or _UPSTREAM,
            origin=origin,
            parent=parent,
            note=note,
        )

    def _image_id(self, entry: _Entry, locator: str) -> str:
        return short_id("img", self.name, entry.subject_id, locator)

    def _credit(self, path: str) -> Credit:
        """Return the credit of a file; of a puzzle that of its tiles, with the painting's own title."""
        if not path.endswith(".qml"):
            return self._package.credit(path) or Credit("", None, "", "")
        title, tile = self._package.painting_title(path)
        credit = self._package.credit(tile) or Credit("", None, "", "")
        painter = title.partition(",")[0]
        note = f"{title}; put together from its puzzle pieces"
        return Credit(f"{painter}; {credit.author}", credit.licence_text, credit.source_page, note)

    def _file(self, path: str) -> bytes:
        return self._package.painting(path) if path.endswith(".qml") else self._package.read(path)

    def _view(self, kind: str, path: str) -> bytes:
        data = self._file(path)
        try:
            return images.view(data, kind)
        except IntegrityError as error:  # the parent is as foreign as any picture: only this view is lost
            raise FileNotFoundError(f"{path} cannot be viewed: {error}") from error
