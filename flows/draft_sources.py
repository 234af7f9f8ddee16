"""Puts together what items are drafted from: subjects, texts about what edits bring in, question pools."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from curation.collecting import wikipedia
from curation.decoding import DecodePool
from curation.drafting.draft import Sources
from curation.drafting.outside_texts import (
    FirstOf,
    LaterTexts,
    OutsideTexts,
    read_outside_texts,
    texts_of_extracts,
    texts_of_subjects,
)
from curation.drafting.pools import Pool, load_pools
from curation.errors import PrerequisiteError, Rejected
from curation.records import Subject
from flows.settings import Settings
from flows.terminal import say_result
from flows.wiring import artefacts

_SHOWN = 5


def draft_sources(settings: Settings, subjects: Mapping[str, Subject]) -> Sources:
    """Return what items are drafted from; rows of the user's files that are out are told with file and line.

    subjects: all that the project keeps, by id. Texts about what an edit brings in come from the user's own
    files, then from the subjects, then from the encyclopaedia extracts of the sample where it is installed.
    Call it outside an event loop. Raises PrerequisiteError when a file that the settings name cannot be read.
    """
    kept, allowed = artefacts(settings), frozenset(settings.allowed_licences)
    named, rejected = read_outside_texts(settings.draft.outside_texts, allowed)
    pool = Pool()
    if settings.draft.question_pools:
        with DecodePool() as decoding:
            pool = asyncio.run(load_pools(settings.draft.question_pools, allowed, decoding.inspect, kept.put))
    _tell([*rejected, *pool.rejected])
    outside = FirstOf(named, texts_of_subjects(subjects.values()), LaterTexts(_extracts))
    return Sources(subjects, outside, pool, kept.get)


def _extracts() -> OutsideTexts:
    try:
        return texts_of_extracts(wikipedia.load_extracts(), wikipedia.text_source)
    except PrerequisiteError:  # the sample is a choice: a project may do without
        return FirstOf()


def _tell(rejected: list[Rejected]) -> None:
    for row in rejected[:_SHOWN]:
        say_result(f"left out   {row.key}: {row.reason.value}, {row.detail}")
    if len(rejected) > _SHOWN:
        say_result(f"left out   {len(rejected) - _SHOWN} rows more of question pools and outside texts")
