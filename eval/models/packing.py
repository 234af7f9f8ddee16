"""Packs prompts that begin alike into one row: the picture is read once, each question is a branch of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eval.models.port import Picture, Prompt

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Piece:
    """Ids that are embedded together; picture: what stands at their placeholders."""

    ids: tuple[int, ...]
    picture: Picture | None = None


@dataclass(frozen=True)
class Row:
    """One pass of the trunk.

    places: the position id of each token of the row. branches: of each token its group and its branch (0: the
    stem), None where every token sees all before it. where: per prompt, the place of each of its tokens.
    """

    prompts: tuple[Prompt, ...]
    pieces: tuple[Piece, ...]
    places: tuple[int, ...]
    branches: tuple[tuple[int, int], ...] | None
    where: tuple[tuple[int, ...], ...]


def alone(prompt: Prompt) -> Row:
    """Return a row of one prompt, exactly as a model would read it by itself."""
    every = tuple(range(len(prompt.ids)))
    return Row((prompt,), (Piece(prompt.ids, prompt.question.picture),), every, None, (every,))


def pack(prompts: Sequence[Prompt], budget: int) -> list[Row]:
    """Return rows that hold all prompts: those on one picture share a stem, which is as long as they agree.

    budget: groups share a row while it stays within so many tokens. A picture's locality group always has its
    own row: ten ordered ids at each of its positions are compared, and a lone prompt is read bit for bit as
    by itself.
    """
    groups: dict[str | None, list[Prompt]] = {}
    for prompt in prompts:
        picture = prompt.question.picture
        groups.setdefault(picture.sha256 if picture else None, []).append(prompt)
    rows: list[list[list[Prompt]]] = []
    room = 0
    for group in groups.values():
        size = _size(group)
        exact = any(prompt.locality_rows and prompt.question.picture for prompt in group)
        if exact or not rows or size > room:
            rows.append([group])
            room = 0 if exact else budget - size
        else:
            rows[-1].append(group)
            room -= size
    return [_row(groups) for groups in rows]


def _row(groups: Sequence[Sequence[Prompt]]) -> Row:
    if len(groups) == 1 and len(groups[0]) == 1:
        return alone(groups[0][0])
    pieces: list[Piece] = []
    places: list[int] = []
    branches: list[tuple[int, int]] = []
    where: list[tuple[int, ...]] = []
    for number, group in enumerate(groups):
        stem = _stem(group)
        start = len(places)
        pieces.append(Piece(group[0].ids[:stem], group[0].question.picture))
        places += range(stem)
        branches += [(number, 0)] * stem
        for branch, prompt in enumerate(group, start=1):
            own = len(prompt.ids) - stem
            where.append((*range(start, start + stem), *range(len(places), len(places) + own)))
            pieces.append(Piece(prompt.ids[stem:]))
            places += range(stem, len(prompt.ids))
            branches += [(number, branch)] * own
    prompts = tuple(prompt for group in groups for prompt in group)
    return Row(prompts, tuple(pieces), tuple(places), tuple(branches), tuple(where))


def _stem(group: Sequence[Prompt]) -> int:
    """Return how many ids all prompts of a group begin with."""
    shortest = min(len(prompt.ids) for prompt in group)
    for place in range(shortest):
        if len({prompt.ids[place] for prompt in group}) > 1:
            return place
    return shortest


def _size(group: Sequence[Prompt]) -> int:
    stem = _stem(group)
    return stem + sum(len(prompt.ids) - stem for prompt in group)


def branch_mask(branches: Sequence[tuple[int, int]], device: object) -> Tensor:
    """Return mask [1, 1, positions, positions]: a position sees its own group's stem and its own branch.

    branches: of each position its group and its branch, branch 0 being the stem.
    """
    import torch

    group = torch.tensor([one for one, _ in branches], device=device)  # type: ignore[arg-type]
    branch = torch.tensor([two for _, two in branches], device=device)  # type: ignore[arg-type]
    causal = torch.ones(len(branches), len(branches), dtype=torch.bool, device=group.device).tril()
    kin = (branch[None] == 0) | (branch[None] == branch[:, None])
    return (causal & (group[None] == group[:, None]) & kin)[None, None]
