"""HTML and text from outside become one harmless line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.collecting.wikimedia.plain_text import bounded_json, clean_line, from_html


@pytest.mark.parametrize(
    ("markup", "line"),
    [
        ('<a href="//commons.wikimedia.org/wiki/User:Ann" title="User:Ann">Ann</a>', "Ann"),
        ("<p>Ann</p><p>Ben</p>Cy<br>Di", "Ann Ben Cy Di"),
        ("Tom &amp; Jerry &lt;3", "Tom & Jerry <3"),
        ("&amp;lt;b&amp;gt;x&amp;lt;/b&amp;gt;", "x"),
        ("<script>alert(1)</script><style>p{}</style>Ann", "Ann"),
        ("<img src=x onerror=alert(1)>Ann<!-- no -->", "Ann"),
        ('Ann<span style="display: none;">Unknown author</span>', "Ann"),
        ("<b>Ann", "Ann"),
        ("Ейфель\u202e\x00 艾菲尔", "Ейфель 艾菲尔"),
        ("می\u200cخواهم 👩\u200d🎨", "می\u200cخواهم 👩\u200d🎨"),
        ("", ""),
    ],
)
def test_a_reader_sees_the_same_line(markup: str, line: str) -> None:
    assert from_html(markup, 100) == line


@given(
    st.text(alphabet=st.characters(codec=None), max_size=300) | st.text("<>&;/lgt amp=script", max_size=60)
)
def test_no_tag_and_no_control_character_is_left(markup: str) -> None:
    line = from_html(markup.encode("utf-8", "ignore").decode(), 80)
    assert len(line) <= 80
    assert all(char.isprintable() or char in "\u200c\u200d\xad" for char in line) or line == clean_line(
        line, 80
    )
    assert "<script" not in line.lower()


def test_hostile_markup_is_read_in_no_time() -> None:
    assert len(from_html("<span style=display:none>" * 40_000, 50)) <= 50
    assert len(from_html("&amp;" * 400_000 + "&lt;b&gt;", 50)) == 50


def test_long_lines_are_cut_and_say_so() -> None:
    assert clean_line("word " * 50, 11) == "word word…"


def test_what_a_source_said_is_kept_whole_where_it_is_short() -> None:
    value = {"b": [1, None, "é"], "a": {"value": "<b>x</b>"}}
    assert bounded_json(value, 1000) == '{"a":{"value":"<b>x</b>"},"b":[1,null,"é"]}'


def test_what_is_too_long_is_cut_and_still_json() -> None:
    value: object = {"long": "x" * 9_000, "short": "y", "half": "\ud800", "many": float("inf")}
    assert json.loads(bounded_json(value, 6_000))["short"] == "y"
    assert len(bounded_json(value, 6_000)) <= 6_000
    assert bounded_json([value] * 100, 6_000) == "{}"
    for _ in range(500):
        value = [value]
    assert bounded_json(value, 6_000).startswith("[[[")
