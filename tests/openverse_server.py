"""A loopback server that answers as Openverse's API does, beside a wiki that names the subjects.

The shapes are those of its public schema, written by hand. To hold the source to a contract:
`with Loopback() as server: shelf = small_shelf(server)`, then, in a door, `openverse_source(shelf, door)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from curation.collecting.http.door import Door
from curation.collecting.openverse import OpenverseSettings, OpenverseSource
from curation.records import Category
from tests.loopback import Answer, Loopback, Seen
from tests.wikimedia_server import GESTURES, World, answer, photograph, small_world

DEEPEST = 240


@dataclass
class Shelf:
    """What Openverse has under a name; anonymous callers get 20 works a page and 240 in all."""

    world: World
    works: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: list[Answer] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Route the search and the places where the pictures are published."""
        self.world.server.script("/v1/images/", self._search)
        self.world.server.script("/published/*", lambda seen: Answer(photograph(seen.path)))

    def work(self, name: str, **more: object) -> dict[str, Any]:
        """Return a work as a search shows it; more: fields that differ."""
        place = self.world.server.url(f"/published/{name}.jpg")
        work: dict[str, Any] = {
            "id": f"0aff3595-8168-440b-83ff-7a80b65dea42-{name}",
            "title": f"A {name}",
            "indexed_on": "2020-03-11T09:50:42.614000Z",
            "foreign_landing_url": f"https://photos.example/people/anna/{name}",
            "url": place,
            "creator": "Anna Example",
            "creator_url": "https://photos.example/people/anna",
            "license": "by-sa",
            "license_version": "2.0",
            "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
            "provider": "flickr",
            "source": "flickr",
            "category": "photograph",
            "filesize": None,
            "filetype": "jpg",
            "tags": [{"name": "hand", "accuracy": None, "unstable__provider": "flickr"}],
            "attribution": f'"A {name}" by Anna Example is licensed under CC BY-SA 2.0.',
            "fields_matched": ["title"],
            "mature": False,
            "height": 768,
            "width": 1024,
            "thumbnail": self.world.server.url(f"/v1/images/{name}/thumb/"),
            "detail_url": self.world.server.url(f"/v1/images/{name}/"),
            "related_url": self.world.server.url(f"/v1/images/{name}/related/"),
            "unstable__sensitivity": [],
        }
        return work | more

    def settings(self, **more: Any) -> OpenverseSettings:
        """Return settings that lead here."""
        wikis = {name: self.world.server.url(f"/{name}/api.php") for name in ("wikidata", "wikipedia")}
        return OpenverseSettings(openverse=self.world.server.url("/v1"), **wikis, **more)

    def asked(self) -> list[Mapping[str, str]]:
        """Return the parameters of the searches, in order."""
        return self.world.asked("/v1/images/")

    def _search(self, seen: Seen) -> Answer:
        if self.faults:
            return self.faults.pop(0)
        size, page = int(seen.query["page_size"]), int(seen.query["page"])
        if size > (50 if "authorization" in seen.headers else 20):
            return answer({"detail": "page_size may not exceed 20 for anonymous requests."}, status=401)
        allowed = seen.query["license"].split(",")
        known = [one for one in self.works.get(seen.query["q"], []) if one["license"] in allowed][:DEEPEST]
        if page * size > DEEPEST:
            return answer({"detail": "Pagination depth may not exceed 240."}, status=401)
        return answer(
            {
                "result_count": len(known),
                "page_count": -(-len(known) // size),
                "page_size": size,
                "page": page,
                "results": known[(page - 1) * size : page * size],
                "warnings": [],
            }
        )


def small_shelf(server: Loopback) -> Shelf:
    """Return a shelf with three pictures of a gesture, one of them under a licence that forbids changes."""
    shelf = Shelf(small_world(server))
    forbidden = shelf.work("poster", license="by-nd", license_version="4.0")
    shelf.works["thumb signal"] = [shelf.work("thumb"), forbidden, shelf.work("fist")]
    return shelf


def openverse_source(
    shelf: Shelf, door: Door, categories: Mapping[str, Category] | None = None, **more: int
) -> OpenverseSource:
    """Return the source as it would be in a project, asking this server; more: fields of its settings."""
    return OpenverseSource(shelf.settings(**more), door, categories or {GESTURES.key: GESTURES})
