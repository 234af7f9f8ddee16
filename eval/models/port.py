"""What the evaluator asks of a model: read answers, generate, and give the loss that editors descend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from eval.records import Unscored

if TYPE_CHECKING:
    from torch import Tensor


class DoesNotFitError(ValueError):
    """A text is too long for the model, or leaves nothing to learn from."""

    def __init__(self, reason: Unscored) -> None:
        super().__init__(f"the model cannot take this text: {reason.value}")
        self.reason = reason


class Part(StrEnum):
    """The parts of a model that editors change; each model says which of its tensors they are."""

    LAST_MLP = "last_mlp"
    PROJECTOR = "projector"


@dataclass(frozen=True)
class Question:
    """A question with the answer to score; image: JPEG bytes, None for a text question."""

    prompt: str
    answer: str
    image: bytes | None = None


@dataclass(frozen=True)
class Reading:
    """The teacher-forced reading of one answer.

    label_ids: the answer's tokens. top_ids: per label the TOP_K likeliest tokens, best first, equal
    logits in the order of their ids. unscored: set when there is nothing to read.
    """

    label_ids: tuple[int, ...] = ()
    top_ids: tuple[tuple[int, ...], ...] = ()
    unscored: Unscored | None = None

    @property
    def predicted_ids(self) -> tuple[int, ...]:
        """Return the first choice at each label."""
        return tuple(ids[0] for ids in self.top_ids)


@dataclass(frozen=True)
class Edit:
    """What an editor changes, as a value: the model itself is never written to.

    weights: full tensors that stand in for the model's of the same name. context: text that goes
    before every question. An empty edit is the unedited model.
    """

    weights: Mapping[str, Tensor] = field(default_factory=dict)
    context: str = ""


class MultimodalModel(Protocol):
    """A multimodal model under an edit; each call leaves the model as it was, failing or not."""

    @property
    def name(self) -> str:
        """Return the name for people."""

    @property
    def digest(self) -> str:
        """Return the sha256 of weights, tokeniser and configuration."""

    def read(self, questions: Sequence[Question], edit: Edit) -> list[Reading]:
        """Return the reading of each answer, in order."""

    def generate(self, questions: Sequence[Question], edit: Edit) -> list[str]:
        """Return the greedy answer to each question, in order; too long a question gives ''."""

    def tensors(self, part: Part) -> dict[str, Tensor]:
        """Return the tensors of a part by name; they are the model's own, to be copied, not changed."""

    def loss(self, question: Question, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the mean negative log-likelihood of the answer's tokens under the given weights.

        Differentiable in weights. Raises DoesNotFitError when the question is too long for the model.
        """
