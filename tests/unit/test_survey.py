"""The dry run: what a run would meet and what it would ask of whom, without a picture or an event."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.collecting.books import Tally
from curation.collecting.http.door import Door
from curation.collecting.http.records import Rates
from curation.collecting.http.settings import DoorSettings, HostLimits
from curation.collecting.url_list import UrlListSettings
from flows.paces import Paces
from flows.scope import Scope
from flows.settings import Settings
from flows.survey import Survey, show_survey, survey
from tests.loopback import Loopback

LISTED = """url,caption,subject,category,license,author
{0}/1.jpg,A blue bird.,Kingfisher,aerial_animals,CC BY 4.0,Ann
{0}/2.jpg,,Kingfisher,aerial_animals,CC BY 4.0,Ann
{0}/3.jpg,,Kingfisher,aerial_animals,,Ann
{0}/4.jpg,A tower.,Water tower,building,CC0,Ann
{0}/5.jpg,A tower.,,building,CC0,Ann
"""


def test_a_dry_run_counts_and_fetches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Loopback() as site:
        (tmp_path / "list.csv").write_text(LISTED.format(site.url("")))
        slow = DoorSettings(trusted_hosts=(site.host,), hosts={site.host: HostLimits(per_second=0.0125)})
        listed = UrlListSettings(path=tmp_path / "list.csv")
        settings = Settings(home=tmp_path / ".mmke", sources=(listed,), http=slow)
        found = survey(settings, Scope())
        assert site.seen == []
    assert not (tmp_path / ".mmke" / "warehouse.duckdb").exists()
    assert found.pictures["aerial_animals", "url_list"] == {"to fetch": 2, "licence_missing": 1}
    assert found.pictures["building", "url_list"] == {"to fetch": 1}
    assert found.subjects == {"with pictures": 2, "list_row_invalid": 1}
    show_survey(found, settings)
    told = capsys.readouterr().out
    assert "subjects   3 = 1 list_row_invalid, 2 with pictures" in told
    assert next(line for line in told.splitlines() if site.host in line).split()[2:] == ["3", "?", "4", "min"]


def test_a_scope_narrows_it(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(LISTED.format("http://127.0.0.1:9"))
    settings = Settings(home=tmp_path, sources=(UrlListSettings(path=tmp_path / "list.csv"),))
    assert set(survey(settings, Scope(frozenset({"building"}))).pictures) == {("building", "url_list")}


def test_bytes_are_guessed_from_what_a_source_gave_before(capsys: pytest.CaptureFixture[str]) -> None:
    found = Survey(Path("none"), sizes={"wikimedia": 400_000.0})
    found.hosts["upload.wikimedia.org:443", "wikimedia"] = 1000
    show_survey(found, Settings())
    row = next(line for line in capsys.readouterr().out.splitlines() if "upload" in line)
    assert row.split()[2:] == ["1000", "400.0", "2", "min"]


def test_the_line_says_how_far_and_how_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(Door):
        def __init__(self) -> None: ...

        def rates(self) -> Rates:
            return next(rates)

    rates = iter([Rates(1, 0, 0), Rates(21, 10_000_000, 5, 2, {"a.org": 29.7})])
    now = iter([100.0, 105.0])
    monkeypatch.setattr("flows.paces.time.monotonic", lambda: next(now))
    tally = Tally(found=10)
    paces = Paces("collect", tally, Watched())
    assert paces.line().startswith("collect: 10 found = 0 kept + 0 rejected + 10 pending")
    tally.kept, tally.rejected = 6, 2
    assert paces.line() == (
        "collect: 10 found = 6 kept + 2 rejected + 2 pending; 1.6 pictures/s; 2.00 MB/s; "
        "21 requests, 5 from the store, 2 waits; paused: a.org for 30 s"
    )
