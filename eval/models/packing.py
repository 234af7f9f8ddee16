"""Packs prompts that begin alike into one row: a lead read as by itself, and branches off its first ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.models.port import Prompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Row:
    """One pass of the trunk. The lead is the first prompt; the others branch off it.

    stem: how many ids of the lead all prompts begin with; the branches see these and their own, nothing else.
    """

    prompts: tuple[Prompt, ...]
    stem: int

    @property
    def lead(self) -> Prompt:
        """Return the prompt that is read as by itself."""
        return self.prompts[0]

    @property
    def branches(self) -> tuple[int, ...]:
        """Return the ids of all branches, one after the other."""
        return tuple(i for prompt in self.prompts[1:] for i in prompt.ids[self.stem :])

    @property
    def branch_places(self) -> tuple[int, ...]:
        """Return the position ids of the branches' ids: each goes on where the stem ends."""
        return tuple(place for prompt in self.prompts[1:] for place in range(self.stem, len(prompt.ids)))

    def where(self, number: int) -> list[int]:
        """Return where the rows of a prompt's logits are in lead and branches put end to end."""
        rows = self.prompts[number].rows
        if number == 0:
            return list(rows)
        before = sum(len(prompt.ids) - self.stem for prompt in self.prompts[1:number])
        start = len(self.lead.ids) + before - self.stem
        return [row if row < self.stem else start + row for row in rows]

    def branch_mask(self, device: object) -> Tensor:
        """Return what branches see, bool [1, 1, branch ids, the stem's and branch ids]."""
        import torch

        sizes = [len(prompt.ids) - self.stem for prompt in self.prompts[1:]]
        owner = torch.tensor([n for n, size in enumerate(sizes) for _ in range(size)], device=device)  # type: ignore[arg-type]
        causal = torch.ones(len(owner), len(owner), dtype=torch.bool, device=owner.device).tril()
        own = causal & (owner[None] == owner[:, None])
        stem = torch.ones(len(owner), self.stem, dtype=torch.bool, device=owner.device)
        return torch.cat([stem, own], dim=1)[None, None]


def alone(prompt: Prompt) -> Row:
    """Return a row of one prompt."""
    return Row((prompt,), len(prompt.ids))


def pack(prompts: Sequence[Prompt]) -> list[Row]:
    """Return rows that hold all prompts, one a picture; the first prompt on a picture leads its row."""
    groups: dict[str | None, list[Prompt]] = {}
    for prompt in prompts:
        picture = prompt.question.picture
        groups.setdefault(picture.sha256 if picture else None, []).append(prompt)
    return [Row(tuple(group), _stem(group)) for group in groups.values()]


def _stem(group: Sequence[Prompt]) -> int:
    """Return how many ids all prompts of a group begin with."""
    shortest = min(len(prompt.ids) for prompt in group)
    for place in range(shortest):
        if len({prompt.ids[place] for prompt in group}) > 1:
            return place
    return shortest
