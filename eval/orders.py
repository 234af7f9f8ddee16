"""In which order a sequential run edits, after how many edits it looks back, and at which earlier edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from random import Random

from curation.errors import PrerequisiteError
from curation.ids import sha256_json
from curation.records import EditType
from eval.records import EditCase

ORDERS = ("shuffled", "release", "related", "users")
# Up to so many edits every one is a checkpoint.
_EVERY = 50
_MANTISSAS = (1, 2, 5)


@dataclass(frozen=True)
class Order:
    """How the edits of a sequential run follow each other.

    kind: shuffled (by seed), release (as in the release, the reference's file order), related (related
    subjects in a row: by editing type, category, fine type and subject), or users. seed: of shuffled, and of
    the choice of users. users, items: how many users, and at most how many edits of each (MMKE-Bench,
    section 5); only user-specific edits take part. in_a_row: all edits of a user before the next user's, else
    the users take turns.
    """

    kind: str = "shuffled"
    seed: int = 1
    users: int = 0
    items: int = 0
    in_a_row: bool = False

    def __post_init__(self) -> None:
        """Raise PrerequisiteError for an unknown kind, or for users without their numbers."""
        if self.kind not in ORDERS:
            raise PrerequisiteError(f"there is no order {self.kind!r}; choose from {', '.join(ORDERS)}")
        if self.kind == "users" and min(self.users, self.items) < 1:
            message = "the order users needs how many users and how many items a user; give both, from 1 on"
            raise PrerequisiteError(message)

    @property
    def name(self) -> str:
        """Return the name under which records keep the order: everything that it depends on."""
        if self.kind in {"release", "related"}:
            return self.kind
        if self.kind == "shuffled":
            return f"shuffled-{self.seed}"
        rule = "row" if self.in_a_row else "turns"
        return f"users-{self.users}x{self.items}-{rule}-{self.seed}"

    def arrange(self, cases: Sequence[EditCase]) -> tuple[EditCase, ...]:
        """Return the cases in this order. cases: in release order.

        A shorter run is the beginning of a longer one. Which cases there are decides, not how they came:
        a shuffle of cases that came in another order is the same.
        """
        if self.kind == "related":
            return tuple(sorted(cases, key=_kinship))
        if self.kind == "shuffled":
            return tuple(_shuffled(sorted(cases, key=_name), self.seed))
        if self.kind == "users":
            return self._by_user(cases)
        return tuple(cases)

    def _by_user(self, cases: Sequence[EditCase]) -> tuple[EditCase, ...]:
        owned: dict[str, list[EditCase]] = {}
        for case in sorted(cases, key=_name):
            if case.edit_type is EditType.USER_SPECIFIC and case.user_name is not None:
                owned.setdefault(case.user_name, []).append(case)
        if len(owned) < self.users:
            message = f"{self.users} users are asked for, the eval split has {len(owned)}; ask for fewer"
            raise PrerequisiteError(message)
        # Drawn by digests, so that another user in the release moves nobody.
        drawn = sorted(owned, key=lambda user: sha256_json([self.seed, user]))[: self.users]
        theirs = [_shuffled(owned[user], self.seed)[: self.items] for user in drawn]
        if self.in_a_row:
            return tuple(case for mine in theirs for case in mine)
        return tuple(case for turn in zip_longest(*theirs) for case in turn if case is not None)


@dataclass(frozen=True)
class Lookback:
    """After which edits which earlier cases are probed.

    edits: how many are made. checkpoints: numbers of edits after which ALL earlier cases are probed.
    gaps: beside them, after every edit, the case that lies so many edits back: a fixed number of later edits,
    as MMKE-Bench (1, 3, 6, 10) and VLKEB (10, 20, 50, 100) report.
    """

    edits: int
    checkpoints: tuple[int, ...]
    gaps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raise PrerequisiteError for no edit, or a checkpoint or gap that does not lie inside the run."""
        if self.edits < 1:
            raise PrerequisiteError("a sequential run needs at least one edit")
        wrong = [n for n in self.checkpoints if not 1 <= n <= self.edits]
        if wrong:
            raise PrerequisiteError(f"no checkpoint after {wrong[0]} of {self.edits} edits; give 1 to that")
        wrong = [gap for gap in self.gaps if not 0 <= gap < self.edits]
        if wrong:
            message = (
                f"a gap of {wrong[0]} needs more than {self.edits} edits; edits = tests + the largest gap"
            )
            raise PrerequisiteError(message)

    def positions(self, made: int) -> tuple[int, ...]:
        """Return the positions, from 0, of the cases to probe after so many edits, ascending."""
        if made in self.checkpoints:
            return tuple(range(made))
        return tuple(sorted({made - 1 - gap for gap in self.gaps if gap < made}))

    @property
    def cells(self) -> int:
        """Return how many cells of the lag matrix (position x later edits) the run fills, of one method."""
        return sum(len(self.positions(made)) for made in range(1, self.edits + 1))


def lookback(edits: int, gaps: Sequence[int] = (), checkpoints: Sequence[int] = ()) -> Lookback:
    """Return the look-back of a run: the given checkpoints, else after every edit or 1, 2, 5, 10, 20, 50, ...

    VLKEB's test at a gap (its branch multihop_and_sequential, test_sequencial) has tests + gap edits in all
    and tests record t after t + gap edits: edits = tests + the largest gap gives every cell of it.
    """
    chosen = sorted(set(checkpoints)) or _steps(edits)
    return Lookback(edits, tuple(chosen), tuple(sorted(set(gaps))))


def _steps(edits: int) -> list[int]:
    if edits <= _EVERY:
        return list(range(1, edits + 1))
    scale = (mantissa * 10**power for power in range(len(str(edits))) for mantissa in _MANTISSAS)
    return sorted({*(step for step in scale if step < edits), edits})


def _kinship(case: EditCase) -> tuple[str, str, str, str, str]:
    return case.edit_type.value, case.category, case.fine_type, case.subject_name, case.case_id


def _name(case: EditCase) -> str:
    return case.case_id


def _shuffled(cases: Sequence[EditCase], seed: int) -> list[EditCase]:
    drawn = list(cases)
    Random(seed).shuffle(drawn)
    return drawn
