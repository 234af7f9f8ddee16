"""Reads the lead text of English Wikipedia pages by title or by search, with the revision that it is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from curation.collecting.wikimedia.action_api import ActionApi, followed
from curation.collecting.wikimedia.answers import JsonObject, as_dict, as_dicts, as_size, as_text
from curation.collecting.wikimedia.plain_text import clean_line
from curation.records import TextSource

# TextExtracts gives at most 20 lead sections a call.
MAX_TITLES = 20
_MAX_TEXT = 20_000
_QID = re.compile(r"Q[1-9][0-9]{0,11}")
_SUFFIX = re.compile(r"\s*\([^()]*\)$")
_EXTRACTS = {
    "prop": "extracts|pageprops|info",
    "exintro": "1",
    "explaintext": "1",
    "exlimit": str(MAX_TITLES),
    "ppprop": "wikibase_item|disambiguation",
    "redirects": "1",
}


@dataclass(frozen=True, slots=True)
class Article:
    """A page of English Wikipedia.

    page_id, revision: numbers, 0 where unknown. extract: the lead section on one line, '' where there is
    none. qid: the Wikidata item, '' for none. disambiguation: whether it only lists what a word may mean.
    """

    title: str
    page_id: int
    revision: int
    extract: str
    qid: str
    disambiguation: bool

    @property
    def subject_id(self) -> str:
        """Return the id of what the page is about: the Q-id, else 'enwiki-' and the page's number."""
        return self.qid or f"enwiki-{self.page_id}"

    @property
    def name(self) -> str:
        """Return the title without what tells it from others: 'Mercury (planet)' is 'Mercury'."""
        return _SUFFIX.sub("", self.title) or self.title

    @property
    def text_source(self) -> TextSource:
        """Return where the extract comes from: the page at the revision that was read."""
        if self.revision:
            place = urlencode({"title": self.title.replace(" ", "_"), "oldid": str(self.revision)})
            page = f"https://en.wikipedia.org/w/index.php?{place}"
        else:
            page = "https://en.wikipedia.org/wiki/" + quote(self.title.replace(" ", "_"), safe="()_,'")
        attribution = f"“{self.title}”, Wikipedia contributors, CC-BY-SA-4.0"
        return TextSource(title=self.title, page=page, licence="CC-BY-SA-4.0", attribution=attribution)


class Wikipedia:
    """English Wikipedia's Action API."""

    def __init__(self, api: ActionApi) -> None:
        """Remember the wiki."""
        self._api = api

    async def by_titles(self, titles: Sequence[str]) -> dict[str, Article]:
        """Return the pages by the title that was asked for, redirects followed; missing ones are left out."""
        found: dict[str, Article] = {}
        usable = [title for title in titles if "|" not in title]
        for at in range(0, len(usable), MAX_TITLES):
            chunk = usable[at : at + MAX_TITLES]
            pages, beside = await self._api.pages({**_EXTRACTS, "titles": "|".join(chunk)})
            by_title = {as_text(page.get("title")): page for page in pages if _exists(page)}
            for asked, title in followed(chunk, beside).items():
                if title in by_title:
                    found[asked] = _article(by_title[title])
        return found

    async def search(self, words: str, limit: int) -> list[Article]:
        """Return the pages that a search for words finds, best first, at most limit (1 to 20)."""
        params = {
            **_EXTRACTS,
            "generator": "search",
            "gsrsearch": words,
            "gsrnamespace": "0",
            "gsrlimit": str(limit),
        }
        pages, _ = await self._api.pages(params)
        ranked = sorted(filter(_exists, pages), key=lambda page: (as_size(page.get("index")), str(page)))
        return [_article(page) for page in ranked[:limit]]

    async def files(self, title: str, limit: int) -> list[str]:
        """Return the names of the files on a page, at most limit: the lead picture, then in order of name."""
        names: list[str] = []
        params = {
            "prop": "images|pageimages",
            "piprop": "name",
            "titles": title,
            "imlimit": "50",
            "redirects": "1",
        }
        async for pages, _ in self._api.batches(params):
            names += [as_text(page.get("pageimage")).replace("_", " ") for page in pages]
            titles = [as_text(one.get("title")) for page in pages for one in as_dicts(page.get("images"))]
            names += [name.partition(":")[2] for name in titles]
            if len(names) >= limit:
                break
        return [name for name in dict.fromkeys(names) if name][:limit]


def _exists(page: JsonObject) -> bool:
    return bool(as_text(page.get("title"))) and not page.get("missing") and not page.get("invalid")


def _article(page: JsonObject) -> Article:
    properties = as_dict(page.get("pageprops"))
    qid = as_text(properties.get("wikibase_item"))
    return Article(
        title=clean_line(as_text(page.get("title")), 255),
        page_id=as_size(page.get("pageid")),
        revision=as_size(page.get("lastrevid")),
        extract=clean_line(as_text(page.get("extract")), _MAX_TEXT),
        qid=qid if _QID.fullmatch(qid) else "",
        disambiguation="disambiguation" in properties,
    )
