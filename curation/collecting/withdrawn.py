"""The take-down list: pictures that must not be fetched, kept or released, whatever their licence says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, ValidationError, model_validator

from curation.errors import PrerequisiteError
from curation.ids import nfc
from curation.records import ImageAsset, ImageCandidate, Record, Sha256

_SELECTORS = ("sha256", "source_page", "url", "author")


class Withdrawal(Record):
    """One entry: exactly one of sha256, source_page, url and author; when and why it was withdrawn."""

    sha256: Sha256 | None = None
    source_page: str | None = Field(default=None, min_length=1)
    url: str | None = Field(default=None, min_length=1)
    author: str | None = Field(default=None, min_length=1)
    date: date
    reason: str = Field(min_length=1)

    @model_validator(mode="after")
    def _one_selector(self) -> Withdrawal:
        given = [name for name in _SELECTORS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"name exactly one of {', '.join(_SELECTORS)}")
        return self


@dataclass(frozen=True, slots=True)
class WithdrawnList:
    """The entries by what they name; addresses and authors in the form in which they are compared."""

    sha256: Mapping[str, Withdrawal] = field(default_factory=dict)
    addresses: Mapping[str, Withdrawal] = field(default_factory=dict)
    authors: Mapping[str, Withdrawal] = field(default_factory=dict)


def read_withdrawn(path: Path | None) -> WithdrawnList:
    """Read a project's withdrawn.toml ([[withdrawn]] tables); None means that the project has none.

    Raises PrerequisiteError when the file is missing or an entry is wrong: a list that is only partly
    understood would let through what somebody asked us to take down.
    """
    if path is None:
        return WithdrawnList()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PrerequisiteError(f"the take-down list {path} cannot be read ({error}); correct it") from error
    rows = table.get("withdrawn", [])
    if set(table) - {"withdrawn"} or not isinstance(rows, list):
        raise PrerequisiteError(f"{path} must hold [[withdrawn]] tables and nothing else; correct it")
    return withdrawn_list(_entry(path, number, row) for number, row in enumerate(rows, 1))


def withdrawn_list(entries: Iterable[Withdrawal]) -> WithdrawnList:
    """Return the list of some entries; of two that name the same thing the first holds."""
    sha256: dict[str, Withdrawal] = {}
    addresses: dict[str, Withdrawal] = {}
    authors: dict[str, Withdrawal] = {}
    for entry in entries:
        if entry.sha256 is not None:
            sha256.setdefault(entry.sha256, entry)
        if address := entry.source_page or entry.url:
            addresses.setdefault(_address(address), entry)
        if entry.author is not None:
            authors.setdefault(_name(entry.author), entry)
    return WithdrawnList(sha256, addresses, authors)


def withdrawn_reason(picture: ImageCandidate | ImageAsset, listed: WithdrawnList) -> str | None:
    """Return one sentence that says why a picture is withdrawn, None when it is not.

    Of a candidate page, address and author are known, so nothing is fetched; of an asset the sha256 too,
    that of its derivative included. An author is matched alone and as one of several parted by ';'.
    """
    if isinstance(picture, ImageAsset):
        for sha256 in (picture.sha256, picture.derivative_sha256):
            if found := listed.sha256.get(sha256):
                return _told("these bytes were", found)
    final = picture.final_url if isinstance(picture, ImageAsset) else ""
    for address in (picture.source_page, picture.locator, final):
        if address and (found := listed.addresses.get(_address(address))):
            return _told(f"{address[:200]} was", found)
    for author in (picture.author, *picture.author.split(";")):
        if found := listed.authors.get(_name(author)):
            return _told(f"the pictures of {nfc(author)[:100]} were", found)
    return None


def withdrawn_among(assets: Iterable[ImageAsset], listed: WithdrawnList) -> dict[str, str]:
    """Return by image id why some of the collected pictures are withdrawn, those made of such ones too."""
    known = {asset.image_id: asset for asset in assets}
    found = {key: told for key, asset in known.items() if (told := withdrawn_reason(asset, listed))}
    grew = True
    while grew:
        made = {
            key: f"the picture that it was made of was withdrawn: {found[asset.parent]}"
            for key, asset in known.items()
            if key not in found and asset.parent in found
        }
        found.update(made)
        grew = bool(made)
    return found


def _entry(path: Path, number: int, row: object) -> Withdrawal:
    try:
        return Withdrawal.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "entry"
        raise PrerequisiteError(f"{path}: entry {number}: {where}: {first['msg']}; correct it") from error


def _address(text: str) -> str:
    """Return an address as it is compared: no scheme, fragment or needless escapes, the host in small."""
    parts = urlsplit(text.strip()) if _splits(text) else None
    if parts is None or not parts.netloc:
        return nfc(text)
    host = parts.netloc.lower().removesuffix(":443").removesuffix(":80").rstrip(".")
    path = unquote(parts.path)
    if path.startswith("/wiki/"):  # where a blank and a low line are the same
        path = path.replace(" ", "_")
    path = quote(path, safe="/") or "/"
    return f"//{host}{path}" + (f"?{parts.query}" if parts.query else "")


def _splits(text: str) -> bool:
    try:
        urlsplit(text.strip())
    except ValueError:
        return False
    return True


def _name(text: str) -> str:
    return nfc(text).casefold()


def _told(what: str, entry: Withdrawal) -> str:
    return f"{what} withdrawn on {entry.date.isoformat()}: {nfc(entry.reason)[:300]}"
