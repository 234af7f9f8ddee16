"""The editing types' categories as data: the 33 of MMKE-Bench and a project's own, checked as a whole."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from curation.errors import IntegrityError, PrerequisiteError
from curation.records import Category, EditType

SOURCE_KINDS = ("sample", "wikimedia", "openverse", "url_list", "folder", "hugging_face")
"""The kinds of source that a category may name, as in the `kind` of a project's [[sources]]."""

_Q_ID = re.compile(r"Q[1-9][0-9]{0,11}")
_SHIPPED = "taxonomy.toml"


def load_taxonomy(extra: Path | None = None) -> dict[str, Category]:
    """Return the categories by key: the paper's in its order (MMKE-Bench, section 3), then those of extra.

    extra: a project's own file, [[category]] tables like the shipped ones. Raises PrerequisiteError when
    something in it is wrong, IntegrityError when the shipped file is.
    """
    shipped = _shipped()
    if extra is None:
        return dict(shipped)
    table = read_table(extra)
    if wrong := problems(table):
        message = f"{extra}: {wrong[0]}; `mmke taxonomy check` lists all {len(wrong)} problems"
        raise PrerequisiteError(message)
    return {category.key: category for category in _categories(table)}


def read_table(extra: Path | None = None) -> dict[str, Any]:
    """Return the shipped table with the categories of a project's file after its own, unchecked.

    Raises PrerequisiteError when extra is missing, is no TOML or holds other things than categories.
    """
    table = tomllib.loads(files("curation").joinpath(_SHIPPED).read_text(encoding="utf-8"))
    if extra is None:
        return table
    try:
        added = tomllib.loads(extra.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PrerequisiteError(f"{extra} cannot be read as TOML ({error}); correct it") from error
    rows = added.get("category")
    if set(added) != {"category"} or not isinstance(rows, list):
        raise PrerequisiteError(f"{extra} must hold [[category]] tables and nothing else; correct it")
    return {**table, "category": [*table["category"], *rows]}


def problems(table: Mapping[str, Any]) -> list[str]:
    """Return everything that is wrong with a taxonomy as one sentence each, in the order of the file."""
    rows = table.get("category")
    if not isinstance(rows, list):
        return ["there is no [[category]] table"]
    found = [problem for number, row in enumerate(rows, 1) for problem in _row_problems(number, row)]
    readable = [row for row in rows if isinstance(row, Mapping)]
    for field in ("key", "name"):
        times = Counter(str(row.get(field)).casefold() for row in readable if field in row)
        found += [f"{field} {value!r} stands there {n} times" for value, n in times.items() if n > 1]
    return found + list(_total_problems(table.get("total", {}), readable))


@cache
def _shipped() -> dict[str, Category]:
    table = read_table()
    if wrong := problems(table):
        raise IntegrityError(
            f"{_SHIPPED} of mmke-forge: {wrong[0]}; `mmke taxonomy check` lists all problems"
        )
    return {category.key: category for category in _categories(table)}


def _categories(table: Mapping[str, Any]) -> list[Category]:
    return [Category.model_validate(_with_quota(row)) for row in table["category"]]


def _with_quota(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row with the paper's count as its quota where it names none."""
    return {**row, "quota": row["count"]} if "quota" not in row and "count" in row else dict(row)


def _row_problems(number: int, row: object) -> Iterator[str]:
    """Yield what is wrong with one category, whatever its types are."""
    if not isinstance(row, Mapping):
        yield f"category {number} is no table; write [[category]] above its lines"
        return
    label = str(row.get("key", f"category {number}"))
    try:
        Category.model_validate(_with_quota(row))
    except ValidationError as error:
        yield from (f"{label}: {_told(dict(one))}" for one in error.errors())
    for field in ("fine_types", "search_terms", "wikidata", "sources"):
        yield from _list_problems(label, field, _texts(row.get(field)))
    yield from _gaps(label, row)


def _gaps(label: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a category lacks, and what it names that does not exist."""
    if not row.get("fine_types"):
        yield f"{label}: no fine_types; name at least one noun that stands for its subjects"
    if not row.get("search_terms") and not row.get("wikidata"):
        yield f"{label}: neither search_terms nor wikidata; nothing could be searched for"
    for q_id in _texts(row.get("wikidata")):
        if not _Q_ID.fullmatch(q_id):
            yield f"{label}: {q_id!r} is no Wikidata id; write Q and a number, such as Q5113"
    if not row.get("sources"):
        yield f"{label}: no sources; name at least one of {', '.join(SOURCE_KINDS)}"
    for kind in _texts(row.get("sources")):
        if kind not in SOURCE_KINDS:
            yield f"{label}: {kind!r} is no kind of source; the kinds are {', '.join(SOURCE_KINDS)}"


def _list_problems(label: str, field: str, values: list[str]) -> Iterator[str]:
    if any(not value.strip() for value in values):
        yield f"{label}: an empty text in {field}"
    for value, times in Counter(values).items():
        if times > 1:
            yield f"{label}: {value!r} stands {times} times in {field}"


def _total_problems(totals: object, rows: list[Mapping[str, Any]]) -> Iterator[str]:
    for kind in EditType:
        total = totals.get(kind.value) if isinstance(totals, Mapping) else None
        counts = [row.get("count", 0) for row in rows if row.get("edit_type") == kind.value]
        counted = sum(count for count in counts if isinstance(count, int))
        if total != counted:
            yield f"the counts of {kind.value} add up to {counted}, the total says {total}"


def _told(error: dict[str, Any]) -> str:
    """Return a pydantic error in our words."""
    field = ".".join(map(str, error["loc"]))
    if error["type"] == "missing":
        return f"{field} is missing"
    if error["type"] == "extra_forbidden":
        return f"{field} is no field of a category"
    if field == "key" and error["type"] == "string_pattern_mismatch":
        return "key: write small letters, digits and _, at most 40, a letter first"
    if field == "edit_type":
        return f"edit_type {error['input']!r} is unknown; the types are {', '.join(EditType)}"
    return f"{field}: {error['msg']}"


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []
