"""Finds and reads the files of a folder without ever leaving it: no links, no pipes, no odd names."""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from curation import images
from curation.collecting.port import Fetched
from curation.errors import PrerequisiteError, Reason, Rejected

MAX_DEPTH = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a folder holds, by place: the path below it, parted by '/'.

    sizes: bytes of the ordinary files. refused: why other things are not read. Names that begin with a dot
    are left out of both.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def find_files(root: Path) -> Found:
    """Return the files of a folder and of the folders in it, sorted. Raises PrerequisiteError without it."""
    if not root.is_dir():
        raise PrerequisiteError(f"there is no folder {root}; make it, or correct its path in mmke.toml")
    found = Found()
    _walk(root, "", 0, found)
    return found


def is_plain_place(place: str) -> bool:
    """Return whether a path stays below the folder it is meant for, whatever the system."""
    parts = place.removesuffix("/").split("/")
    printable = all(unicodedata.category(sign) not in ("Cc", "Cf", "Cs") for sign in place)
    return printable and "\\" not in place and not any(part in ("", ".", "..") for part in parts)


def read_file(root: Path, place: str, key: str) -> Fetched | Rejected:
    """Return the bytes of a file; Rejected (with key) when it is gone, too large or no ordinary file.

    Every step of the path is opened below the one before and must be no link (openat with O_NOFOLLOW), so
    that nothing can be swapped between a check and the reading.
    """
    if not is_plain_place(place):
        return Rejected(key, Reason.UNSAFE_PATH, f"{place!r} is no path below the folder")
    descriptor = -1
    try:
        descriptor = _opened(root, place.split("/"))
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            return Rejected(key, Reason.UNSAFE_PATH, f"{place} is no ordinary file")
        if about.st_size > images.MAX_BYTES:
            return Rejected(key, Reason.IMAGE_TOO_LARGE, f"{place} has {about.st_size} bytes")
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return Fetched(file.read(images.MAX_BYTES + 1))
    except FileNotFoundError:
        return Rejected(key, Reason.FETCH_FAILED, f"{place} is not in the folder any more")
    except PermissionError:
        return Rejected(key, Reason.FETCH_FAILED, f"{place} may not be read; allow it with chmod")
    except OSError as error:
        return Rejected(key, Reason.UNSAFE_PATH, f"{place} is a link or no file ({error.strerror})")
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _opened(root: Path, parts: list[str]) -> int:
    """Return the descriptor of the file at the end of a path, its folders opened one after the other."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        # O_NONBLOCK: the opening of a pipe would wait for a writer.
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def _walk(folder: Path, above: str, depth: int, found: Found) -> None:
    for entry in _entries(folder):
        place = above + entry.name
        if not is_plain_place(place):
            found.refused[ascii(place)] = f"{place!a} has signs in its name that are not printed; rename it"
        elif entry.is_symlink():
            found.refused[place] = f"{place} is a link, and links are not followed; put the file there itself"
        elif entry.is_dir(follow_symlinks=False):
            if depth < MAX_DEPTH:
                _walk(Path(entry.path), f"{place}/", depth + 1, found)
            else:
                found.refused[place] = f"{place} lies deeper than {MAX_DEPTH} folders"
        elif entry.is_file(follow_symlinks=False):
            found.sizes[place] = entry.stat(follow_symlinks=False).st_size
        else:
            found.refused[place] = f"{place} is no ordinary file"


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        shown = [entry for entry in entries if not entry.name.startswith(".")]
    yield from sorted(shown, key=lambda entry: entry.name)
