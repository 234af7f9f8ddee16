"""The photographs, paintings, credits and texts inside Debian's gcompris-qt-data package."""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from PIL import Image

from curation.atomic import write_atomic
from curation.collecting.credits import Credit, parse_credits
from curation.collecting.deb import read_files
from curation.collecting.rcc import RccArchive
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import nfc

_FOLDER = "usr/share/gcompris-qt/rcc"
_STRING = r'qsTr\("((?:[^"\\]|\\.){1,5000})"\)'
_ENTRY = re.compile(rf'"title"\s*:\s*{_STRING}\s*,\s*"text"\s*:\s*{_STRING}')
_HEADING = re.compile(rf"property string instruction\s*:\s*{_STRING}")
_TILE = re.compile(
    r'"pixmapfile"\s*:\s*"(?P<file>image/[\w.-]+\.(?:webp|png))"\s*,'
    r'\s*"x"\s*:\s*"?(?P<x>-?\d(?:\.\d{1,6})?)"?\s*,\s*"y"\s*:\s*"?(?P<y>-?\d(?:\.\d{1,6})?)"?'
)
_BOARD = re.compile(r'"width"\s*:\s*(?P<width>\d{2,4})\s*,\s*"height"\s*:\s*(?P<height>\d{2,4})')
_COPYRIGHT = re.compile(r"SPDX-FileCopyrightText:\s*([^<\n]{1,200})")
_MAX_TILES = 64


@dataclass(frozen=True, slots=True)
class BoardText:
    """A text of an activity, and who wrote its file."""

    text: str
    author: str


class GCompris:
    """The resource archives of some activities, unpacked once into a cache.

    A path here is 'ACTIVITY/PLACE', the place below the activity's resource folder.
    """

    def __init__(self, package: Path, cache: Path, activities: Collection[str]) -> None:
        """Unpack what the cache lacks: PrerequisiteError without the package, IntegrityError if damaged."""
        self._folder = _unpack(package, cache, activities)
        self._archives: dict[str, RccArchive] = {}
        self._credits: dict[str, dict[str, Credit]] = {}

    def read(self, path: str) -> bytes:
        """Return the content of a file, FileNotFoundError when the package has it not."""
        archive, inner = self._locate(path)
        return archive.read(inner)

    def credit(self, path: str) -> Credit | None:
        """Return what the README beside a file, or in a folder above it, says of it; None for nothing."""
        folder, place = path.rpartition("/")[0], path.rpartition("/")[2]
        while folder:
            listed = self._readme(folder)
            if listed and place in listed:
                return listed[place]
            folder, _, last = folder.rpartition("/")
            place = f"{last}/{place}"
        return None

    def texts(self, activity: str) -> dict[str, BoardText]:
        """Return the texts of an activity's boards by their English title."""
        archive = self._archive(activity)
        found: dict[str, BoardText] = {}
        for inner in archive.paths:
            if f"/{activity}/resource/board/" not in inner or not inner.endswith(".qml"):
                continue
            source = archive.read(inner).decode("utf-8", "replace")
            author = "; ".join(nfc(name) for name in _COPYRIGHT.findall(source)) or "GCompris developers"
            for title, text in _ENTRY.findall(source):
                found[_unquoted(title)] = BoardText(_unquoted(text), author)
        return found

    def painting_title(self, path: str) -> tuple[str, str]:
        """Return the title of the painting on a puzzle board, and the path of its first tile.

        Raises FileNotFoundError when the board is missing or shows no puzzle.
        """
        source = self.read(path).decode("utf-8", "replace")
        heading, tile = _HEADING.search(source), _TILE.search(source)
        if heading is None or tile is None:
            raise FileNotFoundError(f"{path} is no puzzle of a painting")
        return _unquoted(heading[1]), f"{path.partition('/')[0]}/{tile['file']}"

    def painting(self, path: str) -> bytes:
        """Return the painting on a puzzle board as PNG, its tiles put in their places.

        Raises FileNotFoundError when the board or a tile is missing, or when it shows no puzzle.
        """
        source = self.read(path).decode("utf-8", "replace")
        board, tiles = _BOARD.search(source), list(_TILE.finditer(source))
        if board is None or not 0 < len(tiles) <= _MAX_TILES:
            raise FileNotFoundError(f"{path} is no puzzle of a painting")
        placed = []
        for tile in tiles:
            picture = _tile(self.read(f"{path.partition('/')[0]}/{tile['file']}"))
            x = round(float(tile["x"]) * int(board["width"]) - picture.width / 2)
            y = round(float(tile["y"]) * int(board["height"]) - picture.height / 2)
            placed.append((picture, x, y))
        return _joined(placed)

    def _locate(self, path: str) -> tuple[RccArchive, str]:
        activity, _, place = path.partition("/")
        return self._archive(activity), f"gcompris/src/activities/{activity}/resource/{place}"

    def _archive(self, activity: str) -> RccArchive:
        if activity not in self._archives:
            file = self._folder / f"{activity}.rcc"
            if not file.is_file():
                raise FileNotFoundError(f"the package has no activity {activity}")
            self._archives[activity] = RccArchive(file.read_bytes(), file.name)
        return self._archives[activity]

    def _readme(self, folder: str) -> dict[str, Credit]:
        if folder not in self._credits:
            try:
                text = self.read(f"{folder}/README").decode("utf-8", "replace")
            except FileNotFoundError:
                text = ""
            self._credits[folder] = parse_credits(text)
        return self._credits[folder]


def _unpack(package: Path, cache: Path, activities: Collection[str]) -> Path:
    if not package.is_file():
        raise PrerequisiteError(f"the sample package {package} is not there: run `make sample`")
    with package.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    folder = cache / f"gcompris-{digest[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    missing = {f"{_FOLDER}/{name}.rcc" for name in activities if not (folder / f"{name}.rcc").is_file()}
    if missing:
        for path, data in read_files(package, missing):
            write_atomic(folder / path.rpartition("/")[2], data)
    return folder


def _unquoted(text: str) -> str:
    return nfc(re.sub(r"\\(.)", lambda match: " " if match[1] in "ntr" else match[1], text))


def _tile(data: bytes) -> Image.Image:
    try:
        tile = Image.open(io.BytesIO(data), formats=("WEBP", "PNG"))
        if max(tile.size) > 1000:
            raise IntegrityError("a puzzle tile is larger than its board")
        return tile.convert("RGBA")
    except (OSError, SyntaxError, ValueError) as error:
        raise IntegrityError("a puzzle tile of the package is no picture") from error


def _joined(placed: list[tuple[Image.Image, int, int]]) -> bytes:
    left, top = min(x for _, x, _ in placed), min(y for _, _, y in placed)
    right = max(x + tile.width for tile, x, _ in placed)
    bottom = max(y + tile.height for tile, _, y in placed)
    canvas = Image.new("RGB", (right - left, bottom - top), "white")
    for tile, x, y in placed:
        canvas.paste(tile, (x - left, y - top), mask=tile)
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()
