"""The scripted annotators are deterministic, differ from each other, and fill in valid forms."""

from __future__ import annotations

from collections import Counter

import pytest

from curation.records import Annotation, KnowledgeItem, VerdictState
from curation.reviewing.forms import parse
from curation.reviewing.interface import task_data
from curation.reviewing.scripted import PERSONAS
from curation.reviewing.verdicts import resolve
from tests.review_samples import item, raw, task

ADA, BEN, CLEO = PERSONAS


def votes(knowledge: KnowledgeItem, queue: str, *who: str) -> list[Annotation]:
    data = task_data(task(knowledge, queue))
    read = [parse(raw(PERSONAS[name](data), knowledge, name, queue), "0" * 64) for name in who]
    assert all(isinstance(entry, Annotation) for entry in read)
    return [entry for entry in read if isinstance(entry, Annotation)]


@pytest.fixture(scope="module")
def outcomes() -> Counter[str]:
    states: Counter[str] = Counter()
    for number in range(300):
        knowledge = item(f"itm-{number}")
        reviews = votes(knowledge, "review", ADA, BEN)
        first = resolve(knowledge, reviews)
        last = resolve(knowledge, reviews + votes(knowledge, "adjudication", CLEO))
        assert first is not None
        assert last is not None
        states[first.state] += 1
        states["adjudicated"] += first.state is VerdictState.DISPUTED
        states["still disputed"] += last.state is VerdictState.DISPUTED
        states["approved by cleo"] += first.state is VerdictState.DISPUTED and last.item is not None
    return states


@pytest.mark.parametrize(
    ("state", "share"),
    [(VerdictState.APPROVED, 0.80), (VerdictState.FIXED, 0.08), (VerdictState.REJECTED, 0.05)],
)
def test_the_shares_are_those_of_the_plan(outcomes: Counter[str], state: VerdictState, share: float) -> None:
    assert outcomes[state] / 300 == pytest.approx(share, abs=0.05)


def test_they_disagree_and_cleo_decides(outcomes: Counter[str]) -> None:
    assert outcomes["adjudicated"] / 300 == pytest.approx(0.07, abs=0.03)
    assert outcomes["still disputed"] == 0
    assert 0.4 < outcomes["approved by cleo"] / outcomes["adjudicated"] < 0.95


def test_the_same_item_gets_the_same_form() -> None:
    data = task_data(task(item("itm-7")))
    assert all(persona(data) == persona(data) for persona in PERSONAS.values())


def test_they_say_what_they_are() -> None:
    assert all(name.startswith("scripted-") for name in PERSONAS)
