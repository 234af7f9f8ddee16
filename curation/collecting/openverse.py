"""The Openverse source: openly licensed pictures of many collections, found by search."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from curation.collecting.http.door import Door
from curation.collecting.port import Fetched
from curation.collecting.wanted import wanted_categories
from curation.collecting.wikimedia.action_api import ActionApi
from curation.collecting.wikimedia.answers import JsonObject, as_dicts, as_size, as_text, as_url
from curation.collecting.wikimedia.articles import Wikipedia
from curation.collecting.wikimedia.discovery import Discovery
from curation.collecting.wikimedia.entities import Wikidata
from curation.collecting.wikimedia.plain_text import bounded_json, from_html
from curation.errors import Rejected, TransientError
from curation.ids import short_id
from curation.licences import DEFAULT_ALLOWED, PUBLIC_DOMAIN
from curation.records import Category, ImageCandidate, ImageOrigin, Record, Subject

# Openverse answers a larger page with 401, and serves no more than the first 240 works of any search; a token
# buys larger pages, not more works (its API documentation, "Authentication" and "Pagination").
TOKEN = "OPENVERSE_TOKEN"  # noqa: S105 - the name of a variable
_PAGE, _PAGE_WITH_TOKEN = 20, 50
_DEPTH = 240
_LEAST_SIDE = 200
_MAX_AUTHOR, _MAX_TITLE, _MAX_METADATA = 300, 200, 60_000
_ORIGINS = {
    "photograph": ImageOrigin.PHOTOGRAPH,
    "digitized_artwork": ImageOrigin.PAINTING,
    "illustration": ImageOrigin.DRAWN,
}
_LICENCES = {"cc0": "CC0", "pdm": "Public Domain Mark"}


class OpenverseSettings(Record):
    """The table of a source of kind 'openverse' in mmke.toml.

    categories: keys of those to fill, all that name openverse among their sources when empty.
    pictures_per_subject: the most that are offered of a subject. pages: how many pages of results to read for
    that (of 20, of 50 where the environment has OPENVERSE_TOKEN, which the door sends along). least_extract:
    characters of Wikipedia's lead text below which there is nothing to edit.
    openverse, wikidata, wikipedia: the endpoints.
    """

    kind: Literal["openverse"] = "openverse"
    categories: tuple[str, ...] = ()
    pictures_per_subject: int = Field(default=8, ge=1, le=50)
    pages: int = Field(default=3, ge=1, le=_DEPTH // _PAGE)
    least_extract: int = Field(default=200, ge=1)
    openverse: str = "https://api.openverse.org/v1"
    wikidata: str = "https://www.wikidata.org/w/api.php"
    wikipedia: str = "https://en.wikipedia.org/w/api.php"


class OpenverseSource:
    """Openverse behind the port ImageSource.

    Openverse knows pictures, not knowledge: a subject is the Wikipedia page that a search term of the
    category finds first, with the same id and text as the Wikimedia source gives it. Pictures are what
    Openverse finds by the subject's name, under the allowed licences, fetched from where they are published.
    """

    name = "openverse"

    def __init__(
        self,
        settings: OpenverseSettings,
        door: Door,
        categories: Mapping[str, Category],
        allowed: Collection[str] = DEFAULT_ALLOWED,
    ) -> None:
        """Remember the settings and the door. Raises PrerequisiteError for a category that is not known.

        allowed: SPDX ids that are asked for.
        """
        self._settings, self._door = settings, door
        self._wanted = wanted_categories(self.name, settings.categories, categories)
        wikidata = Wikidata(ActionApi(door, settings.wikidata))
        wikipedia = Wikipedia(ActionApi(door, settings.wikipedia))
        self._discovery = Discovery(wikidata, wikipedia, settings.least_extract, pages_per_term=1)
        self._licences = ",".join(sorted({slug for one in allowed if (slug := _slug(one))}))

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield a subject for each search term, to the quota of each category; see Discovery.subjects."""
        async for one in self._discovery.subjects(self._wanted):
            yield one

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures that Openverse finds by the subject's name, best first.

        For a subject without any, subjects() yields another one beyond the quota, if it is not at its end.
        """
        offered: dict[str, ImageCandidate] = {}
        if not self._licences:
            return []
        size = _PAGE_WITH_TOKEN if os.environ.get(TOKEN, "").strip() else _PAGE
        for page in range(1, min(self._settings.pages, _DEPTH // size) + 1):
            answer = await self._page(subject.name, page, size)
            for row in as_dicts(answer.get("results")):
                one = candidate(row, subject.subject_id)
                if one is not None and len(offered) < self._settings.pictures_per_subject:
                    offered.setdefault(one.image_id, one)
            last = page >= as_size(answer.get("page_count"))
            if last or len(offered) == self._settings.pictures_per_subject:
                break
        if not offered:
            self._discovery.without_pictures(subject)
        return list(offered.values())

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return a picture's bytes as its publisher has them; see Door.picture."""
        return await self._door.picture(candidate.locator, candidate.image_id)

    async def _page(self, words: str, page: int, size: int) -> JsonObject:
        query = {
            "q": words[:200],
            "license": self._licences,
            "page_size": str(size),
            "page": str(page),
            "mature": "false",
        }
        answer = await self._door.json(f"{self._settings.openverse.rstrip('/')}/images/", query)
        if not isinstance(answer, dict) or not isinstance(answer.get("results"), list):
            raise TransientError(f"{self._settings.openverse} answered without results")
        return answer


