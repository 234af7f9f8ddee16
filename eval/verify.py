"""Replays cases one by one through the plain full model and counts the token ids that come out otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from curation.records import ProbeKind
from eval.editors.port import Editor, EditRequest
from eval.measuring import CheckedModel, Guard
from eval.models.network import Loaded, PlainModel
from eval.models.port import Edit, MultimodalModel
from eval.plan import Encoder, Options, planned_cases
from eval.records import ProbeReading, Unscored, dialect_of
from eval.trial import Held, Trial
from warehouse.release import Release

Progress = Callable[[str, int, int], None]


@dataclass
class Flips:
    """How many ids were compared, and how many came out otherwise."""

    ids: int = 0
    changed: int = 0

    def add(self, one: Sequence[int], other: Sequence[int]) -> None:
        """Compare two rows of ids; where one is longer, all that it has more are changed."""
        self.ids += max(len(one), len(other))
        self.changed += abs(len(one) - len(other))
        self.changed += sum(a != b for a, b in zip(one, other, strict=False))

    def __str__(self) -> str:
        """Return changed / ids."""
        return f"{self.changed}/{self.ids}"


@dataclass
class Replay:
    """What the replay of one method came to.

    top1: by metric, the first choices at the labels, of T-Loc also at every position that it compares.
    top10: ordered candidates of I-Loc, of base and edited model. largest: greatest difference of an edited
    weight. reasons: probes that one path scores and the other does not.
    """

    method: str
    top1: dict[ProbeKind, Flips] = field(default_factory=dict)
    top10: Flips = field(default_factory=Flips)
    largest: float = 0.0
    reasons: int = 0

    def compare(self, fast: Sequence[ProbeReading], plain: Sequence[ProbeReading]) -> None:
        """Add the readings of one case."""
        for one, other in zip(fast, plain, strict=True):
            flips = self.top1.setdefault(one.kind, Flips())
            self.reasons += one.unscored != other.unscored
            flips.add(one.predicted_ids, other.predicted_ids)
            target = flips if one.kind is ProbeKind.T_LOC else self.top10
            for mine, theirs in ((one.base_top, other.base_top), (one.edited_top, other.edited_top)):
                target.add(_flat(mine), _flat(theirs))

    @property
    def flipped(self) -> int:
        """Return how many first choices changed, or probes that only one path scores."""
        return self.reasons + sum(flips.changed for flips in self.top1.values())


class _Kept:
    """An editor whose edits are kept by case, to be compared; else the editor that it wraps."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor
        self.edits: dict[str, Edit] = {}

    @property
    def name(self) -> str:
        return self._editor.name

    @property
    def accumulates(self) -> bool:
        return self._editor.accumulates

    def hyper_parameters(self) -> dict[str, float | int | str]:
        return self._editor.hyper_parameters()

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        made = self._editor.edit(model, requests, onto)
        for request, edit in zip(requests, made, strict=True):
            if isinstance(edit, Edit):
                self.edits[request.case.case_id] = edit
        return made


def replay(
    release: Release,
    loaded: Loaded,
    fast: CheckedModel,
    editor: Editor,
    options: Options,
    cases: int,
    progress: Progress,
) -> Replay:
    """Edit so many cases in the fast way, in batches, then each by itself in the plain model, and compare.

    loaded: what fast is made of. Free answers are not compared. progress: called with the method, cases done
    and cases. Raises IntegrityError when an edit wrote to a weight.
    """
    plain, guard = PlainModel(loaded), Guard(fast)
    batched, single = replace(options, tokens=0), replace(options, tokens=0, edits_at_once=1)
    encoder = Encoder(release, fast, dialect_of(options.protocol, editor.name), 0)
    group, order = (
        [encoder.case(case) for case in planned_cases(release, cases)],
        planned_cases(release, None),
    )
    one, other = _Kept(editor), _Kept(editor)
    held = Held(fast)
    try:
        quick = Trial(fast, one, encoder, batched, order).readings(group, held)
    finally:
        held.drop()
    told, slow = Replay(editor.name), Trial(plain, other, encoder, single, order)
    for done, (planned, readings) in enumerate(zip(group, quick, strict=True), start=1):
        told.compare(readings, slow.readings([planned], Held(plain))[0])
        name = planned.case.case_id
        told.largest = max(told.largest, _distance(one.edits.pop(name, None), other.edits.get(name)))
        other.edits.clear()
        progress(f"verify {editor.name}", done, len(group))
    guard.check()
    return told


def _distance(one: Edit | None, other: Edit | None) -> float:
    """Return the greatest difference of two edits' weights; infinite where only one has a weight."""
    mine, theirs = (edit.weights if edit is not None else {} for edit in (one, other))
    if mine.keys() != theirs.keys():
        return math.inf
    return max((float((mine[name] - theirs[name]).abs().max()) for name in mine), default=0.0)


def _flat(rows: Iterable[Sequence[int]]) -> list[int]:
    return [number for row in rows for number in row]
