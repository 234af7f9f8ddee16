"""One method on a group of cases: edits in small batches, each read at once and dropped."""

from __future__ import annotations

from collections.abc import Sequence

from curation.records import EditType
from eval.case_scores import NO_EDIT
from eval.editors.port import Editor, EditRequest
from eval.measuring import CheckedModel, empty_cache, is_out_of_memory, locality_readings, measure, unscored
from eval.models.port import Edit, Prompt, Reading
from eval.plan import Encoder, Options, PlannedCase, PlannedProbe
from eval.records import EditCase, ProbeReading, Protocol, Unscored

Readings = tuple[ProbeReading, ...]
# Their base logits are taken before the weights of the edit before are restored
# (easyeditor/trainer/MultimodalTrainer.py, easyeditor/trainer/algs/FT.py).
_STALE = frozenset({"FT-LLM", "FT-Alignment"})


class Held:
    """What a model keeps of a group of cases, with the unedited model's locality: once for all methods."""

    def __init__(self, model: CheckedModel) -> None:
        """Hold nothing yet."""
        self._model = model
        self._probes: dict[str, tuple[PlannedProbe, ...]] = {}
        self.base: dict[str, dict[str, Reading]] = {}

    def ensure(self, cases: Sequence[PlannedCase]) -> None:
        """Hold these cases: nothing to do when they are, else in the place of all others.

        A case that another dialect encodes has other prompts, and is another one here.
        """
        if all(self._probes.get(one.case.case_id) == one.probes for one in cases):
            return
        self.drop()
        for one in cases:
            # The request leads: it is then read bit for bit as by itself.
            leads = [one.request] if isinstance(one.request, Prompt) else []
            self._model.hold([*leads, *one.prompts], packed=True)
        unedited = Edit()
        self.base = {one.case.case_id: locality_readings(self._model, one.probes, unedited) for one in cases}
        self._probes = {one.case.case_id: one.probes for one in cases}

    def drop(self) -> None:
        """Let go of everything."""
        self._probes, self.base = {}, {}
        self._model.forget()


class Trial:
    """A method in a run: gives the readings of planned cases, whatever groups they come in."""

    def __init__(
        self,
        model: CheckedModel,
        editor: Editor,
        encoder: Encoder,
        options: Options,
        order: Sequence[EditCase],
    ) -> None:
        """Take what readings depend on; order: the whole eval split, which says what came before a case."""
        self._model, self._editor, self._encoder, self._options = model, editor, encoder, options
        # The reference runs each editing type by itself, from its first case on the unedited model.
        latest: dict[EditType, EditCase] = {}
        self._before: dict[str, EditCase] = {}
        for case in order:
            if case.edit_type in latest:
                self._before[case.case_id] = latest[case.edit_type]
            latest[case.edit_type] = case
        self._stale = options.protocol is Protocol.REFERENCE and editor.name in _STALE

    def readings(self, group: Sequence[PlannedCase], held: Held) -> list[Readings]:
        """Return the readings of each case.

        When memory does not suffice, the group is halved, down to single cases; one that does not
        fit by itself is unscored(oom).
        """
        try:
            held.ensure(group)
            return self._all(group, held)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the handler: the error keeps the tensors of its frames alive.
        held.drop()
        empty_cache()
        if len(group) == 1:
            return [unscored(group[0].case, Unscored.OUT_OF_MEMORY)]
        middle = len(group) // 2
        return [*self.readings(group[:middle], held), *self.readings(group[middle:], held)]

    def _all(self, group: Sequence[PlannedCase], held: Held) -> list[Readings]:
        found: list[Readings] = []
        made: dict[str, Edit] = {}
        size = self._options.edits_at_once
        for start in range(0, len(group), size):
            chunk = group[start : start + size]
            for one, edit in zip(chunk, edits_of(self._model, self._editor, chunk, Edit()), strict=True):
                base = self._stale_base(one, made) if self._stale else held.base[one.case.case_id]
                if isinstance(edit, Unscored):
                    found.append(unscored(one.case, edit))
                    continue
                tokens = self._options.tokens
                found.append(measure(self._model, self._encoder, one, edit, base, tokens))
                if self._stale:
                    made = {one.case.case_id: edit}
        return found

    def _stale_base(self, one: PlannedCase, made: dict[str, Edit]) -> dict[str, Reading]:
        """Return the locality of the model that the case before was edited into, unedited for the first.

        made: the latest edit by its case's id, if there was one.
        """
        before = self._before.get(one.case.case_id)
        while before is not None:
            if before.case_id in made:
                return locality_readings(self._model, one.probes, made[before.case_id])
            # The first of a shard or of what is missing: the edit before it is made once more.
            planned = [self._encoder.case(before)]
            edit = edits_of(self._model, self._editor, planned, Edit())[0]
            if isinstance(edit, Edit):
                return locality_readings(self._model, one.probes, edit)
            before = self._before.get(before.case_id)  # that one left the model as it was
        return locality_readings(self._model, one.probes, Edit())


def edits_of(
    model: CheckedModel, editor: Editor, cases: Sequence[PlannedCase], onto: Edit
) -> list[Edit | Unscored]:
    """Return the edit of each case, or why there is none.

    A case that cannot be encoded never reaches the editor; no edit needs no request, and refuses none.
    """
    requests = [EditRequest(one.case, one.request) for one in cases if isinstance(one.request, Prompt)]
    made = iter(editor.edit(model, requests, onto) if requests else ())
    refused = (lambda reason: onto) if editor.name == NO_EDIT else (lambda reason: reason)
    return [next(made) if isinstance(one.request, Prompt) else refused(one.request) for one in cases]
