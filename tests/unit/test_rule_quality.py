"""How good the rule drafter's drafts are: measured on the sample, and what is measured."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from curation.drafting.mining.kinds import kind_of
from curation.drafting.rules.quality import outcomes, sample_subjects, unseen_subjects
from curation.records import Subject
from tests.drafts import subject

ARCHIVE = Path(".cache/sample/gcompris-qt-data.deb")


@pytest.mark.skipif(not ARCHIVE.exists(), reason="the sample is not there: run `make sample`")
def test_most_of_the_samples_drafts_pass_every_check() -> None:
    found = asyncio.run(outcomes(asyncio.run(sample_subjects())))
    passed = [one for one in found if one.item is not None]
    assert len(found) > 100
    assert len(passed) / len(found) > 0.8  # 107 of 117 when this was written
    assert all(one.why for one in found if one.item is None)


def test_unseen_extracts_are_drawn_by_seed_and_never_the_known_ones() -> None:
    drawn = unseen_subjects(40, 3, [])
    assert drawn == unseen_subjects(40, 3, [])
    assert drawn != unseen_subjects(40, 4, [])
    again = unseen_subjects(10_000, 3, drawn)
    assert not {one.name for one in drawn} & {one.name for one in again}
    assert all(kind_of(one.source_text) is not None for one in drawn)


def test_every_subject_comes_to_an_item_or_a_reason() -> None:
    empty = subject("Taj Mahal").model_copy(update={"source_text": "Nothing at all is known of this one."})
    subjects: list[Subject] = [subject("Petra"), empty, subject("Koala"), subject("Tiger")]
    found = {one.subject.name: one for one in asyncio.run(outcomes(subjects))}
    assert set(found) == {"Petra", "Taj Mahal", "Koala", "Tiger"}
    assert found["Petra"].item is not None
    assert found["Taj Mahal"].why.startswith("original_knowledge: refused")
