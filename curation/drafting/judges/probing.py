"""Asks questions about a picture of a model that does not see it: what it knows then needs no picture."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from curation.drafting.checks.finding import Finding, plain
from curation.drafting.checks.words import says, tokens
from curation.drafting.steps.asking import Answered, Asking, ask
from curation.drafting.steps.schemas import Guess
from curation.errors import Reason
from curation.records import KnowledgeItem, Record

STEP = "try_without_image"
_MOST_GUESS_WORDS = 12
# One of two answers is guessed half of the time: such a match says nothing about the picture.
_EITHER_OR = frozenset(
    {("left",), ("right",), ("yes",), ("no",), ("top",), ("bottom",), ("true",), ("false",)}
)


class ImageTry(Record):
    """What a model without the picture answered to one question of an item.

    probe_ids: the questions of these words and this answer. guesses: one a try, None where the try gave no
    answer that can be read (unscored). matched: how many guesses say the answer.
    """

    item_id: str
    task_key: str
    probe_ids: tuple[str, ...]
    question: str
    answer: str
    model: str
    guesses: tuple[str | None, ...]
    matched: int

    @property
    def scored(self) -> int:
        """Return how many tries gave an answer that can be read."""
        return sum(guess is not None for guess in self.guesses)

    @property
    def is_needless(self) -> bool:
        """Tell whether most tries were scored, and most of those say the answer."""
        return 2 * self.scored > len(self.guesses) and 2 * self.matched > self.scored


async def try_without_image(item: KnowledgeItem, asking: Asking, tries: int) -> list[ImageTry]:
    """Return what a model makes of each picture question of an item without the picture, asked `tries` times.

    Questions with one of two answers are left out. TransientError, LimitReachedError and PrerequisiteError of
    the model pass through.
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for probe in item.probes:
        if probe.image_role is not None and tokens(probe.answer) not in _EITHER_OR:
            groups.setdefault((probe.question, probe.answer), []).append(probe.probe_id)
    asked = [_guess(item, question, asking, draw) for question, _ in groups for draw in range(tries)]
    guesses = await asyncio.gather(*asked)
    return [
        _try(item, asking, key, groups[key], guesses[place * tries : (place + 1) * tries])
        for place, key in enumerate(groups)
    ]


async def _guess(item: KnowledgeItem, question: str, asking: Asking, draw: int) -> str | None:
    answered = await ask(item, STEP, {"question": question}, asking, draw=draw)
    if isinstance(answered, Answered) and isinstance(answered.draft, Guess):
        return answered.draft.answer
    return None


def _try(
    item: KnowledgeItem, asking: Asking, key: tuple[str, str], probe_ids: list[str], guesses: list[str | None]
) -> ImageTry:
    question, answer = key
    return ImageTry(
        item_id=item.item_id,
        task_key=item.task_key,
        probe_ids=tuple(probe_ids),
        question=question,
        answer=answer,
        model=asking.settings.model,
        guesses=tuple(guesses),
        matched=sum(guess is not None and _hits(guess, answer) for guess in guesses),
    )


def _hits(guess: str, answer: str) -> bool:
    """Tell whether a guess says the answer; a long text that also holds it is no answer."""
    return len(guess.split()) <= _MOST_GUESS_WORDS and says(guess, answer)


def needless_pictures(tries: Sequence[ImageTry]) -> list[Finding]:
    """Return one finding for each question that was answered without its picture in most of the tries."""
    return [
        Finding(
            check=STEP,
            reason=Reason.IMAGE_NOT_NEEDED,
            probe_id=probe_id,
            detail=f"{one.matched} of {one.scored} answers without the picture were right",
            span=plain(one.answer),
        )
        for one in tries
        if one.is_needless
        for probe_id in one.probe_ids
    ]
