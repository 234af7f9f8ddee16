"""Rows of a list as subjects and pictures: what URL lists and data sets have in common."""

from __future__ import annotations

import math
import re
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

from curation.errors import PrerequisiteError, Reason, Rejected
from curation.ids import canonical_json, nfc, short_id, slug
from curation.licences import DEFAULT_ALLOWED, attribution_line, check_licence
from curation.records import Category, ImageCandidate, ImageOrigin, Subject, TextSource

COLUMNS: dict[str, tuple[str, ...]] = {
    "url": ("url", "image_url"),
    "caption": ("caption", "text", "alt"),
    "key": ("key",),
    "subject": ("subject",),
    "category": ("category",),
    "fine_type": ("fine_type",),
    "licence": ("licence", "license"),
    "author": ("author", "creator"),
    "page": ("page", "source_page", "foreign_landing_url"),
}
"""What is read of a row, and the column names that are understood without being told."""

_MAX_CELL = {"url": 4_000, "page": 4_000, "caption": 20_000}
_MAX_OTHER, _MAX_RAW = 500, 100_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BATCH = 1_000


class Row(NamedTuple):
    """One picture of a list, as text that was cleaned of control characters; '' where nothing is said.

    place: where it stands ('urls.csv, row 17'). locator: its address, or its place in the data set.
    raw: the row as it came, canonical JSON.
    """

    place: str
    locator: str
    caption: str = ""
    key: str = ""
    subject: str = ""
    category: str = ""
    fine_type: str = ""
    licence: str = ""
    author: str = ""
    page: str = ""
    raw: str = ""


_FIELDS = ", ".join(f'"{name}"' for name in Row._fields)


def row_of(
    cells: Mapping[str, Any],
    place: str,
    columns: Mapping[str, str],
    whole: Mapping[str, str],
    locator: str | None = None,
) -> Row | Rejected:
    """Return the row that some cells make; Rejected (list_row_invalid) says what is wrong with it.

    cells: by the list's own column names. columns: our names to the list's, as column_names finds them.
    whole: what holds for every row whose own cell is empty. locator: where the picture is when it is not
    behind a URL. A cell is data whatever it looks like: a formula stays the text that it is.
    """
    texts: dict[str, str] = {}
    for name in COLUMNS:
        text = cell_text(cells.get(columns[name])) if name in columns else ""
        texts[name] = text or whole.get(name, "")
        if len(texts[name]) > _MAX_CELL.get(name, _MAX_OTHER):
            return invalid(place, f"its {name} is longer than {_MAX_CELL.get(name, _MAX_OTHER)} characters")
    url = texts.pop("url")
    if locator is None and not _is_web(url):
        return invalid(place, f"{url[:80]!r} is no http address" if url else "it has no address")
    if texts["page"] and not _is_web(texts["page"]):
        return invalid(place, f"its page {texts['page'][:80]!r} is no http address")
    raw = canonical_json({str(name): _jsonable(value) for name, value in cells.items() if value is not None})
    if len(raw) > _MAX_RAW:
        return invalid(place, f"it is longer than {_MAX_RAW} characters")
    return Row(place=place, locator=url if locator is None else locator, raw=raw, **texts)


def column_names(header: Collection[str], asked: Mapping[str, str]) -> dict[str, str]:
    """Return our names to those of a header: as asked, else by the spellings of COLUMNS in any case."""
    spelt = {name.strip().casefold(): name for name in reversed(list(header))}
    found = {
        ours: spelt[one] for ours, spellings in COLUMNS.items() for one in reversed(spellings) if one in spelt
    }
    return {**found, **{ours: theirs for ours, theirs in asked.items() if theirs in header}}


def check_columns(
    label: str, header: Collection[str], asked: Mapping[str, str], needed: str | None = None
) -> None:
    """Raise PrerequisiteError when a column that was asked for, or the needed one, is not in a header."""
    wanted = [(ours, theirs) for ours, theirs in asked.items() if theirs not in header]
    if needed and not wanted and needed not in column_names(header, asked):
        wanted = [(needed, needed)]
    if wanted:
        ours, theirs = wanted[0]
        shown = ", ".join(repr(name[:60]) for name in list(header)[:20]) or "none"
        message = f"{label} has no column {theirs!r} for {ours}; it has {shown}: set columns.{ours} to one"
        raise PrerequisiteError(message)


