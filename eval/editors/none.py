"""No edit: the row that every method is compared with."""

from __future__ import annotations

from collections.abc import Sequence

from eval.editors.port import EditRequest
from eval.models.port import Edit, MultimodalModel
from eval.records import Unscored


class NoEdit:
    """Leaves the model as it is."""

    name = "none"
    accumulates = False

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return nothing."""
        return {}

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        """Return what was there."""
        return [onto for _ in requests]
