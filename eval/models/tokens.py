"""Tokenisers as the layout wants them, the tiny models' own, and the encoding of lessons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eval.metrics import label_indices
from eval.models.layout import Codec, Layout
from eval.records import Dialect

PAD, START, END, IMAGE = 0, 1, 2, 3
_SPECIAL = ["<pad>", "<s>", "</s>", "<image>"]


@dataclass(frozen=True)
class Segment:
    """A piece of a text; answer: whether the model has to say it."""

    text: str
    answer: bool = False


@dataclass(frozen=True)
class Encoded:
    """Token ids of a whole sequence, and the positions in it of each answer's tokens."""

    ids: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]

    @property
    def labels(self) -> tuple[int, ...]:
        """Return the positions of all answer tokens, in order."""
        return tuple(position for answer in self.answers for position in answer)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:  # noqa: ANN401 - the library has no types
    """Return a byte-level BPE tokeniser of at most so many tokens; the same texts give the same one."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=_SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # A text from outside must not be able to spell a picture or the end.
    tokenizer.encode_special_tokens = True
    return tokenizer


class TokenizerCodec:
    """The port Codec over a tokenizers.Tokenizer; a text cannot spell any of its special tokens."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401 - the library has no types
        # Not for this object alone, but nobody wants the other way.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the ids of a text without marks around it, and the characters that each covers."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        return encoding.ids, encoding.offsets

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


def encode(codec: Codec, segments: Sequence[Segment], layout: Layout, *, picture: bool) -> Encoded:
    """Return a lesson's ids in a model's layout; the end mark is a label of its last answer.

    The segments are tokenised jointly.
    """
    ids, offsets = codec.encode("".join(segment.text for segment in segments))
    head = layout.head(picture=picture, dialect=Dialect.CLEAN)
    answers, start = [], 0
    for segment in segments:
        stop = start + len(segment.text)
        if segment.answer:
            # The blank before an answer belongs to the question, except where a token holds both.
            lead = len(segment.text) - len(segment.text.lstrip(" "))
            places = [len(head) + i for i in label_indices(offsets, start + lead, stop)]
            # Nothing predicts the very first token.
            answers.append([place for place in places if place > 0])
        start = stop
    if answers:
        answers[-1].append(len(head) + len(ids))
        ids = [*ids, layout.end]
    return Encoded((*head, *ids), tuple(tuple(answer) for answer in answers))
