"""What the evaluator asks of a model: encode, read answers under an edit, generate, and differentiate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from eval.records import Dialect, Unscored

if TYPE_CHECKING:
    from torch import Tensor


class DoesNotFitError(ValueError):
    """A text is too long for the model, or leaves nothing to learn from."""

    def __init__(self, reason: Unscored) -> None:
        super().__init__(f"the model cannot take this text: {reason.value}")
        self.reason = reason


class Part(StrEnum):
    """The parts of a model that editors change; each model says which of its tensors they are.

    last_mlp: up and down (fc1 and fc2) of the last layer, FT-LLM's. top_mlps: those of the last three layers,
    MEND's and KE's. connector: LLaVA's projector, the Q-Former of BLIP-2 and MiniGPT-4, FT-Alignment's.
    """

    LAST_MLP = "last_mlp"
    TOP_MLPS = "top_mlps"
    CONNECTOR = "connector"


@dataclass(frozen=True)
class Picture:
    """A picture's file, known by the sha256 of its bytes."""

    sha256: str
    data: bytes = field(repr=False, compare=False)


@dataclass(frozen=True)
class Question:
    """A question with the answer to score; context: text before the question, as IKE's demonstrations are."""

    prompt: str
    answer: str = ""
    picture: Picture | None = None
    context: str = ""

    @property
    def asked(self) -> str:
        """Return everything before the answer."""
        return self.context + self.prompt

    @property
    def text(self) -> str:
        """Return question and answer as the model reads them, joined by one blank (MMKE-Bench, section 4)."""
        return f"{self.asked} {self.answer}" if self.answer else self.asked


@dataclass(frozen=True)
class Prompt:
    """One sequence that a model reads, encoded in a dialect.

    ids: all token ids, with the model's placeholder at each of the picture's positions. label_ids: the ids to
    score. label_rows: the positions whose logits predict them. locality_rows: the positions at which
    locality compares, () for a probe that is no locality probe.
    """

    question: Question
    ids: tuple[int, ...]
    label_ids: tuple[int, ...] = ()
    label_rows: tuple[int, ...] = ()
    locality_rows: tuple[int, ...] = ()

    @property
    def rows(self) -> tuple[int, ...]:
        """Return every position whose logits are read, ascending."""
        return tuple(sorted({*self.label_rows, *self.locality_rows}))


@dataclass(frozen=True)
class Reading:
    """The teacher-forced reading of one prompt.

    predicted_ids: the first choice at each label row. top_ids: at each locality row the TOP_K likeliest
    tokens, best first, equal logits in the order of their ids. unscored: set when there is nothing to read.
    """

    predicted_ids: tuple[int, ...] = ()
    top_ids: tuple[tuple[int, ...], ...] = ()
    unscored: Unscored | None = None


@dataclass(frozen=True)
class Factors:
    """A linear layer's part in a gradient: weight gradient = deltas^T inputs.

    inputs: [rows, in], what the layer saw. deltas: [rows, out], the loss's gradient at what it gave.
    """

    inputs: Tensor
    deltas: Tensor


class Memory(Protocol):
    """What a memory-based editor (SERAC) puts beside a model instead of new weights."""

    def mix(
        self, model: MultimodalModel, prompts: Sequence[Prompt], logits: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return the log-probabilities [rows, vocabulary] of each prompt's rows, given the base logits."""

    def generate(self, model: MultimodalModel, prompts: Sequence[Prompt], tokens: int) -> list[str]:
        """Return the greedy answer to each prompt."""


@dataclass(frozen=True)
class Edit:
    """What an editor changes, as a value: the model itself is never written to.

    weights: full tensors that stand in for the model's of the same name. context: text before every question.
    dropped: demonstrations that had no room in it. memory: what to ask beside the model. An empty edit is the
    unedited model.
    """

    weights: Mapping[str, Tensor] = field(default_factory=dict)
    context: str = ""
    dropped: int = 0
    memory: Memory | None = None


class Objective(Protocol):
    """The losses of E independent edits as a function of E versions of one part's tensors."""

    def __call__(self, stacked: Mapping[str, Tensor]) -> Tensor:
        """Return the mean negative log-likelihood [E] of each edit's labels.

        stacked: per tensor name [E, *shape]; version e is used for prompt e only.
        """


class MultimodalModel(Protocol):
    """A multimodal model under an edit; each call leaves the model as it was, failing or not."""

    @property
    def name(self) -> str:
        """Return the name: a key of the hyper-parameter files, such as llava-1.5-7b or tiny-llava."""

    @property
    def digest(self) -> str:
        """Return the sha256 of weights, tokeniser, configuration and precision."""

    def encode(
        self, question: Question, dialect: Dialect, *, locality: bool = False, asked_only: bool = False
    ) -> Prompt:
        """Return the model's own input layout of a question with its answer (asked_only: without it).

        Raises DoesNotFitError when it is longer than the model's positions or has no label.
        """

    def tensors(self, part: Part) -> dict[str, Tensor]:
        """Return the tensors of a part by name; they are the model's own, to be copied, not changed."""

    def hold(self, prompts: Sequence[Prompt], *, packed: bool) -> None:
        """Compute and keep what no edit changes of these prompts, until forget.

        packed: prompts on the same picture share one pass, for a group of probes that the same edit meets.
        Changes no result, only time.
        """

    def forget(self) -> None:
        """Drop everything held."""

    def objective(self, part: Part, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of prompt 0 .. E-1 as a differentiable function of E versions of a part."""

    def factors(self, prompt: Prompt, part: Part, weights: Mapping[str, Tensor]) -> dict[str, Factors]:
        """Return, for each matrix of a part, its inputs and output gradients of the prompt's mean label loss.

        weights: stand-ins in force meanwhile. Rows are the prompt's positions; rows without a gradient may be
        left out.
        """

    def logits(self, prompts: Sequence[Prompt], edit: Edit) -> list[Tensor]:
        """Return the float32 logits [len(prompt.rows), vocabulary] of each prompt under the edit.

        Differentiable in edit.weights. With a memory: log-probabilities.
        """

    def read(self, prompts: Sequence[Prompt], edit: Edit) -> list[Reading]:
        """Return the reading of each prompt, in order, without gradients."""

    def generate(self, prompts: Sequence[Prompt], edit: Edit, tokens: int) -> list[str]:
        """Return the greedy answer of at most so many tokens to each asked-only prompt, in order."""

    def embeddings(self, ids: Sequence[int]) -> Tensor:
        """Return the language model's own token embeddings [ids, width], float32, detached."""
