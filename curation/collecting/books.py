"""What a collecting run wants, what it meets, what it writes down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from curation.collecting.port import ImageSource
from curation.errors import Rejected
from curation.records import ImageAsset, ImageCandidate, Subject


@dataclass(frozen=True, slots=True)
class Offer:
    """A picture on its way: who offers it, and the category of its subject."""

    source: ImageSource
    candidate: ImageCandidate
    category: str


@dataclass(frozen=True, slots=True)
class PictureEnd:
    """What became of a picture; result None: pending, and why stands in detail."""

    candidate: ImageCandidate
    category: str
    result: ImageAsset | Rejected | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SubjectEnd:
    """What became of a subject: kept, unless rejected or pending (a sentence) says otherwise."""

    key: str
    category: str
    rejected: Rejected | None = None
    pending: str = ""


class Books(Protocol):
    """Where a run writes what it learns; all of it is on disk when a call returns."""

    async def enter(self, subjects: Sequence[Subject], offers: Sequence[Offer]) -> Mapping[str, ImageAsset]:
        """Enter what was found, new pictures as pending; return by id those of the offers kept before."""
        ...

    async def settle(self, ends: Sequence[PictureEnd | SubjectEnd]) -> None:
        """Enter what became of things."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much of what a run wants.

    quotas: subjects a category that have a picture or may yet get one; no limit for a category that is not
    there. listed: how many subjects a category are looked at, None for all. categories: only these, all
    when empty. in_hand: pictures that are fetched or decoded at once.
    """

    quotas: Mapping[str, int] = field(default_factory=dict)
    listed: int | None = None
    categories: frozenset[str] = frozenset()
    in_hand: int = 32


@dataclass(slots=True)
class Tally:
    """How far a run is. complete: whether every source was listed to its end."""

    found: int = 0
    kept: int = 0
    rejected: int = 0
    pending: int = 0
    subjects: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    complete: bool = True
