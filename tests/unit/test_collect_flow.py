"""The collect stage run twice: what is here is not asked for again, unless one wants it refreshed."""

from __future__ import annotations

from pathlib import Path

from curation.collecting.http.settings import DoorSettings
from curation.collecting.url_list import UrlListSettings
from flows.collect import collect
from flows.scope import Scope
from flows.settings import Settings
from tests.archives import picture
from tests.loopback import Answer, Loopback
from warehouse.store import read_store

LISTED = """url,caption,subject,category,license,author
{0}/1.jpg,A tower of 1904.,Water tower,building,CC0,Ann
{0}/2.jpg,A tower of 1904.,Water tower,building,CC0,Ann
"""


def sizes(settings: Settings) -> set[int]:
    with read_store(settings.home) as store:
        return {value["byte_size"] for value in store.payloads("image").values()}


def test_a_refresh_asks_whether_pictures_have_changed(tmp_path: Path) -> None:
    first, second, third = (picture(colour) for colour in ("teal", "navy", "olive"))
    with Loopback() as site:
        site.route("/1.jpg", Answer(first, etag='"1"'))
        site.route("/2.jpg", Answer(second, etag='"2"'), Answer(third + b" ", etag='"3"'))
        (tmp_path / "list.csv").write_text(LISTED.format(site.url("")))
        listed = UrlListSettings(path=tmp_path / "list.csv")
        door = DoorSettings(trusted_hosts=(site.host,))
        settings = Settings(home=tmp_path / "home", sources=(listed,), http=door)
        collect.fn(settings)
        asked = len(site.seen)
        collect.fn(settings)
        assert len(site.seen) == asked
        collect.fn(settings, Scope(refresh=True))
        again = {seen.path: seen.headers.get("if-none-match") for seen in site.seen[asked:]}
    assert (again["/1.jpg"], again["/2.jpg"]) == ('"1"', '"2"')
    assert sizes(settings) == {len(first), len(third) + 1}
