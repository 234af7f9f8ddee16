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
    r"(?:www\.)?creativecommons\.org/licen[cs]es/"
    r"(?P<kind>by(?:-nc)?(?:-sa|-nd)?|by-nd-nc)/(?P<version>\d\.\d)(?:/(?P<port>[a-z]{2,8}))?"
    r"(?:/(?:legalcode|deed)?(?:\.[a-z_-]+)?)?"
)
_CC_WORDS = re.compile(
    r"by(?: (?P<nc>nc))?(?: (?P<tail>sa|nd))?(?: (?P<version>\d\.\d))?(?: (?P<port>[a-z]{2,3}|scotland))?"
)
_GNU = re.compile(
    r"(?P<kind>l|a)?gpl(?: ?(?:version )?v?(?P<version>2\.1|[23])(?:\.0)?)"
    r"(?P<later>\+| or later| or any later version| only)?"
)
_GFDL = re.compile(r"gfdl(?: v?(?P<version>1\.[123]))?(?P<later>\+| or later| or any later version| only)?")
_NON_COMMERCIAL = re.compile(r"\bnc\b|\bnon ?commercial")
_NO_DERIVATIVES = re.compile(r"\bnd\b|\bno ?deriv")
_MAX_CHARS = 500
_NOISE = re.compile(
    r"\b(creative commons|licen[cs]e|international|unported|generic|universal|the|cc|migrated|deed)\b"
)
_WORDS = (
    ("share ?alike", "sa"),
    ("non ?commercial", "nc"),
    ("no ?deriv(?:ative)?(?:s| works)?", "nd"),
    ("attribution", "by"),
    ("by nd nc", "by nc nd"),
)

# Ways to write a licence, in small letters, with blanks for - _ , ( ) and /; of addresses without scheme and
# query. Sources: the licence tags of Wikimedia Commons, the licence list of the Flickr API, Openverse.
_SPELLINGS: dict[str, tuple[str, ...]] = {
    PUBLIC_DOMAIN: (
        *("public domain", "pd", "pdm", "pdm 1.0", "public domain mark", "public domain mark 1.0"),
        *("public domain dedication", "creativecommons.org/publicdomain/mark/1.0"),
        *("creativecommons.org/licenses/publicdomain", "united states government work", "us government work"),
        *("usa.gov/copyright.shtml", "usa.gov/government-works", "usa.gov/government-copyright"),
        *(
            "pd us",
            "pd us expired",
            "pd us no notice",
            "pd us not renewed",
            "pd usgov",
            "pd usgov nasa",
            "pd nasa",
        ),
        *("pd old", "pd old 70", "pd old 75", "pd old 80", "pd old 90", "pd old 100", "pd old auto"),
        *("pd old 70 expired", "pd old 80 expired", "pd old 90 expired", "pd old 100 expired"),
        *(
            "pd old auto expired",
            "pd self",
            "pd author",
            "pd user",
            "pd release",
            "pd ineligible",
            "pd textlogo",
        ),
        *("pd shape", "pd simple", "pd trivial", "pd art", "pd art 70", "pd art 100", "pd scan", "pd mark"),
    ),
    "CC0-1.0": (
        *("cc0", "cc0 1.0", "cc zero", "zero", "zero 1.0", "public domain zero 1.0", "pd cc0"),
        *("public domain dedication cc0", "creativecommons.org/publicdomain/zero/1.0"),
    ),
    "LAL-1.3": (
        *("fal", "lal", "fal 1.3", "lal 1.3", "free art license", "free art licence", "licence art libre"),
        *("free art license 1.3", "free art licence 1.3", "licence art libre 1.3", "copyleft attitude"),
        *("artlibre.org/licence/lal", "artlibre.org/licence/lal/en", "artlibre.org"),
    ),
    "LAL-1.2": ("fal 1.2", "lal 1.2", "free art license 1.2", "licence art libre 1.2"),
    "OGL-UK-1.0": ("ogl", "ogl 1", "ogl 1.0", "ogl v1", "ogl v1.0", "ogl uk 1.0"),
    "OGL-UK-2.0": ("ogl 2", "ogl 2.0", "ogl v2", "ogl v2.0", "ogl uk 2.0", "ogl2"),
    "OGL-UK-3.0": ("ogl 3", "ogl 3.0", "ogl v3", "ogl v3.0", "ogl uk 3.0", "ogl3"),
    "MIT": ("mit", "mit license", "mit licence", "expat"),
    "Apache-2.0": ("apache 2.0", "apache license 2.0", "apache licence 2.0", "apache license version 2.0"),
    "BSD-3-Clause": ("bsd 3 clause", "bsd 3 clause license", "new bsd license"),
    # Tags of Commons, no Creative Commons licences: any use that names the author, and any use.
    "LicenseRef-Attribution": ("attribution", "licenseref attribution", "attribution only license"),
    "LicenseRef-Free-Use": ("copyrighted free use", "free use", "licenseref free use"),
    "LicenseRef-No-Known-Restrictions": (
        *("no restrictions", "no known restrictions", "no known copyright restrictions"),
        *("licenseref no known restrictions", "flickr no known copyright restrictions"),
        *("flickr.com/commons/usage", "no known copyright"),
    ),
    "LicenseRef-All-Rights-Reserved": (
        *("all rights reserved", "copyright", "copyrighted", "©", "arr", "licenseref all rights reserved"),
        *("fair use", "non free", "nonfree"),
    ),
}
_TABLE = {spelling: spdx for spdx, spellings in _SPELLINGS.items() for spelling in spellings}
_GNU_NAMES = (
    ("gnu free documentation license", "gfdl"),
    ("gnu free documentation licence", "gfdl"),
    ("gnu fdl", "gfdl"),
    ("gnu affero general public license", "agpl"),
    ("gnu lesser general public license", "lgpl"),
    ("gnu general public license", "gpl"),
    ("gnu lgpl", "lgpl"),
    ("gnu gpl", "gpl"),
)


