"""Reads txt, csv, tsv, JSON, JSON lines and Parquet files row by row, whatever is in them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.collecting.list_rows import Row, check_columns, column_names, invalid, row_of
from curation.errors import PrerequisiteError, Rejected

MAX_ROW = 1_000_000
"""Characters of one row of JSON or text; a longer one is refused, not read into memory."""

_CHUNK, _BATCH = 1 << 16, 500

Place = str
Cells = Mapping[str, Any]
"""A row by the file's own column names."""


@dataclass(frozen=True, slots=True)
class Table:
    """One file. header: its columns, None where every row names its own (JSON).

    rows: where a row stands and its cells, or one sentence that says why it could not be read.
    """

    label: str
    header: tuple[str, ...] | None
    rows: Iterator[tuple[Place, Cells | str]]


def open_tables(path: Path) -> Iterator[Table]:
    """Yield the file, or the files of a known kind in a folder, by name.

    Raises PrerequisiteError when there is none, its kind is unknown, or it cannot be opened.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in _READERS and file.is_file())
    else:
        files = [path] if path.is_file() else []
    kinds = ", ".join(sorted(_READERS))
    if not files:
        raise PrerequisiteError(f"there is no list at {path}; give a file, or a folder of files ({kinds})")
    for file in files:
        reader = _READERS.get(file.suffix.lower())
        if reader is None:
            raise PrerequisiteError(f"{file} is of no known kind; rename or convert it to one of {kinds}")
        yield reader(file)


def read_texts(path: Path) -> Iterator[Row | Rejected]:
    """Yield what a list says of subjects: the columns subject and caption (or text), licence, author, page.

    Raises PrerequisiteError as open_tables does, and when one of the two columns is missing.
    """
    for table in open_tables(path):
        for needed in ("subject", "caption") if table.header is not None else ():
            check_columns(table.label, table.header or (), {}, needed)
        for place, cells in table.rows:
            if isinstance(cells, str):
                yield invalid(place, cells)
            else:
                yield row_of(cells, place, column_names(cells, {}), {}, locator=place)


def _text_table(file: Path) -> Table:
    rows: Iterator[tuple[Place, Cells | str]] = (
        (place, {"url": line} if line is not None else f"its line is longer than {MAX_ROW} characters")
        for place, line in _lines(file)
    )
    return Table(file.name, ("url",), rows)


def _lines(file: Path) -> Iterator[tuple[Place, str | None]]:
    """Yield the lines that are not blank, None for one that is too long to be read."""
    with file.open(encoding="utf-8-sig", errors="replace", newline="\n") as stream:
        number = 0
        while line := stream.readline(MAX_ROW):
            number += 1
            whole = line.endswith("\n") or len(line) < MAX_ROW
            while not whole:
                rest = stream.readline(MAX_ROW)
                whole = rest.endswith("\n") or len(rest) < MAX_ROW
                line = ""
            if line == "":
                yield _place(file, "line", number), None
            elif line.strip():
                yield _place(file, "line", number), line.strip()


def _separated_table(file: Path, delimiter: str) -> Table:
    stream = file.open(encoding="utf-8-sig", errors="replace", newline="")
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    try:
        header = tuple(next(reader, ()))
    except csv.Error as error:
        stream.close()
        raise PrerequisiteError(f"the first line of {file} names no columns ({error}); correct it") from error

    def rows() -> Iterator[tuple[Place, Cells | str]]:
        with stream:
            while True:
                first = reader.line_num + 1
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    lines = f"{first} to {reader.line_num}" if reader.line_num > first else f"{first}"
                    yield (
                        _place(file, "line", first),
                        f"line {lines} is no row ({error}); is a quote left open?",
                    )
                    continue
                if len(cells) > len(header):
                    yield _place(file, "line", first), f"it has {len(cells)} cells for {len(header)} columns"
                elif any(cells):
                    yield _place(file, "line", first), dict(zip(header, cells, strict=False))

    return Table(file.name, header, rows())


def _json_lines_table(file: Path) -> Table:
    def rows() -> Iterator[tuple[Place, Cells | str]]:
        for place, line in _lines(file):
            if line is None:
                yield place, f"its line is longer than {MAX_ROW} characters"
            else:
                yield place, _object(line)

    return Table(file.name, None, rows())


def _json_table(file: Path) -> Table:
    """Read an array of objects; a .json file of one object a line is read as JSON lines."""
    with file.open(encoding="utf-8-sig", errors="replace") as stream:
        start = stream.read(_CHUNK).lstrip()[:1]
    return Table(file.name, None, _elements(file)) if start == "[" else _json_lines_table(file)


def _elements(file: Path) -> Iterator[tuple[Place, Cells | str]]:
    """Yield the elements of a JSON array while it is read, never more than one and a chunk in memory."""
    decoder = json.JSONDecoder()
    number, text = 0, ""
    with file.open(encoding="utf-8-sig", errors="replace") as stream:
        text = stream.read(_CHUNK).lstrip().removeprefix("[")
        while True:
            text = text.lstrip(" \t\r\n,")
            if text.startswith("]"):
                return
            try:
                element, end = decoder.raw_decode(text)
            except (ValueError, RecursionError) as error:
                more = stream.read(max(_CHUNK, len(text)))  # doubling, so that a long element costs no square
                if more and len(text) <= MAX_ROW:
                    text += more
                    continue
                if text or number == 0:
                    told = (
                        "it is longer than is read"
                        if len(text) > MAX_ROW
                        else f"the array ends in it ({error})"
                    )
                    yield _place(file, "row", number + 1), f"{told}; nothing after it was read"
                return
            number += 1
            text = text[end:]
            yield _place(file, "row", number), _cells(element)


def _object(line: str) -> Cells | str:
    try:
        return _cells(json.loads(line))
    except (ValueError, RecursionError) as error:
        return f"it is not JSON ({error})"


def _cells(element: object) -> Cells | str:
    return element if isinstance(element, dict) else "it is no JSON object"


def _parquet_table(file: Path) -> Table:
    """Read the columns of texts and numbers; pictures and vectors in other columns are left on disk."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise PrerequisiteError(f"{file} cannot be read as Parquet ({error}); make it again") from error
    plain = [one.name for one in opened.schema_arrow if _is_plain(pa.types, one.type)]

    def rows() -> Iterator[tuple[Place, Cells | str]]:
        number = 0
        with opened:
            try:
                for batch in opened.iter_batches(batch_size=_BATCH, columns=plain):
                    for cells in batch.to_pylist():
                        number += 1
                        yield _place(file, "row", number), cells
            except (pa.ArrowException, OSError) as error:
                message = f"{file} is damaged after row {number} ({error}); make it again"
                raise PrerequisiteError(message) from error

    return Table(file.name, tuple(plain), rows())


def _is_plain(types: Any, kind: Any) -> bool:  # noqa: ANN401 - pyarrow has no types
    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_string_view, types.is_integer)
    return any(test(kind) for test in (*tests, types.is_floating, types.is_boolean))


def _place(file: Path, what: str, number: int) -> Place:
    return f"{file.name}, {what} {number}"


_READERS: dict[str, Callable[[Path], Table]] = {
    ".txt": _text_table,
    ".csv": lambda file: _separated_table(file, ","),
    ".tsv": lambda file: _separated_table(file, "\t"),
    ".json": _json_table,
    ".jsonl": _json_lines_table,
    ".parquet": _parquet_table,
}
