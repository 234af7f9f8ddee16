"""The texts that IKE shows to a model, and which of them are nearest to an edit (MMKE-Bench, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.atomic import write_atomic
from curation.ids import sha256_bytes, sha256_json
from curation.records import EditType, ProbeKind
from eval.records import EditCase

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Demonstration:
    """A fact and a question answered in its light; search_text is what retrieval compares."""

    fact: str
    question: str
    answer: str

    @property
    def lead(self) -> str:
        """Return the text up to the answer."""
        return asked(self.fact, self.question)

    @property
    def search_text(self) -> str:
        """Return the whole demonstration, as the reference embeds it (easyeditor/models/ike/util.py)."""
        return f"{self.lead} {self.answer}\n\n"


def fact_of(case: EditCase) -> str:
    """Return the edit as one line of text."""
    return f"{case.request} {case.target}"


def asked(fact: str, question: str) -> str:
    """Return a question after a new fact, in the reference's form (easyeditor/evaluate/evaluate.py)."""
    return f"New Fact: {fact}\nPrompt: {question}"


def copy_demonstration(case: EditCase) -> Demonstration:
    """Return the demonstration that repeats the edit itself."""
    return Demonstration(fact_of(case), case.request, case.target)


def demonstrations(case: EditCase) -> tuple[Demonstration, ...]:
    """Return an edit's copy, update and, where it has a text locality probe, retain demonstrations."""
    fact = fact_of(case)
    retained = [probe for probe in case.probes if probe.kind is ProbeKind.T_LOC]
    return (
        copy_demonstration(case),
        Demonstration(fact, case.rephrased_request, case.target),
        *(Demonstration(fact, probe.question, probe.answer) for probe in retained[:1]),
    )


def context(shown: Sequence[Demonstration], case: EditCase) -> str:
    """Return everything that IKE puts before a question: demonstrations, then the edit as a new fact."""
    return "".join(demonstration.search_text for demonstration in shown) + asked(fact_of(case), "")


class Pool:
    """The demonstrations of all train cases with their embeddings, searched by cosine.

    A case is shown demonstrations of its own editing type only: the reference runs each type by itself, on
    that type's train file (multimodal_edit.py, Generate_Embedding_for_IKE).
    """

    def __init__(self, train: Sequence[EditCase], encoder: Any, cache: Path | None = None) -> None:  # noqa: ANN401
        """Embed the demonstrations once, or read their embeddings from the cache folder.

        encoder: a SentenceTransformer, or anything with its encode method.
        """
        self._encoder = encoder
        self._shown = [(case.edit_type, shown) for case in train for shown in demonstrations(case)]
        self._vectors = self._kept(cache) if self._shown else None

    def __len__(self) -> int:
        """Return the number of demonstrations."""
        return len(self._shown)

    @property
    def digest(self) -> str:
        """Return the sha256 of all demonstrations in order."""
        return sha256_json(self._texts())

    def nearest(self, cases: Sequence[EditCase], k: int) -> list[list[Demonstration]]:
        """Return the k demonstrations of highest cosine to each case's own copy, best first.

        Equals stand in the order of the release. One matrix product serves all cases, yet what a case gets
        does not depend on the others: each query is embedded alone, and products are compared in float64.
        """
        if self._vectors is None or not cases:
            return [[] for _ in cases]
        import torch

        queries = torch.cat([self._embed([copy_demonstration(case).search_text]) for case in cases])
        similarity = (queries.double() @ self._vectors.double().T).round(decimals=9)
        return [self._best(case.edit_type, row, k) for case, row in zip(cases, similarity, strict=True)]

    def _best(self, edit_type: EditType, similarity: Tensor, k: int) -> list[Demonstration]:
        order = similarity.sort(descending=True, stable=True).indices.tolist()
        own = [self._shown[index][1] for index in order if self._shown[index][0] is edit_type]
        return own[:k]

    def _texts(self) -> list[str]:
        return [shown.search_text for _, shown in self._shown]

    def _kept(self, cache: Path | None) -> Tensor:
        """Return the embeddings [demonstrations, width] from the cache, else made now and kept there."""
        if cache is None:
            return self._embed(self._texts())
        # The encoder is known by what it makes of a sentence.
        said = sha256_bytes(self._embed(["New Fact:"]).cpu().contiguous().numpy().tobytes())
        path = cache / "embeddings" / f"{sha256_json([said, self._texts()])}.safetensors"
        kept = _read(path, len(self._shown))
        if kept is not None:
            return kept
        from safetensors.torch import save

        made = self._embed(self._texts()).cpu().contiguous()
        write_atomic(path, save({"vectors": made}))
        return made

    def _embed(self, texts: list[str]) -> Tensor:
        vectors: Tensor = self._encoder.encode(
            texts, convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


def _read(path: Path, rows: int) -> Tensor | None:
    """Return the embeddings in a file, None when it is absent or is not what was written."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        vectors = load(path.read_bytes()).get("vectors")
    except (FileNotFoundError, SafetensorError):
        return None
    fits = vectors is not None and vectors.dim() == 2 and len(vectors) == rows
    return vectors if fits and bool(vectors.isfinite().all()) else None
