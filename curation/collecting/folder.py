"""A local folder of pictures with a licence file: one's own photographs, with the consent of who is shown."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from curation.collecting.licence_file import (
    LICENCE_FILE,
    LicenceFile,
    SubjectEntry,
    plain_place,
    read_licence_file,
)
from curation.collecting.port import Fetched
from curation.collecting.safe_folder import Found, find_files, is_plain_place, read_file
from curation.errors import Reason, Rejected
from curation.ids import canonical_json, nfc, short_id, slug
from curation.licences import DEFAULT_ALLOWED, attribution_line, check_licence
from curation.records import Category, EditType, ImageCandidate, ImageOrigin, Record, Subject, TextSource
from curation.taxonomy import load_taxonomy

_PICTURES = (".avif", ".bmp", ".gif", ".heic", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class FolderSettings(Record):
    """One `[[sources]]` table of kind folder; path: a folder with pictures and a licences.toml."""

    kind: Literal["folder"] = "folder"
    name: str = Field(default="folder", pattern=r"^[a-z][a-z0-9_-]{0,39}$")
    path: Path


class FolderSource:
    """The pictures of a folder that its licences.toml accounts for.

    A picture without a licence line is offered without a licence, which no stage keeps; one of a
    user_specific subject without consent is refused. What is a link, or belongs to no subject, is named.
    """

    def __init__(
        self,
        settings: FolderSettings,
        taxonomy: Mapping[str, Category] | None = None,
        allowed: Collection[str] = DEFAULT_ALLOWED,
    ) -> None:
        """Remember the place. At first use PrerequisiteError when the folder or its file is not right."""
        self._root, self._name, self._allowed = settings.path, settings.name, allowed
        table = load_taxonomy() if taxonomy is None else taxonomy
        self._categories = {name.casefold(): one for one in table.values() for name in (one.name, one.key)}

    @property
    def name(self) -> str:
        """Return the source's name as it stands in records."""
        return self._name

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield the subjects in the order of the licence file, then what belongs to none and why."""
        for entry in self._described.subject:
            yield self._subject(entry)
        for refused in self._left_over():
            yield refused

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures of a subject, by path; their licence line and consent are their metadata."""
        return [self._candidate(subject, place) for place in self._owned.get(subject.subject_id, ())]

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return the bytes of a picture; Rejected without consent, or when it is no plain file any more."""
        entry = self._entries[candidate.subject_id]
        consent = self._described.credit(plain_place(candidate.locator)).consent
        if self._categories[entry.category.casefold()].edit_type is EditType.USER_SPECIFIC and not consent:
            told = (
                f"{candidate.locator}: nobody's consent is recorded; add consent (who, when, how) to its line"
            )
            return Rejected(candidate.image_id, Reason.CONSENT_MISSING, told)
        return read_file(self._root, candidate.locator, candidate.image_id)

    @cached_property
    def _described(self) -> LicenceFile:
        return read_licence_file(self._root)

    @cached_property
    def _found(self) -> Found:
        return find_files(self._root)

    @cached_property
    def _pictures(self) -> dict[str, str]:
        """The pictures' paths on disk by the spelling in which they are compared, sorted."""
        listed = (place for place in self._found.sizes if place.lower().endswith(_PICTURES))
        return dict(sorted((plain_place(place), place) for place in listed))

    @cached_property
    def _entries(self) -> dict[str, SubjectEntry]:
        return {self._subject_id(entry): entry for entry in reversed(self._described.subject)}

    @cached_property
    def _owned(self) -> dict[str, list[str]]:
        """The pictures of each subject; one that several name belongs to the first of them."""
        owned: dict[str, list[str]] = {}
        free = dict.fromkeys(self._pictures)
        for entry in self._described.subject:
            named = {place for wanted in entry.pictures for place in self._matches(wanted) if place in free}
            owned[self._subject_id(entry)] = sorted(named)
            for place in named:
                del free[place]
        return owned

    def _matches(self, wanted: str) -> list[str]:
        """Return the pictures that an entry names: one, or all below a folder."""
        wanted = plain_place(wanted)
        if not wanted.endswith("/"):
            return [wanted] if wanted in self._pictures else []
        start = wanted.removeprefix("./")
        places = list(self._pictures)
        return places[bisect_left(places, start) : bisect_left(places, start + "\U0010ffff")]

    def _subject_id(self, entry: SubjectEntry) -> str:
        category = self._categories.get(entry.category.casefold())
        key = category.key if category else entry.category
        return short_id(slug(entry.name)[:40], self._name, key, nfc(entry.name).casefold())

    def _subject(self, entry: SubjectEntry) -> Subject | Rejected:
        key, name = self._subject_id(entry), nfc(entry.name)
        category = self._categories.get(entry.category.casefold())
        if category is None:
            told = f"{name}: the category {entry.category[:60]!r} is unknown; `mmke taxonomy show` lists them"
            return Rejected(key, Reason.LIST_ROW_INVALID, told)
        if not nfc(entry.text):
            return Rejected(key, Reason.NO_SOURCE_TEXT, f"{name}: nothing is said of it; add a text")
        licence = check_licence(key, entry.text_licence, self._allowed)
        if isinstance(licence, Rejected):
            return Rejected(key, licence.reason, f"the text of {name}: {licence.detail}; see text_licence")
        page = entry.text_page or self._page
        return Subject(
            subject_id=key,
            name=name,
            edit_type=category.edit_type,
            category=category.key,
            fine_type=entry.fine_type or next(iter(category.fine_types), category.name),
            source_text=nfc(entry.text),
            text_source=TextSource(
                title=name,
                page=page,
                licence=licence,
                attribution=attribution_line(name, entry.text_author, licence, entry.text_page),
            ),
        )

    @property
    def _page(self) -> str:
        return f"urn:mmke-forge:{self._name}"

    def _candidate(self, subject: Subject, place: str) -> ImageCandidate:
        credit, real = self._described.credit(place), self._pictures[place]
        told = {**credit.model_dump(mode="json"), "file": place, "bytes": self._found.sizes[real]}
        return ImageCandidate(
            image_id=short_id("img", self._name, subject.subject_id, place),
            subject_id=subject.subject_id,
            source=self._name,
            locator=real,
            author=nfc(credit.author),
            licence_text=credit.licence or None,
            source_page=credit.page or self._page,
            origin=ImageOrigin.PHOTOGRAPH,
            note=f"{subject.name}; ",
            metadata=canonical_json(told),
        )

    def _left_over(self) -> Iterator[Rejected]:
        """Yield what no subject can use: entries that name nothing, pictures of none, links and the like."""
        for place, told in sorted(self._found.refused.items()):
            yield Rejected(f"{self._name}: {place}", Reason.UNSAFE_PATH, told)
        for entry in self._described.subject:
            for wanted in entry.pictures:
                if wanted != "./" and not is_plain_place(wanted):
                    told = f"{wanted[:200]!a} (of {nfc(entry.name)}) is no path below the folder"
                    yield Rejected(f"{self._name}: {wanted[:200]!a}", Reason.UNSAFE_PATH, told)
                elif not self._matches(wanted):
                    told = f"{wanted[:200]} (of {nfc(entry.name)}) is no picture in the folder"
                    yield Rejected(f"{self._name}: {wanted[:200]}", Reason.FETCH_FAILED, told)
        owned = {place for places in self._owned.values() for place in places}
        for place in self._pictures:
            if place not in owned:
                told = f"{place}: no [[subject]] of {LICENCE_FILE} names it"
                yield Rejected(f"{self._name}: {place}", Reason.LIST_ROW_INVALID, told)
