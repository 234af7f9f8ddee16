"""Reads JSON from outside without trusting its shape."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


def as_dict(value: object) -> JsonObject:
    """Return value when it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: object) -> list[JsonObject]:
    """Return the objects in value when it is an array, else none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return value when it is a string, without lone surrogates, else ''.

    JSON can spell halves of a character ("\\ud800"), which no file, request or record can hold.
    """
    return value.encode("utf-8", "ignore").decode("utf-8") if isinstance(value, str) else ""


def as_size(value: object) -> int:
    """Return value when it is a whole number above 0, else 0."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def as_url(value: object) -> str:
    """Return value when it is an http(s) address of at most 2,000 characters, else ''."""
    url = as_text(value)
    return url if url.startswith(("https://", "http://")) and len(url) <= 2_000 and url.isprintable() else ""
