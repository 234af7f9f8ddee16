"""Turns categories into subjects: members of Wikidata classes or pages that search terms find, with text."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Container, Sequence
from dataclasses import dataclass

from curation.collecting.wikimedia.articles import Article, Wikipedia
from curation.collecting.wikimedia.entities import Label, Wikidata
from curation.collecting.wikimedia.fine_types import fine_type, singular
from curation.collecting.wikimedia.plain_text import clean_line
from curation.collecting.wikimedia.sparql import Member, QueryService
from curation.errors import Reason, Rejected, TransientError
from curation.ids import short_id
from curation.records import Category, Subject

# A call of wbgetentities takes 50 ids.
_BATCH = 50
# Of a category we look at no more than so many things for each one that is wanted.
_LOOKED_AT = 10


@dataclass(frozen=True, slots=True)
class Found:
    """A thing that may become a subject.

    key: by which it is known so far. qid: its Wikidata item, '' for none. article: None where it is still to
    be read (or is not there). kind: what its class is called, '' for none.
    """

    key: str
    title: str
    qid: str = ""
    article: Article | None = None
    kind: str = ""


def subject_of(
    found: Found, article: Article | None, label: Label | None, category: Category, least_extract: int
) -> Subject | Rejected:
    """Return the subject that a page is about, Rejected (no_source_text) where there is no text to edit.

    The subject's id is its Q-id, 'enwiki-' and the page's number where Wikidata has no item for it.
    """
    key, shown = found.key, clean_line(found.title, 80)
    if article is None:
        return Rejected(key, Reason.NO_SOURCE_TEXT, f"English Wikipedia has no page '{shown}'")
    if article.disambiguation:
        return Rejected(key, Reason.NO_SOURCE_TEXT, f"'{shown}' only lists what the words may mean")
    if label and article.qid and label.qid != article.qid:
        return Rejected(key, Reason.NO_SOURCE_TEXT, f"the page '{shown}' is about something else")
    if len(article.extract) < least_extract:
        message = f"the lead of '{shown}' has {len(article.extract)} characters, fewer than {least_extract}"
        return Rejected(key, Reason.NO_SOURCE_TEXT, message)
    described = label.description if label else ""
    nouns = category.fine_types
    usual = found.kind or singular(category.name)
    return Subject(
        subject_id=label.qid if label else article.subject_id,
        name=(label.name if label else "") or article.name,
        edit_type=category.edit_type,
        category=category.key,
        fine_type=fine_type(nouns, (described, article.extract[:300], article.title), usual),
        source_text=article.extract,
        text_source=article.text_source,
    )


class Discovery:
    """Finds subjects for one category after the other; what one category took, no later one takes."""

    def __init__(
        self,
        wikidata: Wikidata,
        wikipedia: Wikipedia,
        least_extract: int,
        pages_per_term: int,
        service: QueryService | None = None,
    ) -> None:
        """Remember whom to ask.

        least_extract: how many characters of text a subject needs. pages_per_term: how many pages to take of
        a search term. service: None where classes are not asked about.
        """
        self._wikidata, self._wikipedia, self._service = wikidata, wikipedia, service
        self._least_extract, self._pages_per_term = least_extract, pages_per_term
        self._taken: set[str] = set()
        self._bare: Counter[str] = Counter()

    def without_pictures(self, subject: Subject) -> None:
        """Know that a subject has nothing to offer, so that its category gets another one in its place."""
        self._bare[subject.category] += 1

    async def subjects(self, categories: Sequence[Category]) -> AsyncIterator[Subject | Rejected]:
        """Yield the subjects of each category in turn, to its quota: members of its classes, then by terms.

        A category that cannot be finished now ends where it is and the others follow; then TransientError is
        raised.
        """
        self._taken.clear()
        self._bare.clear()
        unfinished: dict[str, TransientError] = {}
        for category in categories:
            try:
                async for one in self._fill(category):
                    yield one
            except TransientError as error:
                unfinished[category.key] = error
        if unfinished:
            names, first = ", ".join(unfinished), next(iter(unfinished.values()))
            raise TransientError(f"not finished: {names} ({first}); run it again later") from first

    async def _fill(self, category: Category) -> AsyncIterator[Subject | Rejected]:
        found = self._found(category)
        kept = looked_at = 0
        while looked_at < _LOOKED_AT * category.quota:
            wanted = min(_BATCH, category.quota + self._bare[category.key] - kept)
            batch, late = await _take(found, wanted)
            looked_at += len(batch)
            for one in await self._described(batch, category):
                kept += isinstance(one, Subject)
                yield one
            if late:
                raise late
            if not batch:
                return

    async def _found(self, category: Category) -> AsyncIterator[Found]:
        """Yield what may become a subject of a category, each thing once."""
        seen = set(self._taken)
        if self._service and category.wikidata:
            async for one in self._members(category, self._service, seen):
                yield one
        async for one in self._pages(category):
            if one.key not in seen:
                seen.add(one.key)
                yield one

    async def _described(self, batch: Sequence[Found], category: Category) -> list[Subject | Rejected]:
        """Return what the things of a batch come to, without those that were taken before."""
        articles = await self._wikipedia.by_titles(
            [one.title for one in batch if one.article is None and one.qid]
        )
        labels = await self._wikidata.labels(list(dict.fromkeys(one.qid for one in batch if one.qid)))
        made: list[Subject | Rejected] = []
        for found in batch:
            article = found.article or articles.get(found.title)
            one = subject_of(found, article, labels.get(found.qid), category, self._least_extract)
            key = one.subject_id if isinstance(one, Subject) else one.key
            if key not in self._taken:
                self._taken.add(key)
                made.append(one)
        return made

    async def _members(
        self, category: Category, service: QueryService, seen: set[str]
    ) -> AsyncIterator[Found]:
        """Yield one member of each class in turn until all have run dry; what it yields it adds to seen.

        A class that cannot be listed now holds up no other: TransientError is raised after the last of them.
        """
        labels = await self._wikidata.labels(category.wikidata)
        streams = {top: service.members(top, category.wikidata_property) for top in category.wikidata}
        late: list[TransientError] = []
        while streams:
            for top, stream in list(streams.items()):
                try:
                    member = await _first_new(stream, seen)
                except TransientError as error:
                    late.append(error)
                    member = None
                if member is None:
                    del streams[top]
                    continue
                seen.add(member.qid)
                # Of a taxon the label is mostly Latin: 'the Chiroptera in the image' is no question.
                named = top in labels and category.wikidata_property != "P171"
                kind = labels[top].name if named else ""
                yield Found(member.qid, member.title, member.qid, None, kind)
        if late:
            raise late[0]

    async def _pages(self, category: Category) -> AsyncIterator[Found]:
        """Yield the best page of each search term, then the second of each, and so on."""
        terms, pages = category.search_terms, self._pages_per_term
        results = {term: await self._wikipedia.search(term, pages) for term in terms}
        for rank in range(pages):
            for term, articles in results.items():
                if found := _of_term(category, term, articles, rank):
                    yield found


async def _first_new(stream: AsyncIterator[Member], seen: Container[str]) -> Member | None:
    async for member in stream:
        if member.qid not in seen:
            return member
    return None


async def _take(found: AsyncIterator[Found], count: int) -> tuple[list[Found], TransientError | None]:
    """Return the next count things, or those that come before a failure and the failure."""
    batch: list[Found] = []
    try:
        while len(batch) < count and (one := await anext(found, None)):
            batch.append(one)
    except TransientError as error:
        return batch, error
    return batch, None


def _of_term(category: Category, term: str, articles: Sequence[Article], rank: int) -> Found | None:
    if rank < len(articles):
        article = articles[rank]
        return Found(article.subject_id, article.title, article.qid, article)
    return None if rank else Found(short_id("term", category.key, term), term)
