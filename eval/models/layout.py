"""The order in which a model reads picture and text, and which ids and positions a dialect scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.metrics import label_indices
from eval.models.port import DoesNotFitError, Prompt, Question
from eval.records import Dialect, Unscored


class Codec(Protocol):
    """A tokeniser without marks of its own: text to ids with character offsets, and back."""

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the ids of a text, and of each the first and the past-the-last character that it covers."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without marks such as the end of text."""


@dataclass(frozen=True)
class Layout:
    """What stands around picture and text, as in the reference's model classes (easyeditor/trainer).

    LLaVA: <s>, picture, text. BLIP-2: picture, </s>, text. MiniGPT-4: "###Human: <Img>", picture,
    "</Img> ", text, and nothing before a text without a picture.

    before, after: ids on either side of the picture. text_lead: ids before a text without one. ke_lead: ids
    that the reference's KE code alone puts first. picture_tokens: positions of a picture. placeholder: the id
    at them. end: the end-of-text id. max_tokens: positions that the model has.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    text_lead: tuple[int, ...]
    picture_tokens: int
    placeholder: int
    end: int
    max_tokens: int
    ke_lead: tuple[int, ...] = ()

    def head(self, *, picture: bool, dialect: Dialect) -> tuple[int, ...]:
        """Return every id before the text."""
        lead = self.ke_lead if dialect is Dialect.KE else ()
        if not picture:
            return lead + self.text_lead
        return lead + self.before + (self.placeholder,) * self.picture_tokens + self.after


def encode(
    question: Question, layout: Layout, codec: Codec, dialect: Dialect, *, locality: bool, asked_only: bool
) -> Prompt:
    """Return a question with its answer (asked_only: without) in a layout, and what a dialect scores of it.

    clean: the labels are the answer's ids in the joint tokenisation, and locality compares at them. The
    others: the labels are the ids of the answer tokenised alone, scored at the last positions, whether they
    fit or not (easyeditor/dataset/coco_caption.py, easyeditor/trainer/losses.py); locality compares at every
    position, in the IKE evaluator at the last ones.

    Raises DoesNotFitError when the sequence is longer than the layout's positions or has no label to score.
    """
    head = layout.head(picture=question.picture is not None, dialect=dialect)
    ids, offsets = codec.encode(question.asked if asked_only else question.text)
    sequence = (*head, *ids)
    if len(sequence) > layout.max_tokens:
        raise DoesNotFitError(Unscored.TOO_LONG)
    if asked_only:
        return Prompt(question, sequence)
    if dialect is Dialect.CLEAN:
        start = len(question.asked) + 1
        places = [len(head) + i for i in label_indices(offsets, start, len(question.text))]
        labels, rows = tuple(sequence[place] for place in places), tuple(place - 1 for place in places)
    else:
        labels = tuple(codec.encode(question.answer)[0])
        rows = tuple(range(len(sequence) - 1 - len(labels), len(sequence) - 1))
    if not labels or rows[0] < 0:
        raise DoesNotFitError(Unscored.NO_LABELS)
    everywhere = dialect in {Dialect.TRAINER, Dialect.KE}
    compared = tuple(range(len(sequence))) if everywhere else rows
    return Prompt(question, sequence, labels, rows, compared if locality else ())
