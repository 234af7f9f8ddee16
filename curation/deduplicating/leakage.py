"""Reports where one photograph stands in two places that should know nothing of each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from curation.records import DuplicatePair, ImageRole, PairVerdict, Record, ReleasedItem, Split


class Leak(StrEnum):
    """Where a photograph stands twice."""

    SUBJECTS = "subjects"
    SPLITS = "splits"
    RELEASE = "release"


class Use(Record):
    """One place in which a picture stands in a release."""

    release: str
    split: Split
    item_id: str
    role: ImageRole


class Finding(Record):
    """Two pictures that are, or may be, one photograph, and where they stand: a row of the table."""

    leak: Leak
    first: str
    second: str
    first_place: str
    second_place: str
    verdict: PairVerdict
    reason: str


def uses_of(release: str, items: Sequence[ReleasedItem]) -> dict[str, list[Use]]:
    """Return where each picture (image id) stands in a release, in release order."""
    found: dict[str, list[Use]] = {}
    for entry in items:
        for image in entry.item.images:
            use = Use(release=release, split=entry.split, item_id=entry.item.item_id, role=image.role)
            found.setdefault(image.image_id, []).append(use)
    return found


def across_subjects(pairs: Sequence[DuplicatePair], subject: Mapping[str, str]) -> list[Finding]:
    """Return the pairs of pictures that are shown for two subjects; subject: by image id."""
    return [
        _finding(Leak.SUBJECTS, pair, subject[pair.first], subject[pair.second])
        for pair in _alike(pairs)
        if pair.first in subject and pair.second in subject and subject[pair.first] != subject[pair.second]
    ]


def across_splits(pairs: Sequence[DuplicatePair], uses: Mapping[str, Sequence[Use]]) -> list[Finding]:
    """Return the pairs of which one stands in the train and the other in the eval part of one release."""
    found = []
    for pair in _alike(pairs):
        for one in uses.get(pair.first, ()):
            for other in uses.get(pair.second, ()):
                if one.release == other.release and one.split is not other.split:
                    found.append(_finding(Leak.SPLITS, pair, _place(one), _place(other)))
    return found


def against_releases(
    pairs: Sequence[DuplicatePair], uses: Mapping[str, Sequence[Use]], collected: Mapping[str, str]
) -> list[Finding]:
    """Return the collected pictures that repeat, under another id, one of an earlier release.

    collected: subject by image id. A picture that itself stands in that release is known there by its id
    and is no finding.
    """
    found = []
    for pair in _alike(pairs):
        for mine, theirs in ((pair.first, pair.second), (pair.second, pair.first)):
            own = {use.release for use in uses.get(mine, ())}
            places = [use for use in uses.get(theirs, ()) if use.release not in own]
            if mine in collected and places:
                turned = pair if mine == pair.first else _turned(pair)
                found += [_finding(Leak.RELEASE, turned, collected[mine], _place(use)) for use in places]
    return found


def _alike(pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    return [pair for pair in pairs if pair.verdict is not PairVerdict.DISTINCT]


def _turned(pair: DuplicatePair) -> DuplicatePair:
    return pair.model_copy(update={"first": pair.second, "second": pair.first})


def _place(use: Use) -> str:
    return f"{use.release} {use.split.value}: {use.item_id} ({use.role.value})"


def _finding(leak: Leak, pair: DuplicatePair, first_place: str, second_place: str) -> Finding:
    return Finding(
        leak=leak,
        first=pair.first,
        second=pair.second,
        first_place=first_place,
        second_place=second_place,
        verdict=pair.verdict,
        reason=f"{pair.transform.value}: {pair.reason}",
    )
