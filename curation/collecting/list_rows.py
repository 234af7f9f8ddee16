"""One row of a list of pictures as clean text, whatever its columns are called and whatever is in them."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from curation.errors import PrerequisiteError, Reason, Rejected
from curation.ids import canonical_json, nfc

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
    if locator is None and not is_web(url):
        return invalid(place, f"{url[:80]!r} is no http address" if url else "it has no address")
    if texts["page"] and not is_web(texts["page"]):
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


def invalid(place: str, what: str) -> Rejected:
    """Return the refusal of a row that cannot be used."""
    return Rejected(place, Reason.LIST_ROW_INVALID, f"{place}: {what}")


def _jsonable(value: object) -> object:
    """Return a cell as JSON can hold it: numbers and texts as they are, all else as text."""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = str(value)
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def is_web(address: str) -> bool:
    """Return whether an address is one of the web."""
    return address.lower().startswith(("http://", "https://"))
