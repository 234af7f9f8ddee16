"""A tiny model while it learns: what it sees, what it says, and how wrong that is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from eval.models.lessons import Lesson
from eval.models.network import Network
from eval.models.tiny import Family
from eval.models.tokens import Encoded, encode

if TYPE_CHECKING:
    from torch import Tensor


class Pupil:
    """A network's module in training; it takes lessons that fit its positions, and at least one at a time."""

    def __init__(self, network: Network, image: Callable[[str], bytes]) -> None:
        """image: the bytes of a picture by its digest."""
        self.network = network
        self.module = network.module.requires_grad_(True)
        llava = network.name == Family.LLAVA.value
        self.tower: Any = self.module.model.vision_tower if llava else self.module.vision_model
        towers = {id(tensor) for tensor in self.tower.parameters()}
        self.learning = [tensor for tensor in self.module.parameters() if id(tensor) not in towers]
        self._image = image
        self._seen: dict[str, Tensor] = {}

    def look(self, digests: Sequence[str]) -> Tensor:
        """Return the tower's features [pictures, patches, width], with gradients while it learns."""
        import torch

        loaded = self.network.loaded
        features: Tensor = self.network.anatomy.features(
            torch.stack([loaded.look(self._image(digest)) for digest in digests])
        )
        return features

    def freeze_tower(self) -> None:
        """Let the tower learn no more; from now on each picture passes it once."""
        self.tower.requires_grad_(False)

    def loss(self, lessons: Sequence[Lesson]) -> Tensor:
        """Return the summed loss; an answer weighs as the root of its length, lest paragraphs drown names."""
        import torch
        from torch.nn.functional import cross_entropy

        encoded, logits, labels = self._logits(lessons)
        weights = [1 / math.sqrt(len(answer)) for one in encoded for answer in one.answers for _ in answer]
        losses = cross_entropy(logits, labels, reduction="none")
        return (losses * torch.tensor(weights)).sum()

    def copying_loss(self, said: Sequence[Sequence[int]]) -> Tensor:
        """Return the mean loss of saying rows of equal length a second time, from the second token on."""
        import torch
        from torch.nn.functional import cross_entropy

        lead = self.network.layout.text_lead
        first = len(lead) + len(said[0])
        ids = torch.tensor([[*lead, *row, *row] for row in said])
        hidden = self._hidden(self.network.decoder.embed(ids))[:, first:-1]
        return cross_entropy(self.network.decoder.head(hidden).flatten(0, 1), ids[:, first + 1 :].flatten())

    def knows(self, lesson: Lesson) -> bool:
        """Return whether a lesson's last answer is wholly right, as greedy text would be."""
        import torch

        if not self.fits(lesson):
            return False
        with torch.inference_mode():
            encoded, logits, labels = self._logits([lesson])
        last = len(encoded[0].answers[-1])
        return bool((logits.argmax(-1) == labels)[-last:].all())

    def fits(self, lesson: Lesson) -> bool:
        """Return whether a lesson is no longer than the model's positions."""
        return len(self._encode(lesson).ids) <= self.network.layout.max_tokens

    def _encode(self, one: Lesson) -> Encoded:
        network = self.network
        return encode(network.codec, one.segments, network.layout, picture=one.image is not None)

    def _logits(self, lessons: Sequence[Lesson]) -> tuple[list[Encoded], Tensor, Tensor]:
        """Return the encoded lessons, and over all their labels the logits [labels, vocabulary] and ids."""
        import torch

        encoded = [self._encode(one) for one in lessons]
        width = max(len(one.ids) for one in encoded)
        # Nothing looks to the right, so what stands there needs no mask.
        padded = [[*one.ids, *[self.network.layout.end] * (width - len(one.ids))] for one in encoded]
        ids = torch.tensor(padded)
        embeds = self.network.decoder.embed(ids)
        pictures = [one.image for one in lessons if one.image is not None]
        if pictures:
            places = (ids == self.network.layout.placeholder)[..., None]
            seen = self.network.anatomy.connect(self._features(pictures), {})
            embeds = embeds.masked_scatter(places, seen)
        rows = torch.tensor([row for row, one in enumerate(encoded) for _ in one.labels])
        labels = torch.tensor([place for one in encoded for place in one.labels])
        hidden = self._hidden(embeds)[rows, labels - 1]
        return encoded, self.network.decoder.head(hidden), ids[rows, labels]

    def _features(self, digests: Sequence[str]) -> Tensor:
        import torch

        for digest in digests:
            if digest not in self._seen:
                with torch.no_grad():
                    self._seen[digest] = self.look([digest])[0]
        return torch.stack([self._seen[digest] for digest in digests])

    def _hidden(self, embeds: Tensor) -> Tensor:
        """Return the language model's last states [rows, positions, width]."""
        states: Tensor = self.network.decoder.body(inputs_embeds=embeds, use_cache=False).last_hidden_state
        return states
