"""FT-Alignment: fine-tunes the projector between vision tower and language model (MMKE-Bench, section 5)."""

from __future__ import annotations

from dataclasses import asdict

from eval.editors.fine_tuning import FineTuning, fine_tune
from eval.models.port import Edit, MultimodalModel, Part
from eval.records import EditCase

# The reference takes 30 steps of 1e-4 on a 7 B model; chosen on the train split as for FT-LLM.
TINY = FineTuning(steps=30, learning_rate=3e-3)


class FtAlignment:
    """The method FT-Alignment; a text question never passes the projector, so T-Rel and T-Loc cannot move."""

    name = "FT-Alignment"

    def __init__(self, settings: FineTuning = TINY) -> None:
        self._settings = settings

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return steps, learning rate and weight decay."""
        return asdict(self._settings)

    def edit(self, model: MultimodalModel, case: EditCase, picture: bytes) -> Edit:
        """Return new projector weights. Raises DoesNotFitError when the case does not fit the model."""
        return fine_tune(model, case, picture, Part.PROJECTOR, self._settings)
