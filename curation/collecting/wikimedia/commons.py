"""Finds files on Wikimedia Commons and says of each what a collector must know: licence, author, size."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import quote, urlsplit

from curation.collecting.wikimedia.action_api import ActionApi, followed
from curation.collecting.wikimedia.answers import JsonObject, as_dict, as_dicts, as_size, as_text, as_url
from curation.collecting.wikimedia.origins import origin_of
from curation.collecting.wikimedia.plain_text import bounded_json, clean_line, from_html
from curation.ids import short_id
from curation.records import ImageCandidate

# Widths that the upload server makes; it answers any other with 429 (MediaWiki's $wgThumbnailSteps).
THUMBNAIL_STEPS = frozenset({20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840})
_WIDTH = "1280"
_MAX_TITLES = 50
_MAX_BATCHES = 4
_LEAST_SIDE = 200
_MAX_ORIGINAL_BYTES = 20_000_000
_MAX_AUTHOR, _MAX_LICENCE, _MAX_METADATA = 300, 200, 60_000
_WEB = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
_RASTER = _WEB | {"image/tiff"}
_IN_THUMB = re.compile(r"(?:^|-)(\d{1,5})px-")
_SIGN = re.compile(
    r"\b(?:icons?|logos?|logotype|maps?|locator|flags?|coat of arms|wappen|diagram|chart|button)\b"
)
_IMAGEINFO = {
    "prop": "imageinfo",
    "iiprop": "url|size|mime|mediatype|sha1|timestamp|user|extmetadata",
    "iiurlwidth": _WIDTH,
    "iiextmetadatafilter": "LicenseShortName|LicenseUrl|UsageTerms|Artist|Credit|AttributionRequired|"
    "Restrictions|ImageDescription|Categories|Copyrighted",
}


class Commons:
    """Wikimedia Commons' Action API; files as pages of it, each with its imageinfo."""

    def __init__(self, api: ActionApi) -> None:
        """Remember the wiki."""
        self._api = api

    async def named(self, names: Sequence[str]) -> list[JsonObject]:
        """Return the files with these names (without 'File:'), in order; missing ones are left out."""
        titles = [f"File:{name}" for name in dict.fromkeys(names) if not set(name) & set("|#<>[]{}\n")]
        found: list[JsonObject] = []
        for at in range(0, len(titles), _MAX_TITLES):
            chunk = titles[at : at + _MAX_TITLES]
            pages, beside = await self._api.pages({**_IMAGEINFO, "titles": "|".join(chunk), "redirects": "1"})
            by_title = {as_text(page.get("title")): page for page in pages}
            places = followed(chunk, beside)
            found += [by_title[places[title]] for title in chunk if places[title] in by_title]
        return found

    async def in_category(self, name: str) -> AsyncIterator[JsonObject]:
        """Yield the files of a category (without 'Category:'), at most 200, in batches ordered by name."""
        members = {"gcmtitle": f"Category:{name}", "gcmtype": "file", "gcmlimit": str(_MAX_TITLES)}
        async for page in self._generated({"generator": "categorymembers", **members}, "title"):
            yield page

    async def search(self, words: str) -> AsyncIterator[JsonObject]:
        """Yield the files that a search for words finds, at most 200, best first."""
        asked = {"gsrsearch": f"{words} filetype:bitmap", "gsrnamespace": "6", "gsrlimit": str(_MAX_TITLES)}
        async for page in self._generated({"generator": "search", **asked}, "index"):
            yield page

    async def _generated(self, generator: Mapping[str, str], order: str) -> AsyncIterator[JsonObject]:
        batches = 0
        async for pages, _ in self._api.batches({**_IMAGEINFO, **generator}):
            for page in sorted(
                pages, key=lambda page: (as_size(page.get(order)), as_text(page.get("title")))
            ):
                yield page
            batches += 1
            if batches == _MAX_BATCHES:
                return


def candidate(page: JsonObject, subject_id: str, *, chosen: bool) -> ImageCandidate | None:
    """Return a file as an offered picture, None where it is nothing to offer.

    Left out: missing files, sound and films, files without a size, pictures with a side under 200 px, and
    what no allowed address has. chosen: an editor named the file as the picture of the subject, so that it
    may be an SVG (as PNG, rendered by Commons) and may be named like a logo or a map; others may not.
    """
    info = next(iter(as_dicts(page.get("imageinfo"))), {})
    title = as_text(page.get("title"))
    locator = _address(info)
    sides = as_size(info.get("width")), as_size(info.get("height"))
    if not title.startswith("File:") or not locator or not _wanted(info, title, sides, chosen=chosen):
        return None
    extra = as_dict(info.get("extmetadata"))
    licence = next(
        (text for name in ("LicenseShortName", "LicenseUrl", "UsageTerms") if (text := _field(extra, name))),
        None,
    )
    author = _field(extra, "Artist", _MAX_AUTHOR) or _field(extra, "Credit", _MAX_AUTHOR)
    described = "https://commons.wikimedia.org/wiki/" + quote(title.replace(" ", "_"), safe=":()_,'!")
    return ImageCandidate(
        image_id=short_id("img", "wikimedia", subject_id, clean_line(title, 500)),
        subject_id=subject_id,
        source="wikimedia",
        locator=locator,
        author=author or clean_line(as_text(info.get("user")), _MAX_AUTHOR),
        licence_text=licence,
        source_page=as_url(info.get("descriptionurl")) or described[:2_000],
        origin=origin_of(as_text(info.get("mime")), as_text(info.get("mediatype")), _categories(extra)),
        note=""
        if locator == as_text(info.get("url"))
        else f"scaled to {_shown_width(locator)} px by Commons",
        metadata=bounded_json(info, _MAX_METADATA),
    )


def _wanted(info: JsonObject, title: str, sides: tuple[int, int], *, chosen: bool) -> bool:
    mime = as_text(info.get("mime"))
    if mime == "image/svg+xml":
        return chosen
    words = title.lower().replace("_", " ").replace("-", " ")
    return mime in _RASTER and min(sides) >= _LEAST_SIDE and (chosen or not _SIGN.search(words))


def _address(info: JsonObject) -> str:
    """Return the thumbnail's address where its width is one of the steps, else the original's, else ''.

    A thumbnail that is no smaller than the original is the original. Only formats that browsers show, of at
    most 20 MB, are asked for as originals.
    """
    thumb, original = as_url(info.get("thumburl")), as_url(info.get("url"))
    if thumb and thumb != original and _shown_width(thumb) in THUMBNAIL_STEPS:
        return thumb
    light = as_size(info.get("size")) <= _MAX_ORIGINAL_BYTES
    return original if light and as_text(info.get("mime")) in _WEB else ""


def _shown_width(url: str) -> int:
    found = _IN_THUMB.search(urlsplit(url).path.rpartition("/")[2])
    return int(found[1]) if found else 0


def _field(extra: JsonObject, name: str, limit: int = _MAX_LICENCE) -> str:
    return from_html(as_text(as_dict(extra.get(name)).get("value")), limit)


def _categories(extra: JsonObject) -> tuple[str, ...]:
    value = as_text(as_dict(extra.get("Categories")).get("value"))[:20_000]
    return tuple(clean_line(part, 200) for part in value.split("|") if part.strip())
