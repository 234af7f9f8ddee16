"""The texts that IKE shows to a model: facts, demonstrations, and where the question goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curation.records import ProbeKind
from eval.records import EditCase


@dataclass(frozen=True)
class Demonstration:
    """A fact and a question answered in its light; search_text is what retrieval compares."""

    fact: str
    question: str
    answer: str

    @property
    def lead(self) -> str:
        """Return the text up to the answer."""
        return asked(self.fact, self.question)

    @property
    def search_text(self) -> str:
        """Return the whole demonstration, as the reference embeds it (easyeditor/models/ike/util.py)."""
        return f"{self.lead} {self.answer}\n\n"


def fact_of(case: EditCase) -> str:
    """Return the edit as one line of text."""
    return f"{case.request} {case.target}"


def asked(fact: str, question: str) -> str:
    """Return a question after a new fact, in the reference's form (easyeditor/evaluate/evaluate.py)."""
    return f"New Fact: {fact}\nPrompt: {question}"


def copy_demonstration(case: EditCase) -> Demonstration:
    """Return the demonstration that repeats the edit itself."""
    return Demonstration(fact_of(case), case.request, case.target)


def demonstrations(case: EditCase) -> tuple[Demonstration, ...]:
    """Return an edit's copy, update and, where it has a text locality probe, retain demonstrations."""
    fact = fact_of(case)
    retained = [probe for probe in case.probes if probe.kind is ProbeKind.T_LOC]
    return (
        copy_demonstration(case),
        Demonstration(fact, case.rephrased_request, case.target),
        *(Demonstration(fact, probe.question, probe.answer) for probe in retained[:1]),
    )


def context(shown: Sequence[Demonstration], case: EditCase) -> str:
    """Return everything that IKE puts before a question: demonstrations, then the edit as a new fact."""
    return "".join(demonstration.search_text for demonstration in shown) + asked(fact_of(case), "")
