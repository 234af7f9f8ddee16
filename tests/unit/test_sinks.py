"""Hostile drafts at every place where texts come out: what is shown is text, and nothing in it acts."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from rich.console import Console

import flows.terminal
from curation.deduplicating.leakage import Finding, Leak
from curation.records import KnowledgeItem, PairVerdict, ReleasedItem, ReviewTask, Split
from curation.reviewing.interface import task_data
from curation.reviewing.markup import TAGS
from flows.leakage import write_leaks
from tests.samples import make_item
from warehouse.card import Reviewed, plain_markdown, render_attribution, render_card

HOSTILE: list[str] = json.loads((Path(__file__).parents[1] / "data/hostile/texts.json").read_text())
ACTING = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
TABLE = {"table", "thead", "tbody", "tr", "th", "td"}
NEEDED = {"\n", "\t", "\u200c", "\u200d", "\xad"}


class Read(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]


def hidden(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in ACTING and c not in NEEDED]


def hostile_item(text: str) -> KnowledgeItem:
    """Return an item with a hostile text wherever somebody outside may have written one."""
    item = make_item(1)
    probes = tuple(probe.model_copy(update={"question": text, "answer": text}) for probe in item.probes)
    told = {"attribution": text, "source_page": text, "licence": text}
    images = tuple(image.model_copy(update=told) for image in item.images)
    source = item.text_source.model_copy(
        update={"title": text, "page": text, "attribution": text, "licence": text}
    )
    names = (
        "subject_name",
        "category",
        "fine_type",
        "original_text",
        "edited_text",
        "request",
        "rephrased_request",
    )
    changes: dict[str, Any] = dict.fromkeys(names, text)
    return item.model_copy(update={**changes, "probes": probes, "images": images, "text_source": source})


@pytest.mark.parametrize("text", HOSTILE)
def test_a_review_task_shows_text_and_pictures_and_nothing_else(text: str) -> None:
    task = ReviewTask(task_key="t", item=hostile_item(text), drafter=text, is_llm=True, earlier=())
    data = task_data(task)
    shown = [value for key, value in data.items() if key.endswith("_html")]
    shown += [value for row in data["questions"] for key, value in row.items() if key.endswith("html")]
    assert len(shown) > 4
    for html in shown:
        read = Read(html)
        assert read.tags <= TAGS | {"img"}
        assert read.attributes <= {"class", "src", "alt", "tabindex"}
        assert all(address.startswith("/data/local-files/?d=images/") for address in read.addresses)
        assert not hidden(html)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_release_card_and_its_credits_stay_words(text: str) -> None:
    entries = [ReleasedItem(item=hostile_item(text), split=Split.EVAL)]
    reviewed = Reviewed(annotators=2, fixed=0, scripted=False)
    card = render_card("1.0.0", entries, reviewed=reviewed, drafter=text, is_llm=True)
    for markdown in (card.split("---\n", 2)[2], render_attribution(entries)):
        read = Read(MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(markdown))
        tags = {"h1", "h2", "p", "ul", "li", "code", "pre", "em", "strong", "a", *TABLE}
        assert read.tags <= tags, text
        assert all(address.startswith(("https://", "http://")) for address in read.addresses)
        assert not hidden(markdown)
    assert "\n# A heading" not in card


@pytest.mark.parametrize("text", HOSTILE)
def test_a_stranger_fills_one_cell_of_the_card_and_no_more(text: str) -> None:
    line = plain_markdown(text)
    table = f"| a | b |\n| --- | --- |\n| {line} | c |\n"
    html = MarkdownIt("gfm-like", {"linkify": False}).render(table)
    assert (html.count("<td"), "\n" in line) == (2, False)


def test_an_address_in_a_credit_leads_where_it_says() -> None:
    told = plain_markdown("A. Writer, https://example.org/File:A_b.jpg; changes")
    read = Read(MarkdownIt().render(told))
    assert read.addresses == ["https://example.org/File:A_b.jpg"]


@pytest.mark.parametrize("text", HOSTILE)
def test_the_terminal_prints_and_does_not_obey(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, highlight=False, color_system=None)
    for name in ("OUT", "ERR"):
        monkeypatch.setattr(flows.terminal, name, console)
    flows.terminal.say(f"  {text}")
    flows.terminal.say_result(text)
    flows.terminal.show_table("Title", ["first", "second"], [[text, text]])
    styles = out.getvalue().replace("\x1b[1m", "").replace("\x1b[3m", "").replace("\x1b[0m", "")
    assert not [char for char in styles if unicodedata.category(char) in ACTING and char not in "\n\t"]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_table_for_spreadsheets_holds_no_formula(text: str, tmp_path: Path) -> None:
    words = dict.fromkeys(("first", "second", "first_place", "second_place", "reason"), text)
    found = Finding(leak=next(iter(Leak)), verdict=PairVerdict.MERGE, **words)
    rows = list(csv.reader(write_leaks([found], tmp_path / "leaks.csv").open(newline="", encoding="utf-8")))
    assert not [cell for row in rows for cell in row if cell.lstrip("\t\r ").startswith(("=", "+", "-", "@"))]
