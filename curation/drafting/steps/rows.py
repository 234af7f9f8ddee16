"""Reads the rows of a CSV or JSONL file that a user names: bounded, as plain text, bad ones by line."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from curation.drafting.checks.finding import plain
from curation.drafting.mining.facts import clean
from curation.errors import PrerequisiteError, Reason, Rejected

MAX_BYTES = 64_000_000
MAX_ROWS = 200_000
MAX_FIELD = 20_000

_ADDRESS = re.compile(r"https?://[\w.-]+(?:[/?#][^\s<>\"']*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose columns are all there, as clean text; key: 'file:line'."""

    key: str
    values: dict[str, str]


def read_rows(
    path: Path, wanted: tuple[str, ...], optional: tuple[str, ...] = ()
) -> Iterator[Row | Rejected]:
    """Yield the rows of a file, each with all columns as clean text, or why a row is out.

    path: .csv with a header line, or .jsonl with an object a line. wanted: columns that no row may leave
    empty. optional: columns that are '' where they are missing. A rejection's key is 'file:line'. Raises
    PrerequisiteError when the file cannot be read, is larger than 64 MB or lacks a column.
    """
    text = _text(path)
    lines = _csv_lines(path, text, wanted) if path.suffix.lower() == ".csv" else _json_lines(path, text)
    for count, (line, row) in enumerate(lines):
        key = f"{plain(path.name)}:{line}"
        if count >= MAX_ROWS:
            yield Rejected(key, Reason.LIST_ROW_INVALID, f"the file has more than {MAX_ROWS} rows")
            return
        fault = row if isinstance(row, str) else _fault(row, wanted, optional)
        if fault or isinstance(row, str):
            yield Rejected(key, Reason.LIST_ROW_INVALID, fault)
        else:
            yield Row(key, {name: clean(str(row.get(name) or "")) for name in (*wanted, *optional)})


def is_address(text: str) -> bool:
    """Tell whether a text is one web address and nothing else; 'javascript:' is none."""
    return _ADDRESS.fullmatch(text) is not None


def _text(path: Path) -> str:
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise PrerequisiteError(f"{path} is neither a .csv nor a .jsonl file: name one that is")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PrerequisiteError(f"{path} cannot be read ({error.strerror}): correct its name") from error
    if len(data) > MAX_BYTES:
        raise PrerequisiteError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB: split it")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PrerequisiteError(f"{path} is no UTF-8 text (byte {error.start}): save it as UTF-8") from error


def _csv_lines(
    path: Path, text: str, wanted: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, object] | str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
    except csv.Error as error:
        raise PrerequisiteError(f"the header line of {path} is no CSV: {error}") from error
    missing = [name for name in wanted if name not in header]
    if missing:
        raise PrerequisiteError(
            f"{path} lacks the column {missing[0]}: its header line needs {', '.join(wanted)}"
        )
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            yield line, f"no CSV: {plain(str(error))}"
            continue
        if fields is None:
            return
        if len(fields) == len(header):
            yield line, dict(zip(header, fields, strict=True))
        elif fields:
            yield line, f"{len(fields)} fields where the header line has {len(header)}"


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, object] | str]]:
    for line, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        try:
            row = json.loads(raw)
        except (ValueError, RecursionError):
            yield line, "no JSON"
            continue
        yield line, row if isinstance(row, dict) else "no JSON object"


def _fault(row: dict[str, object], wanted: tuple[str, ...], optional: tuple[str, ...]) -> str:
    """Say what is wrong with a row, '' when nothing is; columns that we do not read do not count."""
    for name in (*wanted, *optional):
        value = row.get(name)
        if value is None and name in optional:
            continue
        if not isinstance(value, str):
            return f"{name} is missing" if value is None else f"{name} is no text"
        if len(value) > MAX_FIELD:
            return f"{name} has more than {MAX_FIELD} characters"
        if name in wanted and not clean(value):
            return f"{name} is empty"
    return ""
