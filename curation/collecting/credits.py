"""Reads the README credits of GCompris: who made which file, under which licence, found where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from curation.ids import nfc

_MAX_CHARS = 1_000_000
_MAX_FIELD = 500
_FIELD = re.compile(
    r"^\s*(?P<name>Copyright|Source|Licen[cs]es?|Comments?|Files?)\s*:\s*(?P<rest>.*)$", re.IGNORECASE
)
_FILE = re.compile(r"^[\w./()'+-]+\.(?:webp|png|jpe?g|gif|svg|ogg|oga|wav|qml|json)$", re.IGNORECASE)
_URL = re.compile(r"https?://[^\s,<>\"]+")
_ORIGINAL = re.compile(
    r"based on (?:a|an original) (?:photo|image|painting) by (?P<author>[^,]{1,100}),", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Credit:
    """What a README says of one file; licence_text as it words it, None when it says nothing."""

    author: str
    licence_text: str | None
    source_page: str
    note: str


@dataclass(slots=True)
class _Block:
    author: list[str] = field(default_factory=list)
    licence: str | None = None
    source: str = ""
    comment: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def parse_credits(text: str) -> dict[str, Credit]:
    """Return the credits by file path, relative to the README's folder.

    Blocks are parted by blank lines; fields come in any order and in both spellings of licence; file
    names stand after 'Files:', on the lines below, or bare where the heading was forgotten. Of two
    blocks that name a file, the first holds.
    """
    found: dict[str, Credit] = {}
    for lines in _blocks(text[:_MAX_CHARS]):
        block = _read(lines)
        for file in block.files:
            found.setdefault(file, _credit(block, file))
    return found


def _blocks(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip():
            lines.append(line)
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _read(lines: list[str]) -> _Block:
    block = _Block()
    current = ""
    for line in lines:
        if match := _FIELD.match(line):
            current = match["name"].lower()[:4]
            line = match["rest"]  # noqa: PLW2901 - the rest of the line is read like a line of its own
        _take(block, current, nfc(line)[:_MAX_FIELD])
    return block


def _take(block: _Block, current: str, words: str) -> None:
    if not words:
        return
    if current != "sour" and all(_FILE.match(word) for word in words.split()):
        block.files.extend(words.split())
    elif current == "copy":
        block.author.append(re.sub(r"^(Copyright|©)\s+", "", words))
    elif current == "sour":
        block.source = block.source or words
    elif current == "lice":
        block.licence = block.licence or words
    elif current == "comm":
        block.comment.append(words)


def _credit(block: _Block, file: str) -> Credit:
    comment = " ".join(block.comment)
    named = [name for name in block.files if name in comment]
    if named and file not in named:
        comment = ""  # the remark is about another file of the block
    author = "; ".join(block.author)
    if original := _ORIGINAL.search(comment):
        author = f"{original['author'].strip()}; adapted by {author}"
    url = _URL.search(block.source) or _URL.search(comment)
    return Credit(author, block.licence, url.group().rstrip(".") if url else "", comment)
