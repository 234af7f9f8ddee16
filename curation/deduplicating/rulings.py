"""People's rulings on pairs of pictures: a text file that every later run obeys."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import ValidationError

from curation.atomic import write_atomic
from curation.errors import PrerequisiteError
from curation.records import Record, Sha256

Same = Literal["same", "different"]
Key = tuple[str, str]

_HEADING = """\
# Rulings of people on pairs of pictures: `same` (one of the two is dropped) or `different` (both are kept).
# Pictures are named by the sha256 of their bytes, so a ruling outlives ids. A later ruling on a pair
# replaces an earlier one. Edit this file as you like; `mmke dedupe rule` only adds to its end.
"""


class Ruling(Record):
    """What a person said of two pictures: first < second, sha256 of the fetched bytes; when: ISO 8601."""

    first: Sha256
    second: Sha256
    verdict: Same
    who: str
    when: str
    note: str = ""


def pair_key(first: str, second: str) -> Key:
    """Return two names in order, so that a pair has one key."""
    return (first, second) if first <= second else (second, first)


def read_rulings(path: Path) -> dict[Key, Ruling]:
    """Return the last ruling on each pair, by the two sha256 in order; nothing when there is no file.

    Raises PrerequisiteError naming the file, the entry and what is wrong with it.
    """
    if not path.exists():
        return {}
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not valid TOML ({error}); correct it"
        raise PrerequisiteError(message) from error
    unknown = sorted(set(content) - {"pair"})
    entries = content.get("pair", [])
    if unknown or not isinstance(entries, list):
        message = (
            f"{path}: only [[pair]] tables may be here, found {', '.join(unknown) or 'pair'}; correct it"
        )
        raise PrerequisiteError(message)
    found: dict[Key, Ruling] = {}
    for number, entry in enumerate(entries, 1):
        ruling = _ruling(path, number, entry)
        found[ruling.first, ruling.second] = ruling
    return found


def rule(
    path: Path, first: str, second: str, verdict: Same, *, who: str, note: str = "", when: str | None = None
) -> Ruling:
    """Add a ruling on two pictures (sha256 of their bytes) to the end of the file, at once or not at all.

    Every byte that was there stays, comments too. when: now, in UTC, unless given. Raises
    PrerequisiteError when the file is damaged, the two are one picture, or a value is not allowed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        read_rulings(path)  # a damaged file is not added to
        one, other = pair_key(first, second)
        moment = when or datetime.now(UTC).isoformat(timespec="seconds")
        entry = {"first": one, "second": other, "verdict": verdict, "who": who, "when": moment, "note": note}
        ruling = _ruling(path, 0, entry)
        before = path.read_text(encoding="utf-8") if path.exists() else _HEADING
        if before and not before.endswith("\n"):
            before += "\n"
        lines = [f"{name} = {_quoted(value)}" for name, value in entry.items() if value or name != "note"]
        write_atomic(path, (before + "\n[[pair]]\n" + "\n".join(lines) + "\n").encode("utf-8"))
    return ruling


def person() -> str:
    """Return who is at the keyboard, for the record: the login name, 'somebody' where there is none."""
    return os.environ.get("LOGNAME") or os.environ.get("USER") or "somebody"


def unmatched(rulings: Mapping[Key, Ruling], known: Iterable[str]) -> list[Ruling]:
    """Return the rulings that name a picture which is not among the known sha256: typos, or gone pictures."""
    there = set(known)
    return [ruling for key, ruling in sorted(rulings.items()) if not there.issuperset(key)]


def _ruling(path: Path, number: int, entry: object) -> Ruling:
    where = f"{path}: pair {number}" if number else f"{path}: the new ruling"
    try:
        ruling = Ruling.model_validate(entry, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}; correct it"
        raise PrerequisiteError(message) from error
    if ruling.first == ruling.second:
        message = f"{where}: both are the same bytes, on which there is nothing to rule; name two pictures"
        raise PrerequisiteError(message)
    one, other = pair_key(ruling.first, ruling.second)
    return ruling.model_copy(update={"first": one, "second": other})


def _quoted(value: str) -> str:
    """Return a TOML basic string: backslash, quote and every control character escaped."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}
    body = "".join(
        escapes.get(sign) or (f"\\u{ord(sign):04x}" if ord(sign) < 32 or ord(sign) == 127 else sign)
        for sign in value
    )
    return f'"{body}"'