def spdx_id(text: str) -> str | None:
    """Return the SPDX identifier that a licence text means, None when it is not understood.

    Only a text that is nothing but one licence is understood ('not CC0' is not). A Creative Commons licence
    without its version becomes LicenseRef-CC-BY-SA and the like, which no list allows. What is no licence of
    SPDX's list has a LicenseRef- of ours: the public domain, Commons' {{Attribution}}, all rights reserved.
    """
    plain = nfc(text).lower().rstrip(" .")
    if re.match(r"(?:https?:)?//|(?:www\.)?[a-z.]+\.(?:org|gov|com|uk)/", plain):
        return _by_address(re.sub(r"[?#].*", "", plain).partition("//")[2] or plain)
    if re.fullmatch(r"licenseref-cc-by(-nc)?(-sa|-nd)?", plain):
        return "LicenseRef-" + plain.removeprefix("licenseref-").upper()
    if plain == PUBLIC_DOMAIN.lower():
        return PUBLIC_DOMAIN
    if found := _by_words(" ".join(re.sub(r"[-_,()/]", " ", plain).split())):
        return found
    # Said twice: "Creative Commons Attribution 4.0 International (CC BY 4.0)", "PD-Art (PD-old-100)".
    if twice := re.fullmatch(r"([^()]+)\(([^()]+)\)", plain):
        once, again = spdx_id(twice[1]), spdx_id(twice[2])
        return once if once == again else None
    return None


def licence_options(text: str) -> tuple[str, ...]:
    """Return the SPDX identifiers of the licences that a text offers to choose from, in its order.

    Understood are one licence, several parted by 'or', ',', ';', '|' or '/', and versions after a licence
    ('CC BY-SA 4.0,3.0,2.5'). Empty when any part is not understood: it may be a condition.
    """
    if len(text) > _MAX_CHARS:
        return ()
    if whole := spdx_id(text):
        return (whole,)
    spelled = re.sub(r"(?<=\d\.\d)-(?=\d\.\d)", ",", nfc(text))
    options: list[str] = []
    for part in re.split(
        r"\s*[,;|]\s*|\s+or\s+(?!(?:any )?later|newer)|\s*/\s*", spelled, flags=re.IGNORECASE
    ):
        found = spdx_id(part)
        if found is None and options and part in _VERSIONS and options[-1].startswith("CC-"):
            found = re.sub(r"\d\.\d", part, options[-1])
        if found is None:
            return ()
        options.append(found)
    return tuple(dict.fromkeys(options))


