"""Lessons in believing a new fact in the context: made of train-split items with random other values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from curation.records import ImageRole, KnowledgeItem, ProbeKind
from eval.editors.demonstrations import asked
from eval.models.lessons import Lesson, original_answer
from eval.models.tokens import Segment

_TOLD = {ProbeKind.T_REL, ProbeKind.I_REL, ProbeKind.I_GEN}
_FIRST_YEAR, _LAST_YEAR = 1000, 2030
# How often a drawn value is made of random words of the vocabulary, so that copying is learnt, not a list.
_INVENTED = 0.15
# Draws of a question that the fact does not touch before the last one is taken as it is.
_TRIES = 8


@dataclass(frozen=True)
class _Variant:
    """A train item's fact with other values: the edit as a line, and its questions with the new answers."""

    item: KnowledgeItem
    request: str
    rephrased: str
    target: str
    told: tuple[tuple[str, str, ImageRole | None], ...]


class Counterfactuals:
    """Draws in-context lessons; no text or answer of an eval item's edit is among its sources."""

    def __init__(self, train: Sequence[KnowledgeItem], known: Sequence[Lesson], words: Sequence[str]) -> None:
        """known: original knowledge, which a fact must not touch. words: to invent values of."""
        self._train = tuple(train)
        self._known = tuple(known)
        self._words = tuple(words)
        self._values = _values_by_relation(self._train)

    def __bool__(self) -> bool:
        """Return whether there is anything to draw from."""
        return bool(self._train and self._known and self._words)

    def draw(self, rng: Random, demonstrations: int) -> Lesson:
        """Return a fact with a question about it or about something else, after so many demonstrations.

        The answers in the demonstrations are to be said as well: they can be read off the fact before
        them, which is how copying is learnt.
        """
        segments: list[Segment] = []
        for _ in range(demonstrations):
            segments += self._demonstration(rng, self._variant(rng))
        variant = self._variant(rng)
        if demonstrations:
            segments += _shown(variant, variant.request, variant.target, "\n\n")
        question, answer, image = self._final(rng, variant)
        segments += [Segment(asked(_fact(variant), question)), Segment(f" {answer}", answer=True)]
        return Lesson(tuple(segments), image, variant.item.item_id)

    def _final(self, rng: Random, variant: _Variant) -> tuple[str, str, str | None]:
        """Return the question of the lesson: mostly on the fact, one time in three on something else."""
        picture = {image.role: image.sha256 for image in variant.item.images}
        chance = rng.random()
        if chance < 0.15 or not variant.told:
            return variant.request, variant.target, picture.get(ImageRole.EDIT)
        if chance < 0.67:
            question, answer, role = rng.choice(variant.told)
            return question, answer, picture.get(role) if role else None
        other = self._elsewhere(rng, variant)
        return other.question, other.answer, other.image

    def _elsewhere(self, rng: Random, variant: _Variant) -> Lesson:
        """Return a lesson that the fact does not touch, nor the same question on another picture."""
        item = variant.item
        touched = {item.request, item.rephrased_request, *(question for question, _, _ in variant.told)}
        for _ in range(_TRIES):
            other = rng.choice(self._known)
            if other.about != item.item_id and other.question not in touched:
                break
        return other

    def _demonstration(self, rng: Random, variant: _Variant) -> list[Segment]:
        """Return a copy, update or retain demonstration, as IKE shows them."""
        kept = [probe for probe in variant.item.probes if probe.kind is ProbeKind.T_LOC]
        shape = rng.randrange(3)
        if shape == 2 and kept:
            return _shown(variant, kept[0].question, kept[0].answer, "\n\n")
        return _shown(variant, variant.rephrased if shape == 1 else variant.request, variant.target, "\n\n")

    def _variant(self, rng: Random) -> _Variant:
        """Return a random train item's edit with every value that is asked for replaced."""
        item = rng.choice(self._train)
        changes: dict[str, str] = {}
        for probe in item.probes:
            if probe.kind in _TOLD and probe.answer in item.edited_text and probe.answer not in changes:
                changes[probe.answer] = self._value(rng, relation(item, probe.question), probe.answer)
        told = tuple(
            (probe.question, changes[probe.answer], probe.image_role)
            for probe in item.probes
            if probe.kind in _TOLD and probe.answer in changes
        )
        return _Variant(
            item, item.request, item.rephrased_request, _replaced(item.edited_text, changes), told
        )

    def _value(self, rng: Random, asked_for: str, value: str) -> str:
        if value.isdigit():
            return str(rng.randrange(_FIRST_YEAR, _LAST_YEAR))
        if rng.random() < _INVENTED:
            return " ".join(rng.choice(self._words) for _ in range(rng.randint(1, 2)))
        return rng.choice(self._values[asked_for])


def relation(item: KnowledgeItem, question: str) -> str:
    """Return a question without its subject: the same for all items that are asked the same thing."""
    for name in (item.subject_name, item.user_name, item.fine_type):
        if name:
            question = question.replace(name, "*")
    return question


def _values_by_relation(train: Sequence[KnowledgeItem]) -> dict[str, list[str]]:
    values: dict[str, dict[str, None]] = {}
    for item in train:
        for probe in item.probes:
            if probe.kind in _TOLD:
                answers = [answer for answer in (probe.answer, original_answer(probe)) if answer]
                values.setdefault(relation(item, probe.question), {}).update(dict.fromkeys(answers))
    return {key: list(answers) for key, answers in values.items()}


def _replaced(text: str, changes: dict[str, str]) -> str:
    """Return text with whole words replaced, all at once and the longest first."""
    if not changes:
        return text
    longest = sorted(changes, key=len, reverse=True)
    pattern = r"(?<!\w)(" + "|".join(re.escape(value) for value in longest) + r")(?!\w)"
    return re.sub(pattern, lambda found: changes[found.group(1)], text)


def _fact(variant: _Variant) -> str:
    return f"{variant.request} {variant.target}"


def _shown(variant: _Variant, question: str, answer: str, end: str) -> list[Segment]:
    return [Segment(asked(_fact(variant), question)), Segment(f" {answer}", answer=True), Segment(end)]
