"""A loopback server that answers as Wikidata's query service and the Action APIs of three wikis do.

The shapes are those of the public documentation (formatversion=2), written by hand. To hold the source to a
contract: `with Loopback() as server: world = small_world(server)`, then, in an open door,
`wikimedia_source(world, door)`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from curation.collecting.http.door import Door
from curation.collecting.wikimedia import WikimediaSettings, WikimediaSource
from curation.records import Category, EditType
from tests.archives import picture
from tests.loopback import Answer, Loopback, Seen

STEPS = {20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840}
LEAD = (
    "{0} is a thing that the tests know about. It was made for them, stands in no encyclopedia, and has a "
    "lead section that is long enough for somebody to change something in it: its colour, its age, or the "
    "place where it can be seen by everybody who happens to walk past on a sunny afternoon."
)
TOWERS = Category(
    key="building",
    name="building",
    edit_type=EditType.VISUAL_ENTITY,
    quota=3,
    fine_types=("building", "tower", "bridge"),
    wikidata=("Q12518", "Q12280"),
    sources=("wikimedia",),
)
GESTURES = Category(
    key="life_gesture",
    name="life gesture",
    edit_type=EditType.VISUAL_SEMANTIC,
    quota=2,
    fine_types=("hand gesture", "life gesture"),
    search_terms=("thumbs up gesture", "crossed fingers"),
    sources=("openverse", "wikimedia"),
)
CATEGORIES = {one.key: one for one in (TOWERS, GESTURES)}


def answer(value: object, **more: Any) -> Answer:
    """Return value as an answer in JSON."""
    return Answer(json.dumps(value).encode(), media_type="application/json", **more)


def maxlag(seconds: int = 0) -> Answer:
    """Return what MediaWiki says when its replicas are behind: status 200, with Retry-After."""
    error = {
        "code": "maxlag",
        "info": "Waiting for 10.64.16.7: 5.1 seconds lagged.",
        "lag": 5.1,
        "type": "db",
    }
    return answer({"error": error, "servedby": "mw1"}, headers={"Retry-After": str(seconds)})


@dataclass
class Item:
    """A Wikidata item; wikis: in how many it has a page."""

    qid: str
    label: str
    classes: tuple[str, ...] = ()
    title: str = ""
    description: str = ""
    wikis: int = 30
    files: tuple[str, ...] = ()
    category: str = ""


@dataclass
class Page:
    """An English Wikipedia page; extract: None without a lead section; lead: its picture."""

    title: str
    extract: str | None
    page_id: int
    qid: str = ""
    disambiguation: bool = False
    lead: str = ""
    files: tuple[str, ...] = ()


@dataclass
class File:
    """A file on Commons; extra: extmetadata's values; thumb: the width in its thumbnail's address."""

    name: str
    width: int = 3000
    height: int = 2000
    mime: str = "image/jpeg"
    mediatype: str = "BITMAP"
    size: int = 5_000_000
    thumb: int = 1280
    extra: Mapping[str, object] = field(
        default_factory=lambda: {"LicenseShortName": "CC BY-SA 4.0", "Artist": "<b>Anna Example</b>"}
    )


@dataclass
class World:
    """What the server knows, and how it misbehaves.

    faults: by path, answers that are given in place of the next ones. slow_above: the query service fails for
    pages of more rows; slow_paths: for every walk along a path; slow_classes: for these classes. several:
    extracts, files and categories are given so many an answer, with `continue`.
    """

    server: Loopback
    items: dict[str, Item] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    files: dict[str, File] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    subclasses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    categories: dict[str, tuple[str, ...]] = field(default_factory=dict)
    found: dict[str, tuple[str, ...]] = field(default_factory=dict)
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    slow_above: int = 10_000
    slow_paths: bool = False
    slow_classes: set[str] = field(default_factory=set)
    several: int = 2

    def __post_init__(self) -> None:
        """Route every address."""
        for path, script in (
            ("/sparql", self._sparql),
            ("/wikidata/api.php", self._wikidata),
            ("/wikipedia/api.php", self._wikipedia),
            ("/commons/api.php", self._commons),
            ("/upload/*", self._upload),
        ):
            self.server.script(path, lambda seen, script=script: self._fault(seen) or script(seen))

    def add(self, *things: Item | Page | File) -> None:
        """Add what the server knows."""
        for thing in things:
            if isinstance(thing, Item):
                self.items[thing.qid] = thing
            elif isinstance(thing, Page):
                self.pages[thing.title] = thing
            else:
                self.files[thing.name] = thing

    def settings(self, **more: Any) -> WikimediaSettings:
        """Return settings that lead here."""
        wikis = {name: self.server.url(f"/{name}/api.php") for name in ("wikidata", "wikipedia", "commons")}
        return WikimediaSettings(sparql=self.server.url("/sparql"), **wikis, **more)

    def asked(self, path: str) -> list[Mapping[str, str]]:
        """Return the parameters of the requests to a path, in order."""
        return [{**seen.query, **seen.form} for seen in self.server.seen if seen.path == path]

    def _fault(self, seen: Seen) -> Answer | None:
        queue = self.faults.get(seen.path)
        return queue.pop(0) if queue else None

    def _sparql(self, seen: Seen) -> Answer:
        query = seen.form["query"]
        limit, offset = (int(re.search(rf"{word} (\d+)", query)[1]) for word in ("LIMIT", "OFFSET"))  # type: ignore[index]
        walks = "/wdt:P279*" in query or "wdt:P171+" in query
        too_slow = any(f"wd:{qid} " in query for qid in self.slow_classes)
        if too_slow or limit > self.slow_above or (self.slow_paths and walks):
            return Answer(
                b'{"head":{"vars":["item"]},"results":{"bindings":[{"item":{"value":"SPARQL-QUERY: '
            )
        if top := re.search(r"\?item wdt:(?:P279|P171)\* wd:(Q\d+)", query):
            rows = [{"item": _uri(qid)} for qid in sorted(self._below(top[1]))]
        else:
            asked = re.findall(r"wd:(Q\d+)", query)
            assert len(asked) <= 200
            rows = self._members(asked, walks, int(re.search(r">= (\d+)", query)[1]))  # type: ignore[index]
        return answer(
            {"head": {"vars": ["item"]}, "results": {"bindings": rows[offset : offset + limit]}},
        )

    def _below(self, top: str) -> set[str]:
        return {top}.union(*(self._below(one) for one in self.subclasses.get(top, ())))

    def _members(self, tops: list[str], walks: bool, least: int) -> list[dict[str, object]]:
        classes = {one for top in tops for one in (self._below(top) if walks else {top})}
        fitting = [one for one in self.items.values() if classes & set(one.classes)]
        fitting = [one for one in fitting if one.wikis >= least and one.title and one.files]
        fitting.sort(key=lambda one: (-one.wikis, one.qid))
        return [
            {
                "item": _uri(one.qid),
                "title": {"type": "literal", "xml:lang": "en", "value": one.title},
                "links": {"type": "literal", "value": str(one.wikis)},
            }
            for one in fitting
        ]

    def _wikidata(self, seen: Seen) -> Answer:
        assert seen.query["action"] == "wbgetentities"
        assert (seen.query["maxlag"], seen.query["formatversion"]) == ("5", "2")
        asked = seen.query["ids"].split("|")
        assert len(asked) <= 50
        return answer(
            {"entities": {qid: self._entity(qid, seen.query["props"]) for qid in asked}, "success": 1}
        )

    def _entity(self, qid: str, props: str) -> dict[str, object]:
        item = self.items.get(self.moved.get(qid, qid))
        if item is None:
            return {"id": qid, "missing": True}
        entity: dict[str, object] = {"type": "item", "id": item.qid}
        if qid in self.moved:
            entity["redirects"] = {"from": qid, "to": item.qid}
        if "labels" in props:
            entity["labels"] = {"en": {"language": "en", "value": item.label}} if item.label else {}
            entity["descriptions"] = {"en": {"language": "en", "value": item.description}}
        if "claims" in props:
            entity["claims"] = {
                "P18": [_claim("normal", name) for name in item.files],
                "P373": [_claim("normal", item.category)] if item.category else [],
            }
        return entity

    def _wikipedia(self, seen: Seen) -> Answer:
        query = seen.query
        assert (query["maxlag"], query["formatversion"]) == ("5", "2")
        if query["prop"].startswith("images"):
            page = self.pages.get(query["titles"])
            names = list(page.files) if page else []
            start = int(query.get("imcontinue", "0"))
            rows = [{"ns": 6, "title": f"File:{name}"} for name in names[start : start + self.several]]
            shown = {"title": query["titles"], "images": rows} | (
                {"pageimage": page.lead} if page and page.lead else {}
            )
            body: dict[str, Any] = {"query": {"pages": [shown]}}
            return _paged(body, "imcontinue", start + self.several, len(names))
        if query.get("generator") == "search":
            titles = list(self.found.get(query["gsrsearch"], ()))[: int(query["gsrlimit"])]
            beside: dict[str, Any] = {}
        else:
            titles, beside = self._led(query["titles"].split("|"))
            assert len(titles) <= 20
        start = int(query.get("excontinue", "0"))
        pages = [
            self._page(title, rank, start <= rank < start + self.several) for rank, title in enumerate(titles)
        ]
        return _paged({"query": {**beside, "pages": pages}}, "excontinue", start + self.several, len(titles))

    def _led(self, asked: list[str]) -> tuple[list[str], dict[str, Any]]:
        """Return where titles lead, and the `normalized` and `redirects` that say so."""
        tidy = {title: title.replace("_", " ") for title in asked}
        redirects = {title: self.redirects[title] for title in tidy.values() if title in self.redirects}
        beside = {
            "normalized": [
                {"fromencoded": False, "from": old, "to": new} for old, new in tidy.items() if old != new
            ],
            "redirects": [{"from": old, "to": new} for old, new in redirects.items()],
        }
        return list(dict.fromkeys(redirects.get(one, one) for one in tidy.values())), beside

    def _page(self, title: str, rank: int, extracted: bool) -> dict[str, object]:
        page = self.pages.get(title)
        if page is None:
            return {"ns": 0, "title": title, "missing": True}
        shown: dict[str, object] = {
            "pageid": page.page_id,
            "ns": 0,
            "title": title,
            "index": rank + 1,
            "lastrevid": 1_000_000 + page.page_id,
            "pageprops": ({"wikibase_item": page.qid} if page.qid else {})
            | ({"disambiguation": ""} if page.disambiguation else {}),
        }
        return shown | ({"extract": page.extract} if extracted and page.extract is not None else {})

    def _commons(self, seen: Seen) -> Answer:
        query = seen.query
        assert (query["maxlag"], query["iiurlwidth"]) == ("5", "1280")
        start, beside = 0, {}
        if query.get("generator") == "categorymembers":
            titles = [f"File:{name}" for name in self.categories.get(query["gcmtitle"], ())]
        elif query.get("generator") == "search":
            titles = [f"File:{name}" for name in self.found.get(query["gsrsearch"], ())]
        else:
            titles, beside = self._led(query["titles"].split("|"))
            assert len(titles) <= 50
            pages = [self._file(title, rank) for rank, title in enumerate(titles)]
            return answer({"batchcomplete": True, "query": {**beside, "pages": pages}})
        start = int(query.get("gcontinue", "0"))
        pages = [self._file(title, rank) for rank, title in enumerate(titles)][start : start + self.several]
        body = {"batchcomplete": True, "query": {"pages": pages}}
        return _paged(body, "gcontinue", start + self.several, len(titles))

    def _file(self, title: str, rank: int) -> dict[str, object]:
        file = self.files.get(title.removeprefix("File:"))
        if file is None:
            return {"ns": 6, "title": title, "missing": True, "imagerepository": ""}
        place = file.name.replace(" ", "_")
        original = self.server.url(f"/upload/commons/a/a8/{place}")
        thumb = self.server.url(f"/upload/commons/thumb/a/a8/{place}/{file.thumb}px-{place}")
        if file.mime == "image/svg+xml":
            thumb += ".png"
        info = {
            "timestamp": "2019-04-01T12:00:00Z",
            "user": "Uploader",
            "size": file.size,
            "width": file.width,
            "height": file.height,
            "thumburl": thumb if file.width > file.thumb or "svg" in file.mime else original,
            "thumbwidth": min(file.width, file.thumb),
            "url": original,
            "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{place}",
            "sha1": f"{sum(place.encode()):040x}",
            "extmetadata": {
                name: {"value": value, "source": "commons-desc-page", "hidden": ""}
                for name, value in file.extra.items()
            },
            "mime": file.mime,
            "mediatype": file.mediatype,
        }
        return {"pageid": rank + 7, "ns": 6, "title": title, "index": rank + 1, "imageinfo": [info]}

    def _upload(self, seen: Seen) -> Answer:
        width = re.search(r"/(\d+)px-", seen.path)
        if width and int(width[1]) not in STEPS:
            return Answer(b"Use thumbnail steps listed on https://w.wiki/GHai", 429, media_type="text/plain")
        return Answer(photograph(seen.path))


def small_world(server: Loopback) -> World:
    """Return a world with two towers, a bridge, a gesture, and files of every kind among them."""
    world = World(server)
    world.add(
        Item("Q12518", "tower"),
        Item("Q12280", "bridge"),
        Item(
            "Q243",
            "Eiffel Tower",
            ("Q12518",),
            "Eiffel Tower",
            "tower in Paris",
            200,
            ("Eiffel.jpg",),
            "Eiffel",
        ),
        Item("Q39054", "Tower of Pisa", ("Q12518",), "Tower of Pisa", "", 90, ("Pisa.jpg",)),
        Item("Q44440", "Golden Gate Bridge", ("Q12280",), "Golden Gate Bridge", "", 120, ("Gate.jpg",)),
        Item("Q1", "unknown tower", ("Q12518",), "", "", 300),
        Item("Q901", "thumb signal", title="Thumb signal", description="hand gesture"),
        Page(
            "Eiffel Tower", LEAD.format("The Eiffel Tower"), 9232, "Q243", files=("Page.jpg", "Edit-icon.jpg")
        ),
        Page("Tower of Pisa", LEAD.format("The Tower of Pisa"), 30, "Q39054"),
        Page("Golden Gate Bridge", LEAD.format("The Golden Gate Bridge"), 12, "Q44440"),
        Page("Thumb signal", LEAD.format("A thumb signal"), 77, "Q901"),
        File("Eiffel.jpg"),
        File("Pisa.jpg"),
        File("Gate.jpg"),
        File("Page.jpg"),
        File("Edit-icon.jpg"),
        File("Night.jpg"),
        File("Thumb.jpg"),
    )
    world.categories["Category:Eiffel"] = ("Eiffel.jpg", "Night.jpg")
    world.found["thumbs up gesture"] = ("Thumb signal",)
    world.found["thumb signal filetype:bitmap"] = ("Thumb.jpg",)
    return world


def wikimedia_source(
    world: World,
    door: Door,
    categories: Mapping[str, Category] = CATEGORIES,
    only: tuple[str, ...] = (),
    **more: int,
) -> WikimediaSource:
    """Return the source as it would be in a project, asking this server; more: fields of its settings."""
    return WikimediaSource(world.settings(categories=only, **more), door, categories)


def photograph(name: str) -> bytes:
    """Return a JPEG that is like no other name's."""
    digest = crc32(name.encode())
    return picture((digest % 200, digest // 256 % 200, digest // 65536 % 200), (320, 240), "JPEG")


def _uri(qid: str) -> dict[str, str]:
    return {"type": "uri", "value": f"http://www.wikidata.org/entity/{qid}"}


def _claim(rank: str, value: str) -> dict[str, object]:
    return {
        "mainsnak": {"snaktype": "value", "datavalue": {"value": value, "type": "string"}},
        "type": "statement",
        "rank": rank,
    }


def _paged(body: dict[str, Any], name: str, end: int, count: int) -> Answer:
    """Return body with `continue` where there is more than end, else with batchcomplete."""
    if end < count:
        return answer(body | {"continue": {name: str(end), "continue": f"{name}||"}})
    return answer(body | {"batchcomplete": True})