def check_licence(
    key: str, licence_text: str | None, allowed: Collection[str] = DEFAULT_ALLOWED
) -> str | Rejected:
    """Return the SPDX identifier of an allowed licence, else why the thing with this key is out.

    Of several licences to choose from the allowed one that asks least is taken. A ported licence
    (CC-BY-SA-3.0-DE) is allowed where its unported one is. Reasons: licence_missing, licence_unknown,
    licence_non_commercial, licence_no_derivatives, else licence_not_allowed.
    """
    if licence_text is None or not licence_text.strip():
        return Rejected(key, Reason.LICENCE_MISSING, "the source states no licence for it")
    shown = nfc(licence_text)[:80]
    options = licence_options(licence_text)
    chosen = [spdx for spdx in options if spdx in allowed or spdx.rsplit("-", 1)[0] in allowed]
    if chosen:
        return min(chosen, key=freedom)
    named = f" ({' or '.join(options)})" if options else ""
    said = [re.sub(r"[-_]", " ", option).lower() for option in options or (shown,)]
    if all(_NON_COMMERCIAL.search(words) for words in said):
        told = f"the licence '{shown}'{named} allows no commercial use"
        return Rejected(key, Reason.LICENCE_NON_COMMERCIAL, told)
    if all(_NO_DERIVATIVES.search(words) for words in said):
        told = f"the licence '{shown}'{named} allows no altered copies"
        return Rejected(key, Reason.LICENCE_NO_DERIVATIVES, told)
    if not options:
        return Rejected(key, Reason.LICENCE_UNKNOWN, f"the licence '{shown}' is not one that we know")
    return Rejected(
        key, Reason.LICENCE_NOT_ALLOWED, f"the licence '{shown}'{named} is not on the allowed list"
    )


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


def _by_address(address: str) -> str | None:
    """Return the licence that is published at an address, given without its scheme, query and fragment."""
    if match := _CC_URL.fullmatch(address):
        kind = "by-nc-nd" if match["kind"] == "by-nd-nc" else match["kind"]
        return _creative_commons(kind.upper(), match["version"], match["port"])
    address = re.sub(r"/(deed|legalcode)?(\.[a-z_-]+)?$", "", address).removeprefix("www.")
    if match := re.fullmatch(
        r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?fdl(?:-(1\.[123]))?(?:\.html)?", address
    ):
        return f"GFDL-{match[1]}-only" if match[1] else "GFDL-1.2-or-later"
    if match := re.fullmatch(
        r"nationalarchives\.gov\.uk/doc/open-government-licence/version/([123])", address
    ):
        return f"OGL-UK-{match[1]}.0"
    return _TABLE.get(address)


def _by_words(words: str) -> str | None:
    for name, short in _GNU_NAMES:
        words = words.replace(name, short)
    words = re.sub(r"\b(version|v) ?(?=\d)", "", words) if words.startswith(("gfdl", "open gov")) else words
    words = words.replace("open government licence", "ogl").replace("open government license", "ogl")
    if match := _GNU.fullmatch(words):
        later = match["later"] not in (None, " only")
        version = match["version"] if "." in match["version"] else f"{match['version']}.0"
        return f"{(match['kind'] or '').upper()}GPL-{version}-{'or-later' if later else 'only'}"
    if match := _GFDL.fullmatch(words):
        # Commons' tag without a version means 1.2 or any later one; one with a version means that alone.
        only = match["version"] and match["later"] in (None, " only")
        return f"GFDL-{match['version'] or '1.2'}-{'only' if only else 'or-later'}"
    if re.fullmatch(r"pd usgov( [a-z]+){0,4}", words):
        return PUBLIC_DOMAIN
    if found := _TABLE.get(words):
        return found
    for pattern, short in _WORDS:
        words = re.sub(pattern, short, words)
    words = " ".join(_NOISE.sub(" ", words).split())
    if found := _TABLE.get(words):
        return found
    match = _CC_WORDS.fullmatch(words)
    if match is None:
        return None
    kind = "-".join(part for part in ("BY", match["nc"], match["tail"]) if part).upper()
    return _creative_commons(kind, match["version"], match["port"])


def _creative_commons(kind: str, version: str | None, port: str | None) -> str:
    if version is None:
        return f"LicenseRef-CC-{kind}"
    return f"CC-{kind}-{version}" + (f"-{port.upper()}" if port else "")


def _spoken(licence: str) -> str:
    return "public domain" if licence == PUBLIC_DOMAIN else licence
