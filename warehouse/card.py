"""The release's README card and attribution list; every number in them is computed from its items."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from typing import Any

from jinja2 import Environment, StrictUndefined

from curation.records import EditType, ItemImage, ReleasedItem, Split, Verdict, VerdictState
from warehouse.formats.hugging_face import data_file

NAME = "MMKE Forge release"
SCRIPTED = "scripted-"
_ACTING = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_PAGE = re.compile(r"https?://[^\s<>()\[\]{}|\\`\"']*[^\s<>()\[\]{}|\\`\"'.,;:!?]")
_WHOLE = re.compile(r"https?://[^\s<>\\]+")
_HIDDEN = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True, slots=True)
class Reviewed:
    """How many annotators voted, how many items they changed, and whether all of them were scripts."""

    annotators: int
    fixed: int
    scripted: bool


def reviewed_by(verdicts: Sequence[Verdict]) -> Reviewed:
    """Count who reviewed the items of the verdicts; names are not kept, they are nobody's business."""
    names = {name for verdict in verdicts for name in verdict.annotators}
    return Reviewed(
        annotators=len(names),
        fixed=sum(verdict.state is VerdictState.FIXED for verdict in verdicts),
        scripted=bool(names) and all(name.startswith(SCRIPTED) for name in names),
    )


def render_card(
    version: str, items: Sequence[ReleasedItem], *, reviewed: Reviewed, drafter: str, is_llm: bool
) -> str:
    """Return the Markdown card, with the front matter that the Hugging Face loader reads."""
    # Markdown, not HTML: names of categories, drafters and licences come from settings and sources.
    environment = Environment(
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701
        finalize=_finalized,
    )
    template = environment.from_string(files("warehouse").joinpath("card.md.j2").read_text())
    pictures = different_pictures(items)
    return template.render(
        name=NAME,
        version=version,
        drafter=drafter,
        is_llm=is_llm,
        reviewed=reviewed,
        total=len(items),
        pictures=len(pictures),
        slots=sum(len(entry.item.images) for entry in items),
        configs=_configs(items),
        types=[_type_row(items, edit_type) for edit_type in EditType],
        categories=_categories(items),
        probes=_counted([probe.kind for entry in items for probe in entry.item.probes], "kind"),
        origins=_counted([image.origin for image in pictures], "name"),
        licences=_counted([image.licence for image in pictures], "name"),
    )


def render_attribution(items: Sequence[ReleasedItem]) -> str:
    """Return one line a picture and one a source text: who made it, under which licence, from which page."""
    pictures = [
        f"- `{image.sha256[:20]}` ({image.origin}, {plain_markdown(image.licence)}): "
        f"{_credit(image.attribution, image.source_page)}"
        for image in different_pictures(items)
    ]
    texts = sorted(
        {
            f"- {plain_markdown(source.title)} ({plain_markdown(source.licence)}): "
            f"{_credit(source.attribution, source.page)}"
            for source in (entry.item.text_source for entry in items)
        }
    )
    return "\n".join(
        ["# Attribution", "", "## Pictures", "", *pictures, "", "## Source texts", "", *texts, ""]
    )


def different_pictures(items: Sequence[ReleasedItem]) -> list[ItemImage]:
    """Return the pictures of a release by content, each once, in the order of their hashes."""
    found = {image.sha256: image for entry in items for image in entry.item.images}
    return [found[sha256] for sha256 in sorted(found)]


def _credit(attribution: str, page: str) -> str:
    return f"{plain_markdown(attribution)} {_link(page)}"


def _link(page: str) -> str:
    """Return a page as a link that a reader may follow, as words where it is none of http or https."""
    return f"<{page}>" if _WHOLE.fullmatch(page) and page.isprintable() else plain_markdown(page)


def plain_markdown(text: str) -> str:
    """Return a stranger's text as one line of Markdown in which nothing acts and nobody is misled.

    Signs that make links, pictures, HTML, tables, code or emphasis are escaped by a backslash, which
    Markdown does not show; hidden characters become the replacement character. A web address leads where
    it says.
    """
    line = "".join(
        _HIDDEN if unicodedata.category(char) in _ACTING else char for char in " ".join(text.split())
    )
    ends = [0, *(end for match in _PAGE.finditer(line) for end in match.span()), len(line)]
    parts = [line[start:end] for start, end in pairwise(ends)]
    return "".join(f"<{part}>" if number % 2 else _escaped(part) for number, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"[\\`*_\[\]<>|!#~$&@]|://|^[-+=]", r"\\\g<0>", text)


def _finalized(value: object) -> object:
    """Make harmless whatever text the card's template prints: an identifier stands as it is."""
    if not isinstance(value, str) or re.fullmatch(r"[\w .,:/()+-]*", value):
        return value
    return plain_markdown(value)


def _configs(items: Sequence[ReleasedItem]) -> list[dict[str, Any]]:
    held = {(entry.item.edit_type, entry.split) for entry in items}
    rows = []
    for edit_type in EditType:
        listed = [{"split": str(s), "path": data_file(edit_type, s)} for s in Split if (edit_type, s) in held]
        if listed:
            rows.append({"name": str(edit_type), "files": listed})
    return rows


def _type_row(items: Sequence[ReleasedItem], edit_type: EditType) -> dict[str, Any]:
    number = Counter(entry.split for entry in items if entry.item.edit_type is edit_type)
    return {"name": str(edit_type), "train": number[Split.TRAIN], "eval": number[Split.EVAL]}


def _categories(items: Sequence[ReleasedItem]) -> list[dict[str, Any]]:
    number = Counter((str(entry.item.edit_type), entry.item.category) for entry in items)
    return [{"key": key, "edit_type": kind, "number": n} for (kind, key), n in sorted(number.items())]


def _counted(values: Sequence[str], label: str) -> list[dict[str, Any]]:
    return [{label: str(value), "count": n} for value, n in sorted(Counter(values).items())]
