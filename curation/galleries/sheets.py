"""Contact sheets: a page a category with every picture seen and where it stands, and an index of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path

from curation.galleries.cards import Card, card
from curation.galleries.page import write_page
from curation.galleries.thumbnails import MOST_ON_A_PAGE, SMALL, Thumbnail, Thumbnails
from curation.ids import sha256_bytes, slug
from curation.records import ImageAsset

INDEX = "index.html"
_PLAIN = re.compile(r"(?!index$)[a-z0-9][a-z0-9_]{0,59}")
_ON_A_TILE = 4
_HEAD = 1_024


class State(StrEnum):
    """Where a picture that was seen stands; the value is what the page calls it."""

    KEPT = "kept"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class SeenPicture:
    """A picture that a source offered, and what became of it.

    subject: the name of what it shows. reason: the code, '' while it is kept. detail: one sentence.
    keeper: image id of the picture that was kept instead of a duplicate. asset: None unless it was
    collected; only then is there something to see.
    """

    image_id: str
    category: str
    subject: str
    state: State
    reason: str = ""
    detail: str = ""
    keeper: str = ""
    asset: ImageAsset | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    seen: SeenPicture
    card: Card | None


@dataclass(frozen=True, slots=True)
class _Tile:
    title: str
    page: str
    counts: dict[str, int]
    total: int
    thumbnails: list[Thumbnail]


def category_sheets(
    pictures: Iterable[SeenPicture],
    read: Callable[[str], bytes],
    folder: Path,
    names: Mapping[str, str] | None = None,
    only: str | None = None,
) -> Path:
    """Write one page a category and an index with a tile for each; return the index.

    Pictures stand by subject, kept ones first; those of no known subject at the end. A category of more
    than 1,000 gets several pages. read: derivative_sha256 to bytes. names: of categories, by key. only: a
    category's key; its page alone is written and returned. A page that shows what it showed before is left
    as it is; pages in the folder of categories that are no more are removed.
    """
    of_category: dict[str, list[SeenPicture]] = {}
    for picture in pictures:
        of_category.setdefault(picture.category, []).append(picture)
    titles = names or {}
    if only is not None:
        out = folder / f"{file_stem(only)}.html"
        index = INDEX if (folder / INDEX).exists() else ""
        _sheet(_title(only, titles), of_category[only], read, out, index)
        return out
    tiles: list[tuple[str, str, list[SeenPicture]]] = []
    written = {folder / INDEX}
    for key, seen in sorted(of_category.items()):
        title = _title(key, titles)
        out = folder / f"{file_stem(key)}.html"
        written |= set(_sheet(title, seen, read, out, INDEX))
        tiles.append((title, out.name, _ordered(seen)))
    _index(tiles, read, folder / INDEX)
    for stale in set(folder.glob("*.html")) - written:
        stale.unlink()
    return folder / INDEX


def file_stem(category: str) -> str:
    """Return the name of a category's file; keys that are no plain names get one that cannot collide."""
    if _PLAIN.fullmatch(category):
        return category
    data = category.encode("utf-8", "backslashreplace")
    return f"{slug(data.decode('utf-8'))[:40]}-{sha256_bytes(data)[:8]}"


def _title(key: str, names: Mapping[str, str]) -> str:
    title = names.get(key) or key.replace("_", " ").strip() or "without a category"
    return title[:1].upper() + title[1:]


def _ordered(seen: Iterable[SeenPicture]) -> list[SeenPicture]:
    place = list(State)
    return sorted(
        seen, key=lambda one: (not one.subject, one.subject.casefold(), place.index(one.state), one.image_id)
    )


def _sheet(
    title: str, seen: Sequence[SeenPicture], read: Callable[[str], bytes], out: Path, index: str
) -> list[Path]:
    """Write the pages of one category and return them."""
    ordered = _ordered(seen)
    starts = range(0, max(len(ordered), 1), MOST_ON_A_PAGE)
    pages = [out.with_name(f"{out.stem}-{n + 1}.html") if n else out for n in range(len(starts))]
    for start, page in zip(starts, pages, strict=True):
        part = ordered[start : start + MOST_ON_A_PAGE]
        values = {
            "title": title,
            "index": index,
            "pages": [path.name for path in pages] if len(pages) > 1 else [],
            "page": page.name,
            "counts": _counted(ordered, always=True),
            "total": len(ordered),
            "subjects": len({one.subject for one in ordered if one.subject}),
        }
        inputs = _fingerprint(values, part)
        if _shows(page, inputs):
            continue
        thumbnails = Thumbnails((a.derivative_sha256 for one in part if (a := one.asset)), read, SMALL)
        entries = [
            _Entry(one, card(one.asset, one.subject, thumbnails) if one.asset else None) for one in part
        ]
        write_page(
            "sheet.html.j2", page, inputs=inputs, entries=entries, styles=thumbnails.styles(), **values
        )
    return pages


def _index(
    tiles: Sequence[tuple[str, str, list[SeenPicture]]], read: Callable[[str], bytes], out: Path
) -> None:
    shown = []
    for title, page, seen in tiles:
        kept = [one for one in seen if one.asset and one.state is State.KEPT]
        # from all over the category rather than four of its first subject
        step = max(1, len(kept) // _ON_A_TILE)
        shown.append((title, page, seen, kept[::step][:_ON_A_TILE]))
    inputs = _fingerprint(shown)
    if _shows(out, inputs):
        return
    chosen = [one.asset.derivative_sha256 for *_, four in shown for one in four if one.asset]
    thumbnails = Thumbnails(chosen, read, SMALL)
    entries = [
        _Tile(
            title=title,
            page=page,
            counts=_counted(seen),
            total=len(seen),
            thumbnails=[thumbnails.of(one.asset.derivative_sha256) for one in four if one.asset],
        )
        for title, page, seen, four in shown
    ]
    write_page(
        "index.html.j2",
        out,
        inputs=inputs,
        tiles=entries,
        counts=_counted(one for _, _, seen, _ in shown for one in seen),
        total=sum(tile.total for tile in entries),
        styles=thumbnails.styles(),
    )


def _counted(seen: Iterable[SeenPicture], always: bool = False) -> dict[str, int]:
    """Return how many pictures are in each state, in the states' order; always: also where none is."""
    number = Counter(one.state for one in seen)
    return {str(state): number[state] for state in State if always or number[state]}


def _fingerprint(*values: object) -> str:
    """Return a hash of what a page shows and of how; repr, because text of strangers may not be UTF-8."""
    return sha256_bytes(repr((_look(), values)).encode("utf-8"))


def _shows(page: Path, inputs: str) -> bool:
    """Return whether a page was made of these inputs: thumbnails cost some milliseconds each."""
    if not page.is_file():
        return False
    with page.open("rb") as file:
        return f'name="inputs" content="{inputs}"'.encode() in file.read(_HEAD)


@cache
def _look() -> str:
    """Return the hash of all that decides how a page looks: this package's code and its templates."""
    folders = files("curation.galleries"), files("curation").joinpath("templates")
    sources = {
        part.name: part.read_bytes() for folder in folders for part in folder.iterdir() if part.is_file()
    }
    return sha256_bytes(b"".join(sources[name] for name in sorted(sources)))
