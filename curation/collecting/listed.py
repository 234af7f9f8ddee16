"""The subjects and pictures that the rows of a list make: what URL lists and data sets have in common."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from curation.collecting.list_rows import Row, invalid, is_web
from curation.errors import Reason, Rejected
from curation.ids import short_id, slug
from curation.licences import DEFAULT_ALLOWED, attribution_line, check_licence
from curation.records import Category, ImageCandidate, ImageOrigin, Subject, TextSource

_BATCH = 1_000
_FIELDS = ", ".join(f'"{name}"' for name in Row._fields)


class Listing:
    """The subjects and pictures of a list, indexed in a temporary file so that memory stays flat.

    rows: reads the list from its start. texts: reads what is said of the subjects (subject and caption, with
    a licence, an author and a page of its own); where it says nothing, the first caption of a subject's
    pictures is its text, under that row's licence. The index is made once, at first use; threads share it.
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
        return row.page or (row.locator if is_web(row.locator) else self._page)

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
