"""What the plain and the split model share, and the plain one: the whole module, one prompt at a time."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from eval.models import layout as layouts
from eval.models.anatomy import anatomy_of
from eval.models.decoder import Tap
from eval.models.generation import greedy_texts
from eval.models.layout import Codec, Layout
from eval.models.port import Edit, Factors, Objective, Part, Picture, Prompt, Question, Reading
from eval.models.reading import label_logits, reading_of
from eval.records import Dialect

if TYPE_CHECKING:
    from torch import Tensor

# Pictures whose frozen features are kept; a block of 64 items has about 220, of 0.6 to 2 MB each.
_KEPT_FEATURES = 512


@dataclass(frozen=True)
class Loaded:
    """Everything that a model is made of; the plain and the split model take the same.

    module: LlavaForConditionalGeneration or Blip2ForConditionalGeneration. look: the pixels
    [3, height, width] of a picture's file. name: a key of the hyper-parameter files. digest: of everything
    that was loaded.
    """

    module: Any
    layout: Layout
    codec: Codec
    look: Callable[[bytes], Tensor]
    name: str
    digest: str


class Network:
    """A transformers module with its layout, tokeniser and picture function; the weights stay as they are."""

    def __init__(self, loaded: Loaded) -> None:
        """Take what was loaded; its module is set to evaluation mode, without gradients."""
        self.loaded = loaded
        self.module = loaded.module.eval().requires_grad_(False)
        self.anatomy = anatomy_of(loaded.module)
        self.decoder = self.anatomy.decoder
        self.layout, self.codec = loaded.layout, loaded.codec
        self.name, self.digest = loaded.name, loaded.digest
        self._features: OrderedDict[str, Tensor] = OrderedDict()
        self._tensors = dict(loaded.module.named_parameters())

    @property
    def device(self) -> Any:  # noqa: ANN401
        """Return the torch device of the language model."""
        return self.decoder.head.weight.device

    def encode(
        self, question: Question, dialect: Dialect, *, locality: bool = False, asked_only: bool = False
    ) -> Prompt:
        """Return the model's own input layout of a question. Raises DoesNotFitError as the port says."""
        return layouts.encode(
            question, self.layout, self.codec, dialect, locality=locality, asked_only=asked_only
        )

    def tensors(self, part: Part) -> dict[str, Tensor]:
        """Return the tensors of a part by name; they are the module's own."""
        return {name: self._tensors[name] for name in self.anatomy.names(part)}

    def embeddings(self, ids: Sequence[int]) -> Tensor:
        """Return the token embeddings [len(ids), width] of ids."""
        import torch

        return self.decoder.embed(torch.tensor(list(ids), device=self.device))

    def pixels(self, picture: Picture) -> Tensor:
        """Return a picture's pixels [1, 3, height, width] in the tower's dtype."""
        tower = next(self.module.parameters())
        return self.loaded.look(picture.data)[None].to(tower.device, tower.dtype)

    def features(self, picture: Picture) -> Tensor:
        """Return a picture's frozen features [1, patches, width]; the latest few hundred are kept."""
        import torch

        if picture.sha256 not in self._features:
            with torch.no_grad():
                self._features[picture.sha256] = self.anatomy.features(self.pixels(picture))
            if len(self._features) > _KEPT_FEATURES:
                self._features.popitem(last=False)
        return self._features[picture.sha256]

    def forget_features(self) -> None:
        """Drop the features of all pictures."""
        self._features.clear()

    def embed(self, ids: Sequence[int], picture: Picture | None, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the embeddings [len(ids), width] of ids, the picture's own at the placeholders."""
        import torch

        tokens = torch.tensor(list(ids), device=self.device, dtype=torch.long)
        if picture is None:
            return self.decoder.embed(tokens)
        start = list(ids).index(self.layout.placeholder)
        stop = start + self.layout.picture_tokens
        head, tail = self.decoder.embed(tokens[:start]), self.decoder.embed(tokens[stop:])
        seen = self.anatomy.connect(self.features(picture), weights)[0]
        return torch.cat([head, seen.to(head.dtype), tail])

    def read(self, prompts: Sequence[Prompt], edit: Edit) -> list[Reading]:
        """Return the reading of each prompt, in order, without gradients."""
        import torch

        with torch.no_grad():
            return [
                reading_of(prompt, rows)
                for prompt, rows in zip(prompts, self.logits(prompts, edit), strict=True)
            ]

    def generate(self, prompts: Sequence[Prompt], edit: Edit, tokens: int) -> list[str]:
        """Return the greedy answer of at most so many tokens to each asked-only prompt, in order."""
        import torch

        if edit.memory is not None:
            return edit.memory.generate(self, prompts, tokens)
        with torch.no_grad():
            embeds = [self.embed(prompt.ids, prompt.question.picture, edit.weights) for prompt in prompts]
            rooms = [min(tokens, self.layout.max_tokens - len(prompt.ids)) for prompt in prompts]
            return greedy_texts(self.decoder, embeds, edit.weights, rooms, self.layout.end, self.codec)

    def state_digest(self) -> str:
        """Return the sha256 of every parameter's and buffer's bytes: the same before and after any edit."""
        import torch

        total = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            data = tensor.detach().to("cpu").contiguous().reshape(-1).view(torch.uint8)
            total.update(name.encode())
            total.update(data.numpy().tobytes())
        return total.hexdigest()

    def hold(self, prompts: Sequence[Prompt], *, packed: bool) -> None:
        """Keep nothing."""

    def forget(self) -> None:
        """Drop nothing."""

    def logits(self, prompts: Sequence[Prompt], edit: Edit) -> list[Tensor]:
        """Return the float32 logits [len(prompt.rows), vocabulary] of each prompt under the edit."""
        raise NotImplementedError

    def objective(self, part: Part, prompts: Sequence[Prompt]) -> Objective:
        """Return the losses of the prompts, one after the other."""
        import torch

        def losses(stacked: Mapping[str, Tensor]) -> Tensor:
            values = []
            for number, prompt in enumerate(prompts):
                edit = Edit(weights={name: tensor[number] for name, tensor in stacked.items()})
                values.append(label_loss(prompt, self.logits([prompt], edit)[0]))
            return torch.stack(values)

        return losses

    def factors(self, prompt: Prompt, part: Part, weights: Mapping[str, Tensor]) -> dict[str, Factors]:
        """Return the inputs and output gradients of a part's matrices for the prompt's mean label loss."""
        import torch

        tap = Tap(frozenset(self.anatomy.names(part)))
        with torch.enable_grad():
            loss = label_loss(prompt, self._tapped(prompt, weights, tap))
            names = list(tap.zeros)
            deltas = torch.autograd.grad(loss, [tap.zeros[name] for name in names])
        flat = {name: tap.inputs[name].reshape(-1, tap.inputs[name].shape[-1]) for name in names}
        return {
            name: Factors(flat[name], delta.reshape(-1, delta.shape[-1]))
            for name, delta in zip(names, deltas, strict=True)
        }

    def _tapped(self, prompt: Prompt, weights: Mapping[str, Tensor], tap: Tap) -> Tensor:
        """Return the prompt's logits with a tap in place."""
        raise NotImplementedError

    def _mixed(self, prompts: Sequence[Prompt], logits: list[Tensor], edit: Edit) -> list[Tensor]:
        return logits if edit.memory is None else edit.memory.mix(self, prompts, logits)


class PlainModel(Network):
    """The oracle: each prompt through the whole module by itself, as the reference runs it."""

    def logits(self, prompts: Sequence[Prompt], edit: Edit) -> list[Tensor]:
        """Return the float32 logits [len(prompt.rows), vocabulary] of each prompt under the edit."""
        return self._mixed(prompts, [self._whole(prompt, edit.weights) for prompt in prompts], edit)

    def _whole(self, prompt: Prompt, weights: Mapping[str, Tensor]) -> Tensor:
        return self._everywhere(prompt, weights)[list(prompt.rows)].float()

    def _everywhere(self, prompt: Prompt, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [ids, vocabulary] of the whole module at every position."""
        import torch

        picture = prompt.question.picture
        ids = torch.tensor([prompt.ids], device=self.device)
        pixels = self.pixels(picture) if picture else None
        return self.anatomy.full(ids, pixels, weights)[0]

    def _tapped(self, prompt: Prompt, weights: Mapping[str, Tensor], tap: Tap) -> Tensor:
        with _hooks(self.module, tap):
            return self._whole(prompt, weights)


@contextmanager
def _hooks(module: Any, tap: Tap) -> Iterator[None]:  # noqa: ANN401
    """Put a tap on the linear layers that it names, and take it off again."""
    handles = [
        module.get_submodule(name.removesuffix(".weight")).register_forward_hook(
            lambda _, given, made, name=name: tap.through(name, given[0], made)
        )
        for name in tap.names
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def label_loss(prompt: Prompt, logits: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of a prompt's labels; logits: at prompt.rows."""
    import torch
    from torch.nn.functional import cross_entropy

    labels = torch.tensor(prompt.label_ids, device=logits.device)
    return cross_entropy(label_logits(prompt, logits), labels)
