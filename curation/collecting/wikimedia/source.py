"""The Wikimedia source: subjects from Wikidata and Wikipedia, pictures from Commons."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing

from curation.collecting.http.door import Door
from curation.collecting.port import Fetched
from curation.collecting.wanted import wanted_categories
from curation.collecting.wikimedia.action_api import ActionApi
from curation.collecting.wikimedia.answers import JsonObject, as_dicts, as_text
from curation.collecting.wikimedia.articles import Wikipedia
from curation.collecting.wikimedia.commons import Commons, candidate
from curation.collecting.wikimedia.discovery import Discovery
from curation.collecting.wikimedia.entities import Shown, Wikidata
from curation.collecting.wikimedia.settings import WikimediaSettings
from curation.collecting.wikimedia.sparql import QueryService
from curation.errors import Rejected
from curation.records import Category, EditType, ImageCandidate, Subject


class WikimediaSource:
    """Wikidata, Wikipedia and Commons behind the port ImageSource.

    A subject's id is its Wikidata Q-id. Its pictures, best first: those that Wikidata names (P18), the files
    of its Commons category (P373), those on its Wikipedia page, and for behaviours, signs and other things
    that are not members of a class also those that a search on Commons finds by its name. Every answer is
    kept by the door, so that a second run asks nothing twice and sees the same in the same order.
    """

    name = "wikimedia"

    def __init__(self, settings: WikimediaSettings, door: Door, categories: Mapping[str, Category]) -> None:
        """Remember the settings and the door. Raises PrerequisiteError for a category that is not known."""
        self._settings, self._door = settings, door
        self._of_classes = {
            key
            for key, category in categories.items()
            if category.wikidata and category.edit_type is not EditType.VISUAL_SEMANTIC
        }
        self._wanted = wanted_categories(self.name, settings.categories, categories)
        self._commons = Commons(ActionApi(door, settings.commons))
        self._wikipedia = Wikipedia(ActionApi(door, settings.wikipedia))
        self._wikidata = Wikidata(ActionApi(door, settings.wikidata))
        service = QueryService(door, settings.sparql, settings.least_sitelinks)
        limits = settings.least_extract, settings.pages_per_term
        self._discovery = Discovery(self._wikidata, self._wikipedia, *limits, service)

    async def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield subjects category by category, each to its quota; Rejected where the text is missing.

        A category that cannot be finished now ends where it is and the others follow; then TransientError is
        raised.
        """
        async for one in self._discovery.subjects(self._wanted):
            yield one

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures of a subject, best first, at most pictures_per_subject of them.

        For a subject without any, subjects() yields another one beyond the quota, if it is not at its end.
        """
        offered: dict[str, ImageCandidate] = {}
        seen: set[str] = set()
        async with aclosing(self._files(subject)) as files:
            async for page, chosen in files:
                sha1 = next((as_text(info.get("sha1")) for info in as_dicts(page.get("imageinfo"))), "")
                one = candidate(page, subject.subject_id, chosen=chosen)
                if one is None or one.image_id in offered or (sha1 and sha1 in seen):
                    continue
                offered[one.image_id] = one
                seen.add(sha1)
                if len(offered) == self._settings.pictures_per_subject:
                    break
        if not offered:
            self._discovery.without_pictures(subject)
        return list(offered.values())

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return a picture's bytes as the upload server has them; see Door.picture."""
        return await self._door.picture(candidate.locator, candidate.image_id)

    async def _files(self, subject: Subject) -> AsyncGenerator[tuple[JsonObject, bool], None]:
        """Yield files about a subject and whether an editor chose each as its picture."""
        shown = Shown()
        if subject.subject_id.startswith("Q"):
            shown = await self._wikidata.shown(subject.subject_id)
        for page in await self._commons.named(shown.files):
            yield page, True
        if shown.category:
            async for page in self._commons.in_category(shown.category):
                yield page, False
        names = await self._wikipedia.files(subject.text_source.title, 50)
        for page in await self._commons.named(names):
            yield page, False
        if subject.category not in self._of_classes:
            async for page in self._commons.search(subject.name):
                yield page, False
