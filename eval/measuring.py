"""Reads one case under one edit, as records keep it; tells a lack of memory, and a change to the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from curation.errors import IntegrityError
from curation.records import ProbeKind
from eval.models.port import Edit, MultimodalModel, Reading
from eval.plan import LOCALITY, Encoder, PlannedCase, PlannedProbe
from eval.records import CaseProbe, EditCase, ProbeReading, Unscored


class CheckedModel(MultimodalModel, Protocol):
    """A model whose weights can be looked at, to see that nothing wrote to them."""

    @property
    def module(self) -> Any:  # noqa: ANN401 - transformers is untyped here
        """Return the module whose parameters are the model's weights."""

    def state_digest(self) -> str:
        """Return the sha256 of every parameter's and buffer's bytes."""


def locality_readings(
    model: MultimodalModel, probes: Sequence[PlannedProbe], edit: Edit
) -> dict[str, Reading]:
    """Return the readings of the locality probes, by probe id."""
    local = [p for p in probes if p.prompt is not None and p.probe.kind in LOCALITY]
    prompts = [p.prompt for p in local if p.prompt is not None]
    return {p.probe.probe_id: reading for p, reading in zip(local, model.read(prompts, edit), strict=True)}


def measure(
    model: MultimodalModel,
    encoder: Encoder,
    planned: PlannedCase,
    edit: Edit,
    base: dict[str, Reading],
    tokens: int,
) -> tuple[ProbeReading, ...]:
    """Return what the edited model makes of every probe of a case.

    base: what locality compares with, by probe id. tokens: greatest length of a free answer, 0 for none.
    An edit with a context has the probes encoded anew, after it.
    """
    probes = encoder.probes(planned.case, edit.context) if edit.context else planned.probes
    prompts = [probe.prompt for probe in probes if probe.prompt is not None]
    asked = [probe.asked for probe in probes if probe.asked is not None]
    readings = iter(model.read(prompts, edit))
    texts = iter(model.generate(asked, edit, tokens) if tokens and asked else ())
    found = []
    for probe in probes:
        reading = next(readings) if probe.prompt is not None else Reading(unscored=probe.unscored)
        text = next(texts) if tokens and probe.asked is not None else None
        kept = _kept(probe, reading, base.get(probe.probe.probe_id), text)
        found.append(kept.model_copy(update={"dropped": edit.dropped}) if edit.dropped else kept)
    return tuple(found)


def unscored(case: EditCase, reason: Unscored) -> tuple[ProbeReading, ...]:
    """Return the readings of a case that was not edited, for one reason."""
    return tuple(_no_reading(probe, reason) for probe in case.probes)


def _kept(planned: PlannedProbe, edited: Reading, base: Reading | None, text: str | None) -> ProbeReading:
    probe, local = planned.probe, planned.probe.kind in LOCALITY
    reason = edited.unscored or (base.unscored if local and base is not None else None)
    if planned.prompt is None or reason is not None:
        return _no_reading(probe, reason or Unscored.NO_LABELS)
    # The reference compares first choices there, at every position; ten would be ten times the record.
    shallow = probe.kind is ProbeKind.T_LOC and planned.prompt.locality_rows != planned.prompt.label_rows
    depth = 1 if shallow else None
    tops = (base.top_ids, edited.top_ids) if local and base is not None else ((), ())
    before, after = (tuple(row[:depth] for row in rows) for rows in tops)
    return ProbeReading(
        probe_id=probe.probe_id,
        kind=probe.kind,
        label_ids=planned.prompt.label_ids,
        predicted_ids=edited.predicted_ids,
        base_top=before,
        edited_top=after,
        generated=text,
    )


def _no_reading(probe: CaseProbe, reason: Unscored) -> ProbeReading:
    return ProbeReading(probe_id=probe.probe_id, kind=probe.kind, unscored=reason)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the device's or the machine's memory was too small."""
    import torch

    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def empty_cache() -> None:
    """Give the memory that torch keeps for later back to the device."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class Guard:
    """Sees to it that a model's weights stay as they were."""

    def __init__(self, model: CheckedModel) -> None:
        """Note the state as it is now."""
        self._model = model
        self._sums = _sums(model)
        self._digest = model.state_digest()

    def glance(self) -> None:
        """Compare a sum over the bits of each parameter. Raises IntegrityError when one has changed."""
        if _sums(self._model) != self._sums:
            raise _written_to(self._model.name)

    def check(self) -> None:
        """Compare every bit of the state. Raises IntegrityError when one has changed."""
        if self._model.state_digest() != self._digest:
            raise _written_to(self._model.name)


def _sums(model: CheckedModel) -> list[int]:
    """Return of each parameter the sum of its bits read as whole numbers."""
    import torch

    whole = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    sums = [tensor.detach().view(whole[tensor.element_size()]).sum() for tensor in model.module.parameters()]
    return [int(total) for total in sums]


def _written_to(name: str) -> IntegrityError:
    return IntegrityError(
        f"an edit wrote to the weights of {name}; nothing of it was kept; run mmke evaluate again"
    )
