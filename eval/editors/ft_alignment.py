"""FT-Alignment: fine-tunes what joins vision tower and language model (MMKE-Bench, section 5)."""

from __future__ import annotations

from eval.editors.fine_tuning import FineTuning, FineTuningEditor
from eval.editors.settings import settings_for
from eval.models.port import Part


class FtAlignment(FineTuningEditor):
    """The method FT-Alignment: LLaVA's projector, the Q-Former of BLIP-2 and MiniGPT-4.

    A text question never passes them, so T-Rel and T-Loc cannot move.
    """

    name = "FT-Alignment"
    part = Part.CONNECTOR

    @classmethod
    def for_model(cls, model: str) -> FtAlignment:
        """Return the method with a model's hyper-parameters. Raises PrerequisiteError for an unknown one."""
        return cls(settings_for(FineTuning, "ft_alignment", model))
