"""Groups subjects so that everything an item shows or asks comes from its own small group.

MMKE-Bench draws stand-ins and locality pictures from one pool, which chains its items together: of 636
training records only 417 share no picture with another. Closed groups keep those chains short, so that a
release can be split without a picture on both sides.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from curation.ids import sha256_json
from curation.records import EditType, Subject

Cell = tuple[Subject, ...]


def cells(subjects: Sequence[Subject]) -> list[Cell]:
    """Return pairs (once a triple) of subjects that can stand in for each other, in hash order.

    Those of visual_entity and visual_semantic share category and fine type; a cell of one has no stand-in.
    Those of user_specific need only a distractor, so the category is enough.
    """
    groups: dict[tuple[str, str], list[Subject]] = defaultdict(list)
    for subject in sorted(subjects, key=_shuffled):
        fine_type = "" if subject.edit_type is EditType.USER_SPECIFIC else subject.fine_type
        groups[subject.category, fine_type].append(subject)
    found = []
    for _, group in sorted(groups.items()):
        pairs = [tuple(group[start : start + 2]) for start in range(0, len(group), 2)]
        if len(pairs) > 1 and len(pairs[-1]) == 1:
            pairs[-2:] = [pairs[-2] + pairs[-1]]
        found.extend(pairs)
    return found


def blocks(subjects: Sequence[Subject]) -> list[Cell]:
    """Return the subjects in closed groups: two cells of different categories each, where there are any.

    Deterministic in the set of subjects; their order does not matter.
    """
    waiting: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells(subjects):
        waiting[cell[0].category].append(cell)
    found: list[Cell] = []
    while waiting:
        # The two fullest categories first, else the fullest would be left with nobody to pair with.
        order = sorted(waiting, key=lambda category: (-len(waiting[category]), category))
        chosen = order[:2]
        taken = tuple(subject for category in chosen for subject in waiting[category].pop())
        if len(chosen) == 1 and found:
            _join(found, taken)
        else:
            found.append(taken)
        waiting = defaultdict(list, {category: left for category, left in waiting.items() if left})
    return found


def _join(found: list[Cell], cell: Cell) -> None:
    """Add a cell that has no partner left to the smallest block that holds another category."""
    place = min(
        range(len(found)),
        key=lambda number: (
            all(subject.category == cell[0].category for subject in found[number]),
            len(found[number]),
            number,
        ),
    )
    found[place] = found[place] + cell


def _shuffled(subject: Subject) -> str:
    return sha256_json(["block", subject.subject_id])
