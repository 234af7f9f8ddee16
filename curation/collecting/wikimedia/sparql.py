"""Finds the members of Wikidata classes by SPARQL, in pages that shrink when the service is too slow."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from curation.collecting.http.door import Door
from curation.collecting.wikimedia.answers import JsonObject, as_dict, as_dicts, as_text
from curation.errors import PrerequisiteError, TransientError

PAGE = 200
LEAST_PAGE = 50
MAX_VALUES = 200
_MAX_CLASSES = 20_000
_CLASS_PAGE, _LEAST_CLASS_PAGE = 2_000, 500
_QID = re.compile(r"Q[1-9][0-9]{0,11}")
_ENTITY = re.compile(r"https?://www\.wikidata\.org/entity/(Q[1-9][0-9]{0,11})")
_PREFIXES = """\
PREFIX wd: <http://www.wikidata.org/entity/>
PREFIX wdt: <http://www.wikidata.org/prop/direct/>
PREFIX wikibase: <http://wikiba.se/ontology#>
PREFIX schema: <http://schema.org/>
"""
# The label service is left out on purpose: it costs more of the 60 seconds than all the rest.
_MEMBERS = """\
SELECT DISTINCT ?item ?title ?links WHERE {{
  VALUES ?class {{ {classes} }}
  ?item {path} ?class ;
        wdt:P18 ?image ;
        wikibase:sitelinks ?links .
  FILTER(?links >= {least})
  ?article schema:about ?item ;
           schema:isPartOf <https://en.wikipedia.org/> ;
           schema:name ?title .
}}
ORDER BY DESC(?links) ?item"""
_CLASSES = """\
SELECT DISTINCT ?item WHERE {{ ?item wdt:{upward}* wd:{top} . }}
ORDER BY ?item"""


@dataclass(frozen=True, slots=True)
class Member:
    """An item of a class: its Q-id and the title of its English Wikipedia page."""

    qid: str
    title: str


class QueryService:
    """A SPARQL endpoint over Wikidata; one query after the other, sent by POST.

    The Wikidata Query Service ends every query after 60 seconds, with 504 or in the middle of the JSON (its
    user manual, "Query limits"). Such a page is asked for again at half the size, down to 50 rows. Where even
    that fails, the walk along subclasses is what costs: it is made once, and its classes are then asked about
    in VALUES of at most 200, which halve in the same way.
    """

    def __init__(self, door: Door, endpoint: str, least_sitelinks: int) -> None:
        """Remember the door, the endpoint's address, and in how many wikis an item must have a page."""
        self._door, self._endpoint, self._least = door, endpoint, least_sitelinks

    async def members(self, top: str, prop: str) -> AsyncIterator[Member]:
        """Yield each item once that has a picture and an English page and is of a class or below it.

        prop: P31 (is a) or P106 (works as), along P279 (subclass of); P171 (parent taxon) along itself. The
        most widely known first, then by id. Raises TransientError when the service does not answer even for
        the smallest pages, PrerequisiteError when top is no Q-id.
        """
        if not _QID.fullmatch(top):
            raise PrerequisiteError(f"'{top[:40]}' is no Wikidata id like Q11303; correct the taxonomy")
        seen: set[str] = set()
        path = "wdt:P171+" if prop == "P171" else f"wdt:{prop}/wdt:P279*"
        try:
            async for member in self._paged([top], path):
                if member.qid not in seen:
                    seen.add(member.qid)
                    yield member
        except TransientError as error:
            classes = await self._classes(top, "P171" if prop == "P171" else "P279", error)
        else:
            return
        async for member in self._by_values(classes, f"wdt:{prop}"):
            if member.qid not in seen:
                seen.add(member.qid)
                yield member

    async def _by_values(self, classes: list[str], path: str) -> AsyncIterator[Member]:
        """Yield the direct members of classes, chunk by chunk; a chunk that fails is halved."""
        chunks = [classes[at : at + MAX_VALUES] for at in range(0, len(classes), MAX_VALUES)][::-1]
        while chunks:
            chunk = chunks.pop()
            try:
                async for member in self._paged(chunk, path):
                    yield member
            except TransientError:
                if len(chunk) <= LEAST_PAGE:
                    raise
                half = len(chunk) // 2
                chunks += [chunk[half:], chunk[:half]]

    async def _paged(self, classes: list[str], path: str) -> AsyncIterator[Member]:
        values = " ".join(f"wd:{one}" for one in classes)
        query = _MEMBERS.format(classes=values, path=path, least=self._least)
        async for row in self._rows(query, PAGE, LEAST_PAGE):
            title = as_text(as_dict(row.get("title")).get("value"))
            qid = _qid(row)
            if qid and title:
                yield Member(qid, title)

    async def _classes(self, top: str, upward: str, why: TransientError) -> list[str]:
        """Return top and everything below it. Raises why when that cannot be had either."""
        found: list[str] = []
        try:
            async for row in self._rows(
                _CLASSES.format(upward=upward, top=top), _CLASS_PAGE, _LEAST_CLASS_PAGE
            ):
                found.append(_qid(row))
                if len(found) > _MAX_CLASSES:
                    raise why
        except TransientError as error:
            raise why from error
        return [one for one in found if one]

    async def _rows(self, query: str, page: int, least: int) -> AsyncIterator[JsonObject]:
        """Yield the rows of an ordered query; a page that fails is asked for again at half the size."""
        offset = 0
        while True:
            try:
                rows = await self._ask(f"{_PREFIXES}{query}\nLIMIT {page} OFFSET {offset}\n")
            except TransientError:
                if page <= least:
                    raise
                page = max(least, page // 2)
                continue
            for row in rows:
                yield row
            if len(rows) < page:
                return
            offset += len(rows)

    async def _ask(self, query: str) -> list[JsonObject]:
        answer = as_dict(
            await self._door.json(
                self._endpoint,
                form={"query": query},
                accept="application/sparql-results+json",
            )
        )
        results = answer.get("results")
        bindings = results.get("bindings") if isinstance(results, dict) else None
        if not isinstance(bindings, list):
            raise TransientError(f"{self._endpoint} answered without results")
        return as_dicts(bindings)


def _qid(row: JsonObject) -> str:
    found = _ENTITY.fullmatch(as_text(as_dict(row.get("item")).get("value")))
    return found[1] if found else ""