def cell_text(value: object) -> str:
    """Return a cell as text in NFC on one line, without control characters and broken surrogates."""
    if value is None or isinstance(value, bytes) or (isinstance(value, float) and math.isnan(value)):
        return ""
    text = str(value)
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()  # as nearly every cell is
    return nfc(_CONTROL.sub(" ", text))


class Listing:
    """The subjects and pictures of a list, indexed in a temporary file so that memory stays flat.

    rows: reads the list from its start. texts: reads what is said of the subjects (subject and caption, with
    a licence, an author and a page of its own); where it says nothing, the first caption of a subject's
    pictures is its text, under that row's licence. The index is made at first use, once; threads may share it.
    """

    def __init__(
        self,
        source: str,
        page: str,
        rows: Callable[[], Iterator[Row | Rejected]],
        taxonomy: Mapping[str, Category],
        allowed: Collection[str] = DEFAULT_ALLOWED,
        texts: Callable[[], Iterator[Row | Rejected]] | None = None,
    ) -> None:
        """Remember what is needed; nothing is read yet. page: for rows that name none and have no URL."""
        self._source, self._page, self._rows, self._texts = source, page, rows, texts
        self._allowed = allowed
        self._categories = {name.casefold(): one for one in taxonomy.values() for name in (one.name, one.key)}
        self._lock = threading.Lock()
        self._index: sqlite3.Connection | None = None

    def prepare(self) -> None:
        """Read the list and make the index, when that was not done yet: it may take a while."""
        self._read("SELECT 1", ())

    def subjects(self) -> Iterator[Subject | Rejected]:
        """Yield the subjects in the order in which the list first names them, then the refused rows."""
        number = -1
        while found := self._read(
            "SELECT first, subject_id, name, category, fine_type FROM subject WHERE first > ? ORDER BY first"
            " LIMIT ?",
            (number, _BATCH),
        ):
            number = found[-1][0]
            yield from (self._subject(*one[1:]) for one in found)
        number = -1
        while found := self._read(
            "SELECT number, key, reason, detail FROM refused WHERE number > ? ORDER BY number LIMIT ?",
            (number, _BATCH),
        ):
            number = found[-1][0]
            yield from (Rejected(key, Reason(reason), detail) for _, key, reason, detail in found)

    def candidates(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures that the list has of a subject, in its order."""
        found = self._read(
            f"SELECT {_FIELDS} FROM picture WHERE subject_id = ? ORDER BY number",  # noqa: S608 - our own names
            (subject.subject_id,),
        )
        return [self._candidate(subject, Row(*row)) for row in found]

    def _candidate(self, subject: Subject, row: Row) -> ImageCandidate:
        return ImageCandidate(
            image_id=short_id("img", self._source, subject.subject_id, row.locator),
            subject_id=subject.subject_id,
            source=self._source,
            locator=row.locator,
            author=row.author,
            licence_text=row.licence or None,
            source_page=self._page_of(row),
            origin=ImageOrigin.PHOTOGRAPH,
            note=f"{subject.name}; ",
            metadata=row.raw,
        )

    def _page_of(self, row: Row) -> str:
        return row.page or (row.locator if _is_web(row.locator) else self._page)

    def _subject(self, subject_id: str, name: str, category: str, fine_type: str) -> Subject | Rejected:
        """Return a subject with the first text about it that may be released."""
        found = self._said(subject_id, name, category)
        for row in found:
            licence = check_licence(subject_id, row.licence, self._allowed)
            if isinstance(licence, Rejected):
                continue
            page = self._page_of(row)
            return Subject(
                subject_id=subject_id,
                name=name,
                edit_type=self._categories[category].edit_type,
                category=category,
                fine_type=fine_type,
                source_text=row.caption,
                text_source=TextSource(
                    title=name,
                    page=page,
                    licence=licence,
                    attribution=attribution_line(name, row.author, licence, page),
                ),
            )
        why = "none of its texts has an allowed licence" if found else "no row of it has a caption"
        return Rejected(subject_id, Reason.NO_SOURCE_TEXT, f"{name}: {why}")

    def _said(self, subject_id: str, name: str, category: str) -> list[Row]:
        """Return what is said of a subject: the texts about it, then the captions of its pictures."""
        texts = self._read(
            f"SELECT {_FIELDS} FROM said WHERE about = ? ORDER BY number",  # noqa: S608 - our own names
            (name.casefold(),),
        )
        captions = self._read(
            f"SELECT {_FIELDS} FROM picture WHERE subject_id = ? AND caption <> ''"  # noqa: S608 - our own names
            " ORDER BY number LIMIT 100",
            (subject_id,),
        )
        rows = [Row(*values) for values in texts]
        fitting = [row for row in rows if not row.category or self._key(row.category) == category]
        return fitting + [Row(*values) for values in captions]

    def _key(self, category: str) -> str | None:
        found = self._categories.get(category.casefold())
        return found.key if found else None

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        with self._lock:
            if self._index is None:
                self._index = self._made()
            return self._index.execute(query, values).fetchall()

    def _made(self) -> sqlite3.Connection:
        index = sqlite3.connect("", check_same_thread=False)  # '' is a temporary file that SQLite deletes
        index.executescript(
            f"""
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
            CREATE TABLE subject (subject_id TEXT PRIMARY KEY, first INTEGER, name, category, fine_type);
            CREATE TABLE picture (number INTEGER PRIMARY KEY, subject_id, {_FIELDS},
                                  UNIQUE (subject_id, locator));
            CREATE TABLE said (number INTEGER PRIMARY KEY, about, {_FIELDS});
            CREATE TABLE refused (number INTEGER PRIMARY KEY, key, reason, detail);
            """
        )
        for number, row in enumerate(self._rows()):
            self._note(index, row if isinstance(row, Rejected) else self._add(index, number, row))
        for number, row in enumerate(self._texts() if self._texts else ()):
            self._note(index, row if isinstance(row, Rejected) else self._add_text(index, number, row))
        index.execute("CREATE INDEX first ON subject (first)")
        index.execute("CREATE INDEX about ON said (about)")
        index.commit()
        return index

    def _note(self, index: sqlite3.Connection, refused: Rejected | None) -> None:
        if refused:
            values = (f"{self._source}: {refused.key}", str(refused.reason), refused.detail)
            index.execute("INSERT INTO refused (key, reason, detail) VALUES (?, ?, ?)", values)

    def _add_text(self, index: sqlite3.Connection, number: int, row: Row) -> Rejected | None:
        """Put what is said of a subject into the index, or return why it says nothing."""
        if not row.subject or not row.caption:
            return invalid(
                row.place, "it names no subject" if row.caption else "it says nothing of its subject"
            )
        values = (number, row.subject.casefold(), *row)
        index.execute(f"INSERT INTO said VALUES (?, ?{', ?' * len(Row._fields)})", values)  # noqa: S608 - our own text
        return None

    def _add(self, index: sqlite3.Connection, number: int, row: Row) -> Rejected | None:
        """Put a row into the index, or return why it has no place there."""
        if not row.subject:
            return invalid(row.place, "it names no subject; add a subject column, or name one for all rows")
        category = self._categories.get(row.category.casefold())
        if category is None:
            told = f"the category {row.category!r} is unknown" if row.category else "it names no category"
            return invalid(row.place, f"{told}; `mmke taxonomy show` lists them")
        # The category's first fine type fits all of its subjects.
        fine_type = row.fine_type or (category.fine_types[0] if category.fine_types else category.name)
        subject_id = short_id(slug(row.subject)[:40], self._source, category.key, row.subject.casefold())
        index.execute(
            "INSERT OR IGNORE INTO subject VALUES (?, ?, ?, ?, ?)",
            (subject_id, number, row.subject, category.key, fine_type),
        )
        values = (number, subject_id, *row)
        put = index.execute(f"INSERT OR IGNORE INTO picture VALUES (?, ?{', ?' * len(Row._fields)})", values)  # noqa: S608 - our own text
        if put.rowcount == 0:
            return Rejected(row.place, Reason.EXACT_DUPLICATE, f"an earlier row has {row.locator[:200]} too")
        return None


def invalid(place: str, what: str) -> Rejected:
    """Return the refusal of a row that cannot be used."""
    return Rejected(place, Reason.LIST_ROW_INVALID, f"{place}: {what}")


def _jsonable(value: object) -> object:
    """Return a cell as JSON can hold it: numbers and texts as they are, all else as text."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _is_web(address: str) -> bool:
    return address.lower().startswith(("http://", "https://"))