def candidate(row: JsonObject, subject_id: str) -> ImageCandidate | None:
    """Return a result as an offered picture, None where it is nothing to offer.

    Left out: what is marked mature, has no address of its own, is vector graphics, or has a side under 200 px
    (where the size is known). The licence is worded as 'CC BY-SA 2.0'; without its version it stands so.
    """
    url, identifier = as_url(row.get("url")), as_text(row.get("id"))
    sides = [side for name in ("width", "height") if (side := as_size(row.get(name)))]
    kind = _file_type(row, url)
    if not url or row.get("mature") is True or kind == "svg" or (sides and min(sides) < _LEAST_SIDE):
        return None
    title = from_html(as_text(row.get("title")), _MAX_TITLE).replace(";", ",")
    return ImageCandidate(
        image_id=short_id("img", "openverse", subject_id, identifier or url),
        subject_id=subject_id,
        source="openverse",
        locator=url,
        author=from_html(as_text(row.get("creator")), _MAX_AUTHOR),
        licence_text=_licence(row),
        source_page=as_url(row.get("foreign_landing_url")) or url,
        origin=_origin(row, kind),
        note=f"{title}; " if title else "",
        metadata=bounded_json(row, _MAX_METADATA),
    )


def _slug(spdx: str) -> str:
    """Return how Openverse spells a licence of ours, '' for one that it has not."""
    if spdx == PUBLIC_DOMAIN:
        return "pdm"
    if spdx.startswith("CC0-"):
        return "cc0"
    return spdx.removeprefix("CC-").rpartition("-")[0].lower() if spdx.startswith("CC-BY") else ""


def _licence(row: JsonObject) -> str | None:
    slug = from_html(as_text(row.get("license")), 50).lower()
    version = from_html(as_text(row.get("license_version")), 25)
    worded = _LICENCES.get(slug, f"CC {slug.upper()}")
    return f"{worded} {version}".strip() if slug else from_html(as_text(row.get("license_url")), 200) or None


def _file_type(row: JsonObject, url: str) -> str:
    named = as_text(row.get("filetype")).lower()
    return named or urlsplit(url).path.rpartition(".")[2].lower()[:5]


def _origin(row: JsonObject, kind: str) -> ImageOrigin:
    """Return how a picture came to be: as Openverse files it, else drawn where programs write the format."""
    filed = _ORIGINS.get(as_text(row.get("category")))
    return filed or (ImageOrigin.DRAWN if kind in {"png", "gif"} else ImageOrigin.PHOTOGRAPH)
