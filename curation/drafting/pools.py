"""Question pools that the user names: locality questions and pictures of theirs, checked row by row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.errors import Rejected
from curation.records import ItemImage


@dataclass(frozen=True, slots=True)
class PoolQuestion:
    """One row of a pool. image: its picture, kept as any other; None for a text question."""

    question: str
    answer: str
    source: str
    image: ItemImage | None = None


@dataclass(frozen=True, slots=True)
class Pool:
    """The sound rows of the pools, and the others with file, line and reason.

    rejected: the key is 'file:line'.
    """

    questions: tuple[PoolQuestion, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def choose(self, seed: str, touches: Collection[str], *, with_image: bool) -> PoolQuestion | None:
        """Return a row that has nothing to do with an item, always the same for the same seed.

        touches: words of the item (its name, its values, its category) that neither the question nor the
        answer may hold. None when no row is left.
        """
        raise NotImplementedError


def load_pools(paths: Sequence[Path], keep: Callable[[bytes], str]) -> Pool:
    """Return the rows of CSV and JSONL files.

    Columns: question, answer, picture (a file beside the pool, optional), licence, source. keep: bytes of a
    derivative to their sha256. Raises PrerequisiteError when a file cannot be read or lacks a column.
    """
    raise NotImplementedError
