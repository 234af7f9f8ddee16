"""The only place where HTML for Label Studio is made: a closed set of tags and classes, the rest escaped."""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

from markupsafe import Markup

TAGS = frozenset({"div", "span", "del", "ins", "figure", "figcaption"})
CLASSES = frozenset(
    {
        "mm-title",
        "mm-chip",
        "mm-note",
        "mm-line",
        "mm-gal",
        "mm-qrow",
        "mm-qtext",
        "mm-noimg",
        "mm-qt",
        "mm-a",
        "mm-b",
    }
)
# what nobody sees or what turns the direction of writing; scripts and emoji need the joiners
_HIDDEN = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_SHOWN = frozenset({"\n", "\t", "\N{ZERO WIDTH JOINER}", "\N{ZERO WIDTH NON-JOINER}", "\N{SOFT HYPHEN}"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
# beyond this many pairs of words difflib takes seconds, and hostile text could make it take minutes
_MOST_PAIRS = 1_000_000
_SHORT_WORD = 3


def element(tag: str, *children: str, css: str = "") -> Markup:
    """Return an element; children that are not Markup made here are escaped.

    Characters that nobody sees or that turn the direction of writing are shown as the replacement character.

    Raises ValueError for a tag or class outside the closed sets.
    """
    if tag not in TAGS or (css and css not in CLASSES):
        raise ValueError(f"<{tag} class={css!r}> is not in the closed set")
    attribute = Markup(' class="{}"').format(css) if css else Markup("")
    shown = (child if isinstance(child, Markup) else visible(child) for child in children)
    inner = Markup("").join(shown)
    return Markup("<{0}{1}>{2}</{0}>").format(tag, attribute, inner)


def visible(text: str) -> str:
    """Return text with a replacement character for each hidden one: what is reviewed is what is there."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _HIDDEN and char not in _SHOWN else char
        for char in text
    )


def picture(sha256: str) -> Markup:
    """Return an img of a picture file named by its hash; ValueError for anything but a sha256."""
    if not _SHA256.fullmatch(sha256):
        raise ValueError("a picture is named by its sha256")
    return Markup('<img src="{}" alt="" tabindex="0">').format(picture_path(sha256))


def picture_path(sha256: str) -> str:
    """Return the path under which Label Studio serves a picture of its document root."""
    return f"/data/local-files/?d=images/{sha256}.jpg"


def difference(before: str, after: str) -> tuple[Markup, Markup]:
    """Return both texts with the words that differ in del (left) and ins (right)."""
    old, new = before.split(), after.split()
    left: list[str] = []
    right: list[str] = []
    for same, old_words, new_words in _runs(old, new):
        for side, words, tag in ((left, old_words, "del"), (right, new_words, "ins")):
            if words:
                text = " ".join(words)
                side.append(visible(text) if same else element(tag, text))
    return element("div", _spaced(left)), element("div", _spaced(right))


def _runs(old: list[str], new: list[str]) -> list[tuple[bool, list[str], list[str]]]:
    """Return the texts as runs (same, old words, new words), changes around one short word joined."""
    if len(old) * len(new) > _MOST_PAIRS:
        return [(old == new, old, new)]
    runs: list[tuple[bool, list[str], list[str]]] = []
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for place, (code, a, b, c, d) in enumerate(codes):
        inside = 0 < place < len(codes) - 1
        speck = inside and b - a == 1 and len(old[a]) <= _SHORT_WORD
        same = code == "equal" and not speck
        if runs and runs[-1][0] == same:
            runs[-1][1].extend(old[a:b])
            runs[-1][2].extend(new[c:d])
        else:
            runs.append((same, old[a:b], new[c:d]))
    return runs


def _spaced(parts: list[str]) -> Markup:
    return Markup(" ").join(parts)
