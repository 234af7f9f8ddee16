"""Renders the templates of the pages: everything printed is escaped, made harmless and clipped."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path
from shlex import quote
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from curation.atomic import write_atomic

LONGEST = 400
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
# format characters that scripts and emoji need: without them Persian or a family of four reads wrongly
_JOINERS = frozenset({"\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}", "\N{SOFT HYPHEN}"})
_MOST_MARKS = 4


def harmless(text: str, most: int = LONGEST) -> str:
    """Return text of a stranger as one line of at most `most` characters that cannot disturb a page.

    Control characters, marks that turn the direction of writing, invisible characters and lone surrogates
    become the replacement character; heaps of combining marks are cut. Escaping for HTML
    is left to the template.
    """
    shown: list[str] = []
    marks = 0
    for character in text[: 4 * most]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MOST_MARKS:
            continue
        shown.append(_visible(character))
    line = " ".join("".join(shown).split())
    return line if len(line) <= most and len(text) <= 4 * most else f"{line[: most - 1]}…"


def source_link(address: str) -> tuple[str, str] | None:
    """Return (address, host name) of a page that a reader may follow, None for anything but http and https.

    The host name is ASCII (punycode), so that look-alike letters show. An address with a login, a blank,
    a control character or a broken host is not followed.
    """
    if address != harmless(address, 2_000) or any(character.isspace() for character in address):
        return None
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        _ = parts.port
    except ValueError:  # UnicodeError is one
        return None
    plain = parts.scheme in ("http", "https") and parts.username is None and "\\" not in address
    return (address, host) if plain and host else None


def write_page(template: str, out: Path, **values: Any) -> None:  # noqa: ANN401 - whatever a template shows
    """Render a template and write it at once or not at all; the same values give the same bytes."""
    page = _environment().get_template(template).render(**values)
    write_atomic(out, page.encode("utf-8"))


def _visible(character: str) -> str:
    if character.isspace():
        return " "
    hidden = unicodedata.category(character) in _HIDDEN and character not in _JOINERS
    return "\N{REPLACEMENT CHARACTER}" if hidden else character


def _finalize(value: object) -> object:
    """Make harmless whatever a template prints, so that no place can forget to."""
    return harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("curation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clip"] = harmless
    environment.filters["shell"] = quote  # people paste commands
    return environment
