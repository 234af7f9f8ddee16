"""A folder's licences.toml: whose pictures these are, under which licence, what they show, who agreed."""

from __future__ import annotations

import tomllib
import unicodedata
from collections import Counter
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from curation.errors import PrerequisiteError
from curation.records import Record

LICENCE_FILE = "licences.toml"
_MAX_BYTES = 20_000_000


class Consent(Record):
    """That somebody agreed to the use of a picture: who (or for whom), when, and how that can be shown."""

    who: str = Field(min_length=1, max_length=500)
    when: date
    how: str = Field(min_length=1, max_length=2_000)


class Credit(Record):
    """What is said of pictures; what is empty is filled from the folder's line, then from [default]."""

    licence: str = Field(default="", max_length=500)
    author: str = Field(default="", max_length=500)
    page: str = Field(default="", max_length=4_000, pattern=r"^(https?://.*)?$")
    consent: Consent | None = None


class PictureEntry(Credit):
    """One [[picture]]: a file, or with a '/' at its end a folder and all that is in it."""

    file: str = Field(min_length=1)


class SubjectEntry(Record):
    """One [[subject]]: what pictures show, and the text that says something about it.

    pictures: files, or folders with a '/' at the end ('./' for all there are). text_licence: as any licence
    is written.
    """

    name: str = Field(min_length=1, max_length=500)
    category: str
    fine_type: str = ""
    text: str = Field(default="", max_length=20_000)
    text_licence: str = ""
    text_author: str = ""
    text_page: str = Field(default="", pattern=r"^(https?://.*)?$")
    pictures: tuple[str, ...] = Field(min_length=1)


class LicenceFile(Record):
    """The whole file."""

    default: Credit = Credit()
    picture: tuple[PictureEntry, ...] = ()
    subject: tuple[SubjectEntry, ...] = ()

    @model_validator(mode="after")
    def _each_once(self) -> LicenceFile:
        files = [plain_place(one.file) for one in self.picture]
        names = [f"{one.name} of {one.category}" for one in self.subject]
        for name, times in Counter([*files, *names]).items():
            if times > 1:
                raise ValueError(f"{name!r} stands there {times} times; keep one")
        return self

    @cached_property
    def _lines(self) -> dict[str, PictureEntry]:
        return {plain_place(one.file): one for one in self.picture}

    def credit(self, place: str) -> Credit:
        """Return what holds for the file at a place: its own line, then its folders' from the inmost out."""
        folders = [place[: cut + 1] for cut, sign in enumerate(place) if sign == "/"]
        merged: dict[str, Any] = {}
        for line in (self.default, *(self._lines.get(one) for one in (*folders, place))):
            values = {name: getattr(line, name) for name in Credit.model_fields} if line else {}
            merged.update({name: value for name, value in values.items() if value})
        return Credit(**merged)


def plain_place(place: str) -> str:
    """Return a path as files are compared by it: in NFC, for the same name has two spellings on disks."""
    return unicodedata.normalize("NFC", place)


def read_licence_file(folder: Path) -> LicenceFile:
    """Read a folder's licences.toml. Raises PrerequisiteError naming the entry that is wrong."""
    path = folder / LICENCE_FILE
    if path.is_symlink() or not path.is_file():
        message = f"{path} is not there: it must say of each picture its licence, author and subject"
        raise PrerequisiteError(message)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise PrerequisiteError(f"{path} is larger than {_MAX_BYTES} bytes; split the folder")
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PrerequisiteError(f"{path} cannot be read as TOML ({error}); correct it") from error
    try:
        return LicenceFile.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step + 1) if isinstance(step, int) else step for step in first["loc"])
        raise PrerequisiteError(f"{path}: {where}: {first['msg']}; correct it") from error
