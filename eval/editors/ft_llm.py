"""FT-LLM: fine-tunes the up and down matrices of the language model's last MLP (MMKE-Bench, section 5)."""

from __future__ import annotations

from eval.editors.fine_tuning import FineTuning, FineTuningEditor
from eval.editors.settings import settings_for
from eval.models.port import Part


class FtLlm(FineTuningEditor):
    """The method FT-LLM; Llama's gate, biases and norms stay, as in the reference's hparams/FT."""

    name = "FT-LLM"
    part = Part.LAST_MLP

    @classmethod
    def for_model(cls, model: str) -> FtLlm:
        """Return the method with a model's hyper-parameters. Raises PrerequisiteError for an unknown one."""
        return cls(settings_for(FineTuning, "ft_llm", model))
