"""Divides items into train and eval so that no picture and no subject is on both sides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from curation.ids import sha256_json
from curation.records import KnowledgeItem, Split

TRAIN_SHARE = 0.4  # MMKE-Bench divides 40.2 to 59.8


def links(item: KnowledgeItem) -> set[str]:
    """Return everything that ties an item to others: subjects, and every picture in every role."""
    found = {f"subject:{item.subject_id}"}
    if item.stand_in:
        found.add(f"subject:{item.stand_in}")
    for image in item.images:
        found.update({f"image:{image.sha256}", f"picture:{image.image_id}"})
        found.update(f"picture:{parent}" for parent in image.parents)
    return found


def components(items: Sequence[KnowledgeItem]) -> list[tuple[str, ...]]:
    """Return the groups of item ids that are connected through shared links, each sorted, in sorted order."""
    parent = {item.item_id: item.item_id for item in items}

    def root(item_id: str) -> str:
        while parent[item_id] != item_id:
            parent[item_id] = parent[parent[item_id]]
            item_id = parent[item_id]
        return item_id

    first: dict[str, str] = {}
    for item in items:
        for link in links(item):
            one, other = root(first.setdefault(link, item.item_id)), root(item.item_id)
            parent[max(one, other)] = min(one, other)
    groups: dict[str, list[str]] = defaultdict(list)
    for item in items:
        groups[root(item.item_id)].append(item.item_id)
    return sorted(tuple(sorted(group)) for group in groups.values())


def assign(items: Sequence[KnowledgeItem]) -> dict[str, Split]:
    """Return the split of every item: whole components, nearest to 40 : 60 within every editing type.

    Components are taken in the order of a hash, so that the outcome depends on the items alone.
    """
    edit_type = {item.item_id: item.edit_type for item in items}
    quota: dict[str, float] = defaultdict(float)
    for item in items:
        quota[item.edit_type] += TRAIN_SHARE
    split: dict[str, Split] = {}
    for group in sorted(components(items), key=sha256_json):
        share: dict[str, int] = defaultdict(int)
        for item_id in group:
            share[edit_type[item_id]] += 1
        # Train takes a group while that brings the types that it holds nearer to their quota.
        gain = sum(min(quota[kind], number) - max(number - quota[kind], 0) for kind, number in share.items())
        side = Split.TRAIN if gain > 0 else Split.EVAL
        for item_id in group:
            split[item_id] = side
        if side is Split.TRAIN:
            for kind, number in share.items():
                quota[kind] -= number
    return split


def leaks(items: Sequence[KnowledgeItem], split: dict[str, Split]) -> list[tuple[str, str, str]]:
    """Return (item, item, link) for every link that is shared across the two splits."""
    owner: dict[str, str] = {}
    found = []
    for item in items:
        for link in sorted(links(item)):
            other = owner.setdefault(link, item.item_id)
            if split[other] is not split[item.item_id]:
                found.append((other, item.item_id, link))
    return found
