"""What an editing method is: a function from a model and edit requests to edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eval.models.port import Edit, MultimodalModel, Prompt
from eval.records import EditCase, Unscored


@dataclass(frozen=True)
class EditRequest:
    """An edit to make: the case, and request -> target on its edit picture in the model's encoding."""

    case: EditCase
    prompt: Prompt


class Editor(Protocol):
    """An editing method with its hyper-parameters; it returns edits as values and changes nothing.

    So there is nothing to restore: an exception in the middle leaves the model as it was.
    """

    @property
    def name(self) -> str:
        """Return the method's name, spelt as in the paper."""

    @property
    def accumulates(self) -> bool:
        """Return whether an edit can be made on top of earlier ones, as a sequential run does."""

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return everything beside model and case that the edit depends on."""

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        """Return one edit a request, each made alone on top of onto (the empty Edit: the unedited model).

        Edits of one call are independent of each other. A request that cannot be met gives the reason; a
        diverged edit gives Unscored.NOT_FINITE.
        """
