"""The settings: sources of every kind, wrong keys named with the right one, licences that we know."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import PrerequisiteError
from flows.scope import Scope
from flows.settings import Settings, load_settings

EVERY_KIND = """
[[sources]]
kind = "sample"
[[sources]]
kind = "wikimedia"
categories = ["building"]
[[sources]]
kind = "openverse"
[[sources]]
kind = "url_list"
path = "list.csv"
[[sources]]
kind = "url_list"
name = "more"
path = "more.parquet"
columns = { caption = "TEXT" }
[[sources]]
kind = "folder"
path = "mine"
[[sources]]
kind = "hugging_face"
repo = "owner/name"
revision = "0123456789012345678901234567890123456789"
[http]
contact = "curator@example.org"
hosts = { "mirror.example.org" = { streams = 2, per_second = 5 } }
[dedupe]
phash_radius = 8
[runner]
kind = "dask"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> Settings:
    Path("mmke.toml").write_text(text)
    return load_settings()


def test_every_kind_of_source_is_read_in_order() -> None:
    settings = load(EVERY_KIND)
    kinds = [source.kind for source in settings.sources]
    assert kinds == ["sample", "wikimedia", "openverse", "url_list", "url_list", "folder", "hugging_face"]
    assert settings.http.limits("mirror.example.org", 443).streams == 2


def test_without_a_word_it_is_the_sample() -> None:
    assert [source.kind for source in load("").sources] == ["sample"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("per_categry = 2", "per_categry: no such setting, did you mean per_category"),
        ("[http]\ncontakt = 'x'", "http.contakt: no such setting, did you mean contact"),
        ("[http.hosts.'a.org']\nstream = 1", "did you mean streams"),
        ("[[sources]]\nkind = 'url_list'\npath = 'x'\ncolumn = {}", "did you mean columns"),
        ("[[sources]]\nkind = 'sample'\npath = 'x'", "sources.0.sample.path: no such setting among kind"),
        ("[[sources]]\nkind = 'wikipedia'", "'wikimedia'"),
        ("[[sources]]\nkind = 'folder'", "sources.0.folder.path"),
        ("[[sources]]\nkind = 'sample'\n[[sources]]\nkind = 'sample'", "2 sources are called sample"),
        ("sources = []", "sources"),
        ("allowed_licences = ['CC BY 4.0']", "write CC-BY-4.0"),
        ("allowed_licences = ['Beerware']", "'Beerware' is not the SPDX id of a licence that we know"),
        ("[runner]\nkind = 'ray'", "'threads' or 'dask'"),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(text: str, told: str) -> None:
    with pytest.raises(PrerequisiteError) as error:
        load(text)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_scope_narrows_the_quotas_and_the_sources() -> None:
    settings = load("[[sources]]\nkind = 'folder'\npath = 'mine'")
    quotas = Scope(frozenset({"building"}), limit=7).wanted(settings).quotas
    assert (quotas["building"], quotas["pet"]) == (7, 0)
    assert Scope(limit=10_000).wanted(settings).quotas["building"] == 108
    with pytest.raises(PrerequisiteError, match="buildng"):
        Scope(frozenset({"buildng"})).wanted(settings)
    assert Scope(folder=Path("mine")).sources(settings) == settings
    other = Scope(folder=Path("My Cats"))
    (source,) = other.sources(settings).sources
    assert getattr(source, "name", "") == "folder-my-cats"
    assert 'name = "folder-my-cats"' in other.to_stay(settings)
