"""No edit at all: the row that every other row is read against."""

from __future__ import annotations

from eval.models.port import Edit, MultimodalModel
from eval.records import EditCase


class NoEdit:
    """Leaves the model as it is."""

    name = "none"

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return nothing: there is nothing to set."""
        return {}

    def edit(self, model: MultimodalModel, case: EditCase, picture: bytes) -> Edit:
        """Return the empty edit."""
        return Edit()
