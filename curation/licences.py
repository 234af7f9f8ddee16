"""Free-text licences as SPDX identifiers, the list of those we may redistribute, and attribution lines."""

from __future__ import annotations

import re
from collections.abc import Collection

from curation.errors import Reason, Rejected
from curation.ids import nfc

PUBLIC_DOMAIN = "LicenseRef-Public-Domain"
"""SPDX has no identifier for the public domain; this is its form for a licence that is not on its list."""

_VERSIONS = ("1.0", "2.0", "2.5", "3.0", "4.0")

DEFAULT_ALLOWED: frozenset[str] = frozenset(
    {PUBLIC_DOMAIN, "CC0-1.0", "GPL-3.0-only", "GPL-3.0-or-later"}
    | {f"CC-{kind}-{version}" for kind in ("BY", "BY-SA") for version in _VERSIONS}
)
"""What may be released: free for any use, adaptation and redistribution. No NC, no ND, no unknown version."""

_DUTIES = ((PUBLIC_DOMAIN, 0), ("CC0-", 1), ("CC-BY-SA-", 3), ("CC-BY-", 2))

_CC_URL = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/licenses/"
    r"(?P<kind>by(?:-nc)?(?:-sa|-nd)?)/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2,3}))?"
    r"(?:/(?:legalcode|deed)?(?:\.[a-z_-]+)?)?"
)
_CC_WORDS = re.compile(
    r"by(?: (?P<nc>nc))?(?: (?P<tail>sa|nd))?(?: (?P<version>\d\.\d))?(?: (?P<port>[a-z]{2,3}))?"
)
_GPL = re.compile(
    r"gpl(?: ?(?:version )?v?(?P<version>[23])(?:\.0)?)(?P<later>\+| or later| or any later version| only)?"
)
_NOISE = re.compile(r"\b(creative commons|licen[cs]e|international|unported|generic|universal|the|cc)\b")
_WORDS = (
    ("share ?alike", "sa"),
    ("non ?commercial", "nc"),
    ("no ?deriv(?:ative)?(?:s| works)?", "nd"),
    ("attribution", "by"),
)
_PUBLIC = frozenset(
    {"public domain", "pd", "pdm", "public domain mark", "public domain mark 1.0", "public domain dedication"}
)
_ZERO = frozenset({"cc0", "cc0 1.0", "cc zero", "zero", "zero 1.0", "public domain zero 1.0"})


def spdx_id(text: str) -> str | None:
    """Return the SPDX identifier that a licence text means, None when it is not understood.

    Only a text that is nothing but a licence is understood ('not CC0' is not). A Creative Commons
    licence without its version becomes LicenseRef-CC-BY-SA and the like, which no list allows.
    """
    plain = nfc(text).lower().rstrip(" .")
    if match := _CC_URL.fullmatch(plain):
        return _creative_commons(match["kind"].upper(), match["version"], match["port"])
    if re.fullmatch(
        r"https?://(www\.)?creativecommons\.org/publicdomain/zero/1\.0/?(deed.*|legalcode)?", plain
    ):
        return "CC0-1.0"
    if re.fullmatch(r"https?://(www\.)?creativecommons\.org/publicdomain/mark/1\.0/?(deed.*)?", plain):
        return PUBLIC_DOMAIN
    words = " ".join(re.sub(r"[-_,()/]", " ", plain).split())
    if words in _PUBLIC:
        return PUBLIC_DOMAIN
    return _by_words(words)


def _by_words(words: str) -> str | None:
    words = words.replace("gnu general public license", "gpl").replace("gnu gpl", "gpl")
    if match := _GPL.fullmatch(words):
        later = match["later"] not in (None, " only")
        return f"GPL-{match['version']}.0-{'or-later' if later else 'only'}"
    for pattern, short in _WORDS:
        words = re.sub(pattern, short, words)
    words = " ".join(_NOISE.sub(" ", words).split())
    if words in _ZERO or words in _PUBLIC:
        return "CC0-1.0" if words in _ZERO else PUBLIC_DOMAIN
    match = _CC_WORDS.fullmatch(words)
    if match is None:
        return None
    kind = "-".join(part for part in ("BY", match["nc"], match["tail"]) if part).upper()
    return _creative_commons(kind, match["version"], match["port"])


def _creative_commons(kind: str, version: str | None, port: str | None) -> str:
    if version is None:
        return f"LicenseRef-CC-{kind}"
    return f"CC-{kind}-{version}" + (f"-{port.upper()}" if port else "")


def check_licence(
    key: str, licence_text: str | None, allowed: Collection[str] = DEFAULT_ALLOWED
) -> str | Rejected:
    """Return the SPDX identifier of an allowed licence, else why the thing with this key is out.

    A ported licence (CC-BY-SA-3.0-DE) is allowed where its unported one is.
    """
    if licence_text is None or not licence_text.strip():
        return Rejected(key, Reason.LICENCE_MISSING, "the source states no licence for it")
    shown = nfc(licence_text)[:80]
    spdx = spdx_id(licence_text)
    if spdx is None:
        return Rejected(key, Reason.LICENCE_NOT_ALLOWED, f"the licence '{shown}' is not one that we know")
    if spdx not in allowed and spdx.rsplit("-", 1)[0] not in allowed:
        return Rejected(
            key, Reason.LICENCE_NOT_ALLOWED, f"the licence '{shown}' ({spdx}) is not on the allowed list"
        )
    return spdx


def freedom(spdx: str) -> int:
    """Return how much a licence asks of the next user: 0 for nothing, more for more."""
    for start, duties in _DUTIES:
        if spdx.startswith(start):
            return duties
    return 4


def attribution_line(title: str, author: str, licence: str, page: str, changes: str = "") -> str:
    """Return one line that names title, author, licence, page and what was changed, as CC BY asks."""
    parts = [f"“{title}” by {author or 'unknown author'}", _spoken(licence), page]
    line = ", ".join(part for part in parts if part)
    return nfc(f"{line}; changes: {changes}" if changes else line)


def _spoken(licence: str) -> str:
    return "public domain" if licence == PUBLIC_DOMAIN else licence
