"""SERAC's scope classifier: how near a question is to an edit, by a DistilBERT (MMKE-Bench, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from curation.errors import PrerequisiteError
from eval.models.network import Network
from eval.models.port import Question
from eval.records import Dialect

if TYPE_CHECKING:
    from torch import Tensor

# What a text is compared by: its token ids, marks included.
Key = tuple[int, ...]
# Of the tiny models' classifier, which is as wide as they are.
_LAYERS, _HEADS, _POSITIONS = 1, 4, 512


@dataclass(frozen=True)
class Words:
    """The classifier's tokeniser: text to ids without marks; the marks before and after; positions in all."""

    ids: Callable[[str], Sequence[int]]
    start: int
    end: int
    positions: int

    def key(self, text: str, ends: int = 1) -> Key:
        """Return a text's key; what the positions cannot hold is cut off its end, ends stay."""
        return (self.start, *self.ids(text)[: self.positions - 1 - ends], *[self.end] * ends)


@dataclass
class Scope:
    """A classifier: a transformers DistilBertModel, and its tokeniser.

    The reference's scores and texts (easyeditor/trainer/algs/SERAC.py): exp of minus the squared distance of
    the [CLS] states of a question and of an edit. Its question ends in the very answer that is scored, its
    edit lacks the last word and has a second [SEP]. The clean dialect asks with the question alone.
    """

    module: Any
    words: Words
    dialect: Dialect
    _known: dict[Key, Tensor] = field(default_factory=dict)

    def of_edit(self, text: str) -> Key:
        """Return the key of an edit's text, request and target."""
        if self.dialect is Dialect.CLEAN:
            return self.words.key(text)
        return self.words.key(text.rsplit(" ", 1)[0], ends=2)

    def of_question(self, question: Question, *, scored: bool) -> Key:
        """Return the key of a question; scored: its answer is, so that the reference's key holds it too."""
        told = scored and self.dialect is not Dialect.CLEAN
        return self.words.key(question.text if told else question.asked)

    def embed(self, key: Key) -> Tensor:
        """Return a key's [CLS] state [width], with its graph. Each runs alone: others change no bit."""
        import torch

        device = next(self.module.parameters()).device
        state: Tensor = self.module(input_ids=torch.tensor([key], device=device)).last_hidden_state[0, 0]
        return state

    def together(self, keys: Sequence[Key]) -> Tensor:
        """Return the [CLS] states [keys, width] of one padded batch, with their graph, for training."""
        import torch

        device = next(self.module.parameters()).device
        longest = max(len(key) for key in keys)
        ids = torch.tensor([[*key, *[self.words.end] * (longest - len(key))] for key in keys], device=device)
        real = torch.tensor([[1] * len(key) + [0] * (longest - len(key)) for key in keys], device=device)
        states: Tensor = self.module(input_ids=ids, attention_mask=real).last_hidden_state[:, 0]
        return states

    def best(self, question: Key, edits: Sequence[Key]) -> tuple[Tensor, int]:
        """Return the highest score [] among edits, float32, without a graph, and the first that has it."""
        import torch

        with torch.no_grad():
            states = torch.stack([self._state(key) for key in edits])
            scores = similarity(states, self._state(question))
            place = int((scores == scores.max()).nonzero()[0])
        return scores[place], place

    def parameters(self) -> dict[str, Tensor]:
        """Return the module's own tensors by name."""
        return dict(self.module.named_parameters())

    def changed(self) -> None:
        """Forget the states of known keys, because the module's tensors have changed."""
        self._known.clear()

    def _state(self, key: Key) -> Tensor:
        if key not in self._known:
            self._known[key] = self.embed(key)
        return self._known[key]


def similarity(states: Tensor, state: Tensor) -> Tensor:
    """Return exp(-squared distance) of states [..., width] and a state [width], in float32."""
    return (-(states.float() - state.float()).square().sum(-1)).exp()


def tiny_scope(model: Network, dialect: Dialect, seed: int) -> Scope:
    """Return an untrained classifier over a tiny model's own tokeniser, weights drawn from seed.

    It begins as a bag of words: [CLS] sees the mean of the tokens' embeddings, which are the model's own.
    From nothing, a few dozen cases teach it their names, not to look for a question's words in an edit.
    """
    import torch
    from transformers import DistilBertConfig, DistilBertModel

    from eval.models.tokens import END, PAD, START

    width, known = model.decoder.width, model.decoder.body.embed_tokens.weight.float()
    config = DistilBertConfig(
        vocab_size=len(known), dim=width, hidden_dim=2 * width, n_layers=_LAYERS,
        n_heads=_HEADS, max_position_embeddings=_POSITIONS, dropout=0.0, attention_dropout=0.0,
        pad_token_id=PAD,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = DistilBertModel(config).eval()
    attention = module.transformer.layer[0].attention
    with torch.no_grad():
        module.embeddings.word_embeddings.weight.copy_(known / known.std())
        module.embeddings.position_embeddings.weight.zero_()
        attention.v_lin.weight.copy_(torch.eye(width))
        attention.out_lin.weight.copy_(3 * torch.eye(width))
    words = Words(lambda text: model.codec.encode(text)[0], START, END, _POSITIONS)
    return Scope(module.to(model.device), words, dialect)


def pretrained_scope(where: str, model: Network, dialect: Dialect) -> Scope:
    """Return the classifier in a local directory or under a hub name, without dropout.

    Raises PrerequisiteError when it cannot be loaded or is no DistilBERT.
    """
    from transformers import AutoTokenizer, DistilBertModel

    try:
        tokenizer = AutoTokenizer.from_pretrained(where, trust_remote_code=False)
        module = DistilBertModel.from_pretrained(where, dropout=0.0, attention_dropout=0.0).eval()
    except (OSError, ValueError) as error:
        message = f"SERAC's classifier cannot be loaded from {where}: {error}; give a directory with one"
        raise PrerequisiteError(message) from error

    def ids(text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return found

    positions = int(module.config.max_position_embeddings)
    words = Words(ids, tokenizer.cls_token_id, tokenizer.sep_token_id, positions)
    return Scope(module.float().to(model.device), words, dialect)
