"""The tiny model's own tokeniser, and the joint encoding of a text whose answer spans are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from eval.metrics import label_indices

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


def encode(tokenizer: Any, segments: Sequence[Segment], image_tokens: int, *, end: bool) -> Encoded:  # noqa: ANN401
    """Return start mark, image tokens and text; with end also the end mark, as a label of the last answer.

    tokenizer: a tokenizers.Tokenizer. The segments are tokenised jointly.
    """
    text = "".join(segment.text for segment in segments)
    encoding = tokenizer.encode(text, add_special_tokens=False)
    head = [START] + [IMAGE] * image_tokens
    ids, answers, start = head + encoding.ids, [], 0
    for segment in segments:
        stop = start + len(segment.text)
        if segment.answer:
            # The blank before an answer belongs to the question, except where a token holds both.
            lead = len(segment.text) - len(segment.text.lstrip(" "))
            answers.append([len(head) + i for i in label_indices(encoding.offsets, start + lead, stop)])
        start = stop
    if end and answers:
        answers[-1].append(len(ids))
        ids.append(END)
    return Encoded(tuple(ids), tuple(tuple(answer) for answer in answers))
