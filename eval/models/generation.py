"""Greedy answers: rows of different lengths side by side, keys and values kept, any next-token rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from eval.models.decoder import Decoder, Sight
from eval.models.layout import Codec

if TYPE_CHECKING:
    from torch import Tensor


class Stepper:
    """One decoder over left-padded rows: logits of the next token, then a token a row, and so on."""

    def __init__(self, decoder: Decoder, embeds: Sequence[Tensor], weights: Mapping[str, Tensor]) -> None:
        """embeds: per row [length, width]. weights: stand-ins by the module's names."""
        import torch
        from transformers import DynamicCache

        self._decoder, self._weights = decoder, weights
        longest = max(len(row) for row in embeds)
        padded = torch.stack([torch.nn.functional.pad(row, (0, 0, longest - len(row), 0)) for row in embeds])
        self._real = torch.tensor(
            [[False] * (longest - len(row)) + [True] * len(row) for row in embeds], device=padded.device
        )
        self._past = DynamicCache()
        places = (self._real.cumsum(-1) - 1).clamp(min=0)
        causal = torch.ones(longest, longest, dtype=torch.bool, device=padded.device).tril()
        # A padding position sees itself, because a softmax over nothing is not a number.
        itself = torch.eye(longest, dtype=torch.bool, device=padded.device)
        mask = (causal & self._real[:, None, None, :]) | itself
        self._next = places[:, -1:] + 1
        self.logits = self._run(padded, Sight(places, mask, past=self._past))

    def advance(self, tokens: Tensor) -> None:
        """Append a token [rows] to each row; logits [rows, vocabulary] are then those of the next."""
        import torch

        self._real = torch.cat([self._real, torch.ones_like(self._real[:, :1])], dim=1)
        sight = Sight(self._next, self._real[:, None, None, :], past=self._past)
        self._next = self._next + 1
        self.logits = self._run(self._decoder.embed(tokens[:, None]), sight)

    def _run(self, embeds: Tensor, sight: Sight) -> Tensor:
        hidden, sight = self._decoder.begin(embeds, sight)
        hidden = self._decoder.run(hidden, sight, range(self._decoder.depth), self._weights)
        return self._decoder.finish(hidden[:, -1])


def greedy_texts(
    decoder: Decoder,
    embeds: Sequence[Tensor],
    weights: Mapping[str, Tensor],
    rooms: Sequence[int],
    end: int,
    codec: Codec,
) -> list[str]:
    """Return the greedy text after each row of embeddings; rooms: the most tokens of each; end: its mark."""
    fit = [number for number, room in enumerate(rooms) if room > 0]
    texts = [""] * len(rooms)
    if not fit:
        return texts
    stepper = Stepper(decoder, [embeds[number] for number in fit], weights)
    longest = max(rooms[number] for number in fit)
    chosen = [stepper.logits.argmax(-1)]
    done = chosen[0] == end
    while len(chosen) < longest and not bool(done.all()):
        stepper.advance(chosen[-1])
        chosen.append(stepper.logits.argmax(-1))
        done = done | (chosen[-1] == end)
    rows = [[int(step[place]) for step in chosen] for place in range(len(fit))]
    for number, row in zip(fit, rows, strict=True):
        texts[number] = said(row[: rooms[number]], end, codec)
    return texts


def said(row: Sequence[int], end: int, codec: Codec) -> str:
    """Return the text of a row of ids up to the end mark."""
    tokens = list(row)
    return codec.decode(tokens[: tokens.index(end)] if end in tokens else tokens).strip()
