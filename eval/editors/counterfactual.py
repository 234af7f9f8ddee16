"""SERAC's counterfactual model: what answers a question after the text of an edit (MMKE-Bench, section 5)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from curation.errors import PrerequisiteError
from eval.models.anatomy import Blip2Anatomy
from eval.models.decoder import OptDecoder, Sight
from eval.models.generation import Stepper
from eval.models.network import Network
from eval.models.port import Edit, Picture, Prompt

if TYPE_CHECKING:
    from torch import Tensor


class Counterfactual(Protocol):
    """A second language model with the base's tokeniser; its tensors are its own, never the base's."""

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Return every tensor that training may change; the same objects on every call."""

    @property
    def learned(self) -> Sequence[str]:
        """Return the names of those that are trained."""

    def logits(self, model: Network, prompts: Sequence[Prompt]) -> list[Tensor]:
        """Return the float32 logits [len(prompt.rows), its vocabulary] of each prompt, with their graph."""

    def stepper(self, model: Network, prompts: Sequence[Prompt]) -> Stepper:
        """Return the steps of free answers to asked-only prompts."""


class LastLayer:
    """The base model with a last layer of its own, which alone is trained.

    The reference's LLaVA and MiniGPT-4 train the parameters of a second Vicuna whose name contains 31. For
    MiniGPT-4 that Vicuna is the base's own; for LLaVA it is the one that LLaVA was tuned from, here LLaVA's
    own instead, whose trunk is the same for both runs. The reference's MiniGPT-4 also puts <s> before
    the second text; this one takes the base's layout.
    """

    def __init__(self, model: Network) -> None:
        start = f"{model.decoder.prefix}layers.{model.decoder.depth - 1}."
        self.tensors: Mapping[str, Tensor] = {
            name: tensor.detach().clone()
            for name, tensor in model.module.named_parameters()
            if name.startswith(start)
        }
        self.learned: Sequence[str] = tuple(self.tensors)

    def logits(self, model: Network, prompts: Sequence[Prompt]) -> list[Tensor]:
        """Return the logits under the layer as a stand-in, so that the trunk can be held."""
        return model.logits(prompts, Edit(weights=self.tensors))

    def stepper(self, model: Network, prompts: Sequence[Prompt]) -> Stepper:
        """Return the steps of free answers under the layer as a stand-in."""
        embeds = [model.embed(prompt.ids, prompt.question.picture, {}) for prompt in prompts]
        return Stepper(model.decoder, embeds, self.tensors)


class SmallModel:
    """A language model of its own behind BLIP-2's Q-Former, trained whole: OPT-125M in the reference.

    The linear from the Q-Former to its width is drawn anew by the reference at every edit, and never trained
    (easyeditor/trainer/algs/SERAC.py, language_projection). Here it is drawn once from the seed; the clean
    dialect trains it.
    """

    def __init__(self, module: Any, model: Network, seed: int, *, trained_linear: bool) -> None:  # noqa: ANN401
        """module: an OPTForCausalLM with the base's tokeniser. Raises PrerequisiteError for a larger one.

        A base may have further ids, such as a picture's placeholder: this model never says them.
        """
        import torch

        known, most = module.config.vocab_size, model.decoder.head.weight.shape[0]
        if known > most:
            message = f"SERAC's counterfactual model has {known} tokens, the base {most}"
            raise PrerequisiteError(f"{message}; give one with the base's tokeniser, such as opt-125m")
        self._module = module.eval().to(model.device)
        self._decoder = OptDecoder(module.model.decoder, module.lm_head, "model.decoder.")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            wide = model.module.config.qformer_config.hidden_size
            self._linear = torch.nn.Linear(wide, module.config.word_embed_proj_dim).to(model.device)
        own = {f"model.{name}": tensor for name, tensor in module.named_parameters()}
        linear = {f"linear.{name}": tensor for name, tensor in self._linear.named_parameters()}
        self.tensors: Mapping[str, Tensor] = own | linear
        self.learned: Sequence[str] = tuple(self.tensors if trained_linear else own)

    def logits(self, model: Network, prompts: Sequence[Prompt]) -> list[Tensor]:
        """Return the logits of each prompt, run by itself."""
        return [self._run(model, prompt) for prompt in prompts]

    def stepper(self, model: Network, prompts: Sequence[Prompt]) -> Stepper:
        """Return the steps of free answers."""
        embeds = [self._embed(model, prompt.ids, prompt.question.picture) for prompt in prompts]
        return Stepper(self._decoder, embeds, {})

    def _run(self, model: Network, prompt: Prompt) -> Tensor:
        import torch

        embeds = self._embed(model, prompt.ids, prompt.question.picture)[None]
        places = torch.arange(len(prompt.ids), device=embeds.device)[None]
        hidden, sight = self._decoder.begin(embeds, Sight(places))
        hidden = self._decoder.run(hidden, sight, range(self._decoder.depth))
        return self._decoder.finish(hidden[0, list(prompt.rows)])

    def _embed(self, model: Network, ids: Sequence[int], picture: Picture | None) -> Tensor:
        """Return the embeddings [len(ids), width]; of the picture the base's queries, projected."""
        import torch

        tokens = torch.tensor(list(ids), device=model.device)
        if picture is None:
            return self._decoder.embed(tokens)
        if not isinstance(model.anatomy, Blip2Anatomy):
            raise TypeError("a counterfactual model of its own needs a Q-Former")
        start = list(ids).index(model.layout.placeholder)
        stop = start + model.layout.picture_tokens
        with torch.no_grad():
            queries = model.anatomy.queries(model.features(picture), {})[0]
        head, tail = self._decoder.embed(tokens[:start]), self._decoder.embed(tokens[stop:])
        return torch.cat([head, self._linear(queries.to(self._linear.weight.dtype)).to(head.dtype), tail])


def widened(logits: Tensor, vocabulary: int) -> Tensor:
    """Return logits [rows, vocabulary], minus infinity for the ids that logits [rows, fewer] lack."""
    from torch.nn.functional import pad

    return pad(logits, (0, vocabulary - logits.shape[-1]), value=float("-inf"))


def small_copy(model: Network) -> Any:  # noqa: ANN401 - transformers is untyped here
    """Return a copy of the base's own language model, for models too small to have a smaller sister."""
    return copy.deepcopy(model.module.language_model)


def small_pretrained(where: str) -> Any:  # noqa: ANN401
    """Return the OPT in a local directory or under a hub name, in float32.

    Raises PrerequisiteError when it cannot be loaded.
    """
    from transformers import OPTForCausalLM

    try:
        module = OPTForCausalLM.from_pretrained(where)
    except (OSError, ValueError) as error:
        message = f"SERAC's counterfactual model cannot be loaded from {where}: {error}; give its directory"
        raise PrerequisiteError(message) from error
    return module.float()
