"""Texts about the things that an edited fact leads to, so that an outside fact can be looked up and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from curation.drafting.checks.words import tokens
from curation.drafting.mining.phrases import bare_name
from curation.drafting.steps.rows import Row, is_address, read_rows
from curation.errors import Reason, Rejected
from curation.licences import check_licence
from curation.records import Subject, TextSource


@dataclass(frozen=True, slots=True)
class OutsideText:
    """An encyclopaedic text about a thing, and where it comes from."""

    text: str
    source: TextSource


class OutsideTexts(Protocol):
    """Texts by the name of what they are about."""

    def about(self, name: str) -> OutsideText | None:
        """Return the text about a thing, None when there is none of that name."""
        ...


class TitledTexts:
    """Texts by title: case, accents and articles do not count, nor '(planet)' where it is the only one."""

    def __init__(self, titles: Iterable[str], read: Callable[[str], OutsideText]) -> None:
        """Remember what there is; read: from a title to its text, called when it is asked for."""
        self._all, self._read = titles, read

    def about(self, name: str) -> OutsideText | None:
        """Return the text of that title, None when there is none."""
        key = tokens(name)
        title = self._titles.get(key) if key else None
        return self._read(title) if title is not None else None

    @cached_property
    def _titles(self) -> dict[tuple[str, ...], str]:
        by_words: dict[tuple[str, ...], str] = {}
        bare: dict[tuple[str, ...], list[str]] = {}
        for title in self._all:
            by_words.setdefault(tokens(title), title)
            if bare_name(title) != title:
                bare.setdefault(tokens(bare_name(title)), []).append(title)
        # Mercury the planet and Mercury the metal: where there are two, nobody can tell which is meant.
        return {key: found[0] for key, found in bare.items() if len(found) == 1} | by_words


class FirstOf:
    """Several collections of texts, asked in order; none at all is a collection without texts."""

    def __init__(self, *others: OutsideTexts) -> None:
        """Remember them, the most trusted first."""
        self._others = others

    def about(self, name: str) -> OutsideText | None:
        """Return the first text about a thing that one of them has."""
        return next((found for one in self._others if (found := one.about(name)) is not None), None)


class LaterTexts:
    """Texts that are read when the first of them is asked for."""

    def __init__(self, load: Callable[[], OutsideTexts]) -> None:
        """Remember how to read them."""
        self._load = load

    def about(self, name: str) -> OutsideText | None:
        """Return the text about a thing; raises what reading them raises."""
        return self._texts.about(name)

    @cached_property
    def _texts(self) -> OutsideTexts:
        return self._load()


def texts_of_subjects(subjects: Iterable[Subject]) -> TitledTexts:
    """Return the source texts of a project's own subjects by their names."""
    by_name = {one.name: OutsideText(one.source_text, one.text_source) for one in subjects}
    return TitledTexts(by_name, by_name.__getitem__)


def texts_of_extracts(extracts: Mapping[str, str], source: Callable[[str], TextSource]) -> TitledTexts:
    """Return encyclopaedia extracts by title; source: from a title to where it comes from."""
    return TitledTexts(extracts, lambda title: OutsideText(extracts[title], source(title)))


def read_outside_texts(paths: Sequence[Path], allowed: frozenset[str]) -> tuple[TitledTexts, list[Rejected]]:
    """Return the texts of CSV and JSONL files that a user names, and the rows that are out.

    Columns: title, text, page, licence, attribution. allowed: SPDX identifiers of licences that a release
    may use. Reasons: list_row_invalid and those of licences; of rows of one title the first is taken. Raises
    PrerequisiteError when a file cannot be read or lacks a column.
    """
    found: dict[str, OutsideText] = {}
    rejected: list[Rejected] = []
    for path in paths:
        for row in read_rows(path, ("title", "text", "page", "licence", "attribution")):
            text = row if isinstance(row, Rejected) else _text_of(row, allowed)
            if isinstance(text, Rejected):
                rejected.append(text)
            else:
                found.setdefault(text.source.title, text)
    return TitledTexts(found, found.__getitem__), rejected


def _text_of(row: Row, allowed: frozenset[str]) -> OutsideText | Rejected:
    values = row.values
    if not is_address(values["page"]):
        return Rejected(row.key, Reason.LIST_ROW_INVALID, "page is no web address")
    licence = check_licence(row.key, values["licence"], allowed)
    if isinstance(licence, Rejected):
        return licence
    source = TextSource(
        title=values["title"], page=values["page"], licence=licence, attribution=values["attribution"]
    )
    return OutsideText(values["text"], source)
