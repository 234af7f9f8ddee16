"""What a curator sets of the Wikimedia source."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from curation.records import Record


class WikimediaSettings(Record):
    """The table of a source of kind 'wikimedia' in mmke.toml.

    categories: keys of those to fill, all that name wikimedia among their sources when empty.
    pictures_per_subject: the most that are offered of a subject; an item needs two or three, the others stand
    in for what licence, size and duplicates take away. least_sitelinks: in how many Wikipedias and sister
    projects a subject must have a page: what is known widely is also what models know, and the query service
    answers in time only when most items fall away early. least_extract: characters of lead text below which
    there is nothing to edit. pages_per_term: how many pages to take of a search term, where classes do not
    fill a category. sparql, wikidata, wikipedia, commons: the endpoints.
    """

    kind: Literal["wikimedia"] = "wikimedia"
    categories: tuple[str, ...] = ()
    pictures_per_subject: int = Field(default=8, ge=1, le=50)
    least_sitelinks: int = Field(default=20, ge=0)
    least_extract: int = Field(default=200, ge=1)
    pages_per_term: int = Field(default=10, ge=1, le=20)
    sparql: str = "https://query.wikidata.org/sparql"
    wikidata: str = "https://www.wikidata.org/w/api.php"
    wikipedia: str = "https://en.wikipedia.org/w/api.php"
    commons: str = "https://commons.wikimedia.org/w/api.php"
