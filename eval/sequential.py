"""Sequential editing: one edit on top of the other, and after them all that came before is asked again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from curation.errors import PrerequisiteError
from curation.ids import sha256_json
from eval.editors.port import Editor
from eval.editors.trained_state import Notes, load_state, save_state
from eval.measuring import (
    CheckedModel,
    Guard,
    empty_cache,
    is_out_of_memory,
    locality_readings,
    measure,
    unscored,
)
from eval.models.port import Edit, Reading
from eval.orders import Lookback, Order
from eval.plan import Encoder, Options, PlannedCase, identity_of, planned_cases
from eval.records import EditCase, EvalRecord, ProbeReading, RunIdentity, Step, Unscored
from eval.storage import present_keys, write_block
from eval.trial import edits_of
from warehouse.release import Release

Progress = Callable[[str, int, int], None]
Result = TypeVar("Result")
# Cases whose activations are kept through a run; more are computed anew at each look back.
_KEPT_CASES = 256
_MADE = "made"


@dataclass
class State:
    """What a run has come to: how many edits were tried, what holds after them, and what became of each."""

    tried: int = 0
    edit: Edit = field(default_factory=Edit)
    outcomes: list[Unscored | None] = field(default_factory=list)

    def add(self, edit: Edit | Unscored) -> None:
        """Take an edit made on top of this state; one that was not made leaves it as it is."""
        self.tried += 1
        self.outcomes.append(edit if isinstance(edit, Unscored) else None)
        if isinstance(edit, Edit):
            self.edit = edit


class SequentialRun:
    """One editor's edits in one order; every case is compared with the true, unedited model.

    A record's step tells its cell of the lag matrix: the case's position, and how many edits were tried after
    its own. The model is never written to: when the run ends, or breaks, there is nothing to undo.
    """

    def __init__(
        self,
        release: Release,
        model: CheckedModel,
        editor: Editor,
        order: Order,
        back: Lookback,
        options: Options,
        out: Path,
    ) -> None:
        """Encode the cases. Raises PrerequisiteError for an editor of single edits only, or for few cases."""
        if not editor.accumulates:
            message = f"{editor.name} makes single edits only; FT-LLM, FT-Alignment and SERAC make sequences"
            raise PrerequisiteError(message)
        self._model, self._editor, self._back, self._options, self._out = model, editor, back, options, out
        self.identity: RunIdentity = identity_of(release, model, editor, options)
        self._order = order
        self._cases = ordered_cases(release, order, back.edits)
        encoder = Encoder(release, model, self.identity.dialect, options.tokens)
        self._encoder = encoder
        self._planned = [encoder.case(case) for case in self._cases]
        self._base: dict[int, dict[str, Reading]] = {}
        self._held: frozenset[int] = frozenset()

    def keys(self) -> dict[str, tuple[int, int]]:
        """Return the key of every record, with the number of edits before it and the case's position."""
        return {
            self.identity.key(self._cases[position], self._step(position, made)): (made, position)
            for made in range(1, self._back.edits + 1)
            for position in self._back.positions(made)
        }

    def run(self, progress: Progress) -> None:
        """Make what is missing, going on from the latest state that was kept.

        Records of one look back are one file. progress: called with the method, cells filled and cells.
        Raises IntegrityError when a weight of the model has changed.
        """
        keys = self.keys()
        present = present_keys(self._out)
        missing: dict[int, list[int]] = {}
        for key, (made, position) in keys.items():
            if key not in present:
                missing.setdefault(made, []).append(position)
        if not missing:
            return
        guard = Guard(self._model)
        try:
            state = self._resumed(min(missing))
            done = len(keys) - sum(map(len, missing.values()))
            while True:
                if state.tried in missing:
                    records = self._look_back(state, missing.pop(state.tried))
                    guard.glance()
                    write_block(self._out, records)
                    done += len(records)
                    progress(f"sequential {self._editor.name}", done, len(keys))
                if state.tried in self._back.checkpoints:
                    self._keep(state)
                if not missing:
                    break
                self._advance(state)
        finally:
            self._model.forget()
            self._held = frozenset()
        guard.check()

    def _advance(self, state: State) -> None:
        planned = [self._planned[state.tried]]
        made = self._spared(lambda: edits_of(self._model, self._editor, planned, state.edit)[0])
        state.add(Unscored.OUT_OF_MEMORY if made is None else made)

    def _look_back(self, state: State, positions: Sequence[int]) -> list[EvalRecord]:
        records = []
        for position in positions:
            case, step = self._cases[position], self._step(position, state.tried)
            readings = self._readings(state, position)
            key = self.identity.key(case, step)
            records.append(EvalRecord(key=key, run=self.identity, case=case, step=step, readings=readings))
        return records

    def _readings(self, state: State, position: int) -> tuple[ProbeReading, ...]:
        one, reason = self._planned[position], state.outcomes[position]
        if reason is not None:
            return unscored(one.case, reason)
        found = self._spared(lambda: self._measured(one, position, state.edit))
        return unscored(one.case, Unscored.OUT_OF_MEMORY) if found is None else found

    def _measured(self, one: PlannedCase, position: int, edit: Edit) -> tuple[ProbeReading, ...]:
        self._hold(position)
        if position not in self._base:
            self._base[position] = locality_readings(self._model, one.probes, Edit())
        base = self._base[position]
        return measure(self._model, self._encoder, one, edit, base, self._options.tokens)

    def _hold(self, position: int) -> None:
        """Hold the window of cases that a position lies in; a run of one window computes each trunk once."""
        if position in self._held:
            return
        start = position - position % _KEPT_CASES
        window = range(start, min(start + _KEPT_CASES, len(self._planned)))
        self._model.forget()
        for number in window:
            self._model.hold(self._planned[number].prompts, packed=True)
        self._held = frozenset(window)

    def _spared(self, work: Callable[[], Result]) -> Result | None:
        """Return what work gives; when memory ends once more with nothing held beside it, None."""
        for _ in range(2):
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            self._model.forget()
            self._held = frozenset()
            empty_cache()
        return None

    def _step(self, position: int, made: int) -> Step:
        return Step(order=self._order.name, position=position, later=made - 1 - position)

    @property
    def _path(self) -> Path:
        told = [self.identity.model_dump(mode="json"), self._order.name]
        return self._out / "states" / f"{sha256_json(told)[:32]}.state"

    def _keep(self, state: State) -> None:
        """Write weights and outcomes in the place of the earlier state; a memory is made again of them."""
        told = ",".join(_MADE if outcome is None else outcome.value for outcome in state.outcomes)
        notes: Notes = {"edits": state.tried, "outcomes": told, "cases": self._prefix(state.tried)}
        save_state(self._path, state.edit.weights, notes)

    def _resumed(self, first: int) -> State:
        """Return the kept state when it is not beyond the first look back that is missing, else none."""
        kept = load_state(self._path)
        tried = int(kept.notes.get("edits") or 0) if kept is not None else 0
        if kept is None or not 0 < tried <= min(first, self._back.edits):
            return State()
        if kept.notes.get("cases") != self._prefix(tried):
            return State()
        told = str(kept.notes["outcomes"]).split(",")
        outcomes = [None if word == _MADE else Unscored(word) for word in told]
        if kept.tensors:
            here = {name: tensor.to(self._device(name)) for name, tensor in kept.tensors.items()}
            return State(tried, Edit(weights=here), outcomes)
        return self._replayed(outcomes)

    def _replayed(self, outcomes: Sequence[Unscored | None]) -> State:
        """Return the state of an editor without weights: its memory takes the same entries again."""
        state = State()
        for one, outcome in zip(self._planned, outcomes, strict=False):
            again = edits_of(self._model, self._editor, [one], state.edit)[0] if outcome is None else outcome
            state.add(again)
        return state

    def _prefix(self, tried: int) -> str:
        return sha256_json([case.case_id for case in self._cases[:tried]])

    def _device(self, name: str) -> str:
        return str(dict(self._model.module.named_parameters())[name].device)


def ordered_cases(release: Release, order: Order, edits: int) -> tuple[EditCase, ...]:
    """Return the first so many eval cases in an order. Raises PrerequisiteError when there are fewer."""
    cases = order.arrange(planned_cases(release, None))
    if len(cases) < edits:
        message = f"{edits} edits are asked for, order {order.name} has {len(cases)}; ask for at most that"
        raise PrerequisiteError(message)
    return cases[:edits]
