"""What an editing method is: a function from a model and a case to an edit."""

from __future__ import annotations

from typing import Protocol

from eval.models.port import Edit, MultimodalModel
from eval.records import EditCase


class Editor(Protocol):
    """An editing method with its hyper-parameters; it returns the edit as a value and changes nothing.

    So there is nothing to restore: an exception in the middle leaves the model as it was.
    """

    @property
    def name(self) -> str:
        """Return the method's name, spelt as in the paper."""

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return everything beside model and case that the edit depends on."""

    def edit(self, model: MultimodalModel, case: EditCase, picture: bytes) -> Edit:
        """Return the edit that makes model answer case.request, asked about picture, with case.target.

        Raises DoesNotFitError when the case does not fit the model.
        """
