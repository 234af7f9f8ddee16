"""Canonical JSON, NFC text and the sha256 identifiers made of them."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import Any

_NOT_SLUG = re.compile(r"[^a-z0-9]+")


def nfc(text: str) -> str:
    """Return text in Unicode normal form C with runs of blanks made one blank."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def canonical_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the one JSON spelling of a value: sorted keys, no blanks, UTF-8, NaN refused.

    Raises ValueError for NaN or infinity, TypeError for what JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def sha256_bytes(data: bytes) -> str:
    """Return the 64 hexadecimal digits of the sha256 of data."""
    return hashlib.sha256(data).hexdigest()


def sha256_json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Return the sha256 of the canonical JSON of a value."""
    return sha256_bytes(canonical_json(value).encode("utf-8"))


def short_id(prefix: str, *parts: str) -> str:
    """Return prefix, a dash and 16 hexadecimal digits that depend on every part and its place."""
    return f"{prefix}-{sha256_json(list(parts))[:16]}"


def slug(text: str) -> str:
    """Return an ASCII lower-case name for files and ids; 'Chichén Itzá' becomes 'chichen-itza'."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    return _NOT_SLUG.sub("-", plain.lower()).strip("-") or "x" + sha256_bytes(text.encode())[:8]
