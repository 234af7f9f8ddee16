"""The metrics of the clean protocol, as pure functions over token ids and texts."""

from __future__ import annotations

from collections.abc import Sequence

from curation.ids import nfc


def label_indices(offsets: Sequence[tuple[int, int]], start: int, stop: int) -> list[int]:
    """Return which tokens of a text belong to the answer at characters start..stop of it.

    offsets: (first, past the last) character of each token of the JOINT tokenisation of question and
    answer. A token counts when it covers at least one character of the answer, so the blank that a
    byte-level tokeniser glues to a word does not hide the word. (MMKE-Bench's reference code
    tokenises the answer alone, easyeditor/dataset/coco_caption.py, which for such tokenisers gives ids that
    never occur in the sequence.)
    """
    return [index for index, (first, last) in enumerate(offsets) if last > start and first < stop]


def token_accuracy(predicted: Sequence[int], labels: Sequence[int]) -> float:
    """Return the share of label positions whose first choice is the label (MMKE-Bench, section 4).

    Teacher forced: each position sees the true answer up to it. No end-of-text label.
    Raises ValueError when the lengths differ or there is no label.
    """
    return top1_agreement(labels, predicted)


def top1_agreement(base: Sequence[int], edited: Sequence[int]) -> float:
    """Return the share of positions where the unedited and the edited model's first choices agree.

    T-Loc of the clean protocol, at label positions. Raises ValueError as token_accuracy does.
    """
    if len(base) != len(edited) or not base:
        raise ValueError(f"cannot compare {len(base)} with {len(edited)} positions")
    return sum(one == other for one, other in zip(base, edited, strict=True)) / len(base)


def topk_overlap(base: Sequence[Sequence[int]], edited: Sequence[Sequence[int]]) -> float:
    """Return the mean share of the k first choices that both models have, whatever their ranks.

    I-Loc of the clean protocol, at label positions, k = 10. The reference compares rank by rank over all
    positions, image tokens included, which is never higher. Raises ValueError as token_accuracy does.
    """
    if len(base) != len(edited) or not base:
        raise ValueError(f"cannot compare {len(base)} with {len(edited)} positions")
    shares = [len(set(one) & set(other)) / len(one) for one, other in zip(base, edited, strict=True)]
    return sum(shares) / len(shares)


def exact_match(generated: str, answer: str) -> float:
    """Return 1.0 when the greedy answer is the expected one, letter for letter after NFC, else 0.0."""
    return float(nfc(generated) == nfc(answer))
