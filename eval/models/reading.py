"""From the logits of a prompt's rows to ids: first choices at labels, ordered candidates at compared rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eval.models.port import Prompt, Reading
from eval.records import TOP_K, Unscored

if TYPE_CHECKING:
    from torch import Tensor


def label_logits(prompt: Prompt, logits: Tensor) -> Tensor:
    """Return the rows of logits [len(prompt.rows), vocabulary] that predict labels [labels, vocabulary]."""
    return logits if prompt.rows == prompt.label_rows else logits[_places(prompt, prompt.label_rows)]


def reading_of(prompt: Prompt, logits: Tensor) -> Reading:
    """Return the reading of logits [len(prompt.rows), vocabulary]; Unscored nan where one is not finite."""
    if not bool(logits.isfinite().all()):
        return Reading(unscored=Unscored.NOT_FINITE)
    first = ordered_top(label_logits(prompt, logits), 1)
    compared: list[list[int]] = []
    if prompt.locality_rows:
        compared = ordered_top(logits[_places(prompt, prompt.locality_rows)], TOP_K).tolist()
    return Reading(tuple(first[:, 0].tolist()), tuple(tuple(row) for row in compared))


def ordered_top(logits: Tensor, k: int) -> Tensor:
    """Return the ids [rows, k] of the k largest logits, best first, equal ones in the order of their ids.

    topk promises no order among equals, so rows in which equals meet are sorted whole.
    """
    import torch

    k = min(k, logits.shape[-1])
    values, ids = logits.topk(min(k + 1, logits.shape[-1]), dim=-1)
    tied = (values[:, 1:] == values[:, :-1]).any(dim=-1)
    chosen = ids[:, :k].clone()
    if bool(tied.any()):
        rows = torch.nonzero(tied)[:, 0]
        order = logits[rows].sort(dim=-1, descending=True, stable=True).indices
        chosen[rows] = order[:, :k]
    return chosen


def _places(prompt: Prompt, rows: tuple[int, ...]) -> list[int]:
    place = {row: number for number, row in enumerate(prompt.rows)}
    return [place[row] for row in rows]
