"""Reads the lists of words that the checks go by."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


def listed(name: str) -> list[str]:
    """Return the words of a list of lists.toml."""
    return _lists()[name].split()


def lines(name: str) -> list[str]:
    """Return the lines of a list of lists.toml, for what has several words."""
    return _lists()[name].strip().splitlines()


@cache
def _lists() -> dict[str, str]:
    return tomllib.loads(files(__package__).joinpath("lists.toml").read_text(encoding="utf-8"))
