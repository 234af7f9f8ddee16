"""HTML for Label Studio: closed tags and classes, everything else escaped."""

from __future__ import annotations

import time
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.reviewing.markup import CLASSES, TAGS, difference, element, picture

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    '"><iframe src="javascript:alert(1)">',
    "</div><style>*{display:none}</style>",
    "<a href='javascript:alert(1)'>x</a>",
    "&lt;script&gt;",
    "{{constructor.constructor('alert(1)')()}}",
    "$original ${alert(1)}",
    "<!--",
    "]]>",
)


class Reader(HTMLParser):
    """Collects the tags, classes and text of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str | None]] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= set(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


@given(st.text(st.characters(exclude_categories=["Cs", "Cf", "Cc", "Co", "Zl", "Zp"])))
@settings(max_examples=200, deadline=None)
def test_any_text_comes_back_as_text(text: str) -> None:
    read = Reader(element("div", text, element("span", text)))
    assert read.tags == {"div", "span"}
    assert read.text == text + text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_makes_no_tag_and_no_attribute(text: str) -> None:
    for side in difference(text, f"{text} and {text}"):
        read = Reader(side)
        assert read.tags <= TAGS
        assert not read.attributes
        assert text.split()[0] in read.text


def test_text_is_read_in_the_order_in_which_it_is_written() -> None:
    assert element("div", "\u202egnp.exe\u2066") == "<div>\ufffdgnp.exe\ufffd</div>"


@pytest.mark.parametrize(
    ("tag", "css"), [("script", ""), ("div", "evil"), ("img", ""), ("div", 'mm-a" onload="x')]
)
def test_nothing_outside_the_closed_sets(tag: str, css: str) -> None:
    with pytest.raises(ValueError, match="closed set"):
        element(tag, "x", css=css)
    assert css not in CLASSES or tag not in TAGS


@pytest.mark.parametrize("name", ["../../etc/passwd", "a" * 63, "A" * 64, '"onerror=x', "a" * 64 + "\n"])
def test_a_picture_is_named_by_its_hash_only(name: str) -> None:
    with pytest.raises(ValueError, match="sha256"):
        picture(name)


def test_difference_marks_words() -> None:
    left, right = difference("The tower stands in Paris.", "The tower stands in Rome.")
    assert left == "<div>The tower stands in <del>Paris.</del></div>"
    assert right == "<div>The tower stands in <ins>Rome.</ins></div>"


def test_changes_around_one_short_word_are_one() -> None:
    left, _ = difference("it was built of iron here", "it was made of brass here")
    assert left == "<div>it was <del>built of iron</del> here</div>"


def test_equal_texts_have_no_marks() -> None:
    assert difference("a b c", "a b c") == ("<div>a b c</div>", "<div>a b c</div>")


def test_text_made_to_be_slow_is_not_compared() -> None:
    started = time.monotonic()
    left, _ = difference("a " * 9_000, "a b " * 4_500)
    assert time.monotonic() - started < 1
    assert left.startswith("<div><del>")
