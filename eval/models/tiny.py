"""A small model of the LLaVA architecture, in transformers' own classes: the one that runs on any CPU."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from eval.models.port import DoesNotFitError, Edit, Part, Question, Reading
from eval.models.tokens import END, IMAGE, PAD, START, Encoded, Segment, encode
from eval.records import TOP_K, Unscored

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class TinyShape:
    """Sizes of the model, about one million parameters in all; lengths in pixels and tokens."""

    image_size: int = 48
    patch_size: int = 16
    vision_width: int = 96
    vision_layers: int = 2
    text_width: int = 128
    text_layers: int = 3
    text_mlp: int = 384
    heads: int = 4
    vocabulary: int = 1000
    max_tokens: int = 1024
    new_tokens: int = 24

    @property
    def image_tokens(self) -> int:
        """Return how many tokens stand for a picture."""
        return (self.image_size // self.patch_size) ** 2


def prepare_runtime() -> None:
    """Keep the libraries off the network, and torch on one thread, which makes runs repeatable."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    logging.disable_progress_bar()


def new_module(shape: TinyShape, seed: int, gain: float) -> Any:  # noqa: ANN401 - transformers is untyped here
    """Return an untrained LlavaForConditionalGeneration, weights drawn from seed.

    gain: factor on the initial matrices of projector and token embeddings.
    """
    prepare_runtime()
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

    vision = CLIPVisionConfig(
        hidden_size=shape.vision_width, intermediate_size=4 * shape.vision_width,
        num_hidden_layers=shape.vision_layers, num_attention_heads=shape.heads, image_size=shape.image_size,
        patch_size=shape.patch_size, )  # fmt: skip
    text = LlamaConfig(
        vocab_size=shape.vocabulary, hidden_size=shape.text_width, intermediate_size=shape.text_mlp,
        num_hidden_layers=shape.text_layers, num_attention_heads=shape.heads, num_key_value_heads=shape.heads,
        max_position_embeddings=shape.max_tokens, pad_token_id=PAD, bos_token_id=START, eos_token_id=END,
        tie_word_embeddings=True,
    )  # fmt: skip
    # A two-layer tower has no useful layer before its last.
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_id=IMAGE,
        vision_feature_layer=-1,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = LlavaForConditionalGeneration(config).eval()
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if tensor.dim() == 2 and ("multi_modal_projector" in name or "embed_tokens" in name):
                tensor.mul_(gain)
    return module


class TinyLlava:
    """The port MultimodalModel over a trained module; edits come in as stand-in tensors, never as writes."""

    name = "tiny-llava"

    def __init__(self, module: Any, tokenizer: Any, shape: TinyShape, digest: str) -> None:  # noqa: ANN401
        prepare_runtime()
        from transformers import CLIPImageProcessorPil

        self.module = module.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._shape = shape
        self._digest = digest
        side = {"height": shape.image_size, "width": shape.image_size}
        self._processor = CLIPImageProcessorPil(size={"shortest_edge": shape.image_size}, crop_size=side)
        self.pixels = lru_cache(maxsize=4096)(self._pixels)

    @property
    def digest(self) -> str:
        """Return the sha256 of weights, tokeniser and configuration."""
        return self._digest

    def tensors(self, part: Part) -> dict[str, Tensor]:
        """Return the tensors of a part by name; the last MLP's gate stays out, as in the reference."""
        last = f"model.language_model.layers.{self._shape.text_layers - 1}.mlp"
        prefixes = {
            Part.LAST_MLP: (f"{last}.up_proj.weight", f"{last}.down_proj.weight"),
            Part.PROJECTOR: ("model.multi_modal_projector.",),
        }[part]
        return {name: tensor for name, tensor in self.module.named_parameters() if name.startswith(prefixes)}

    def read(self, questions: Sequence[Question], edit: Edit) -> list[Reading]:
        """Return the teacher-forced reading of each answer; one pass over all of them."""
        import torch

        encoded = [self._encode(question, edit, asked=True) for question in questions]
        readings = [self._refusal(sequence) for sequence in encoded]
        fit = [index for index, reading in enumerate(readings) if reading.unscored is None]
        if fit:
            batch = self._batch([encoded[i] for i in fit], [questions[i].image for i in fit], left=False)
            with torch.inference_mode():
                logits = self._forward(batch, edit.weights).logits
            for row, index in enumerate(fit):
                # The prediction of a token stands one position before it.
                before = [position - 1 for position in encoded[index].labels]
                readings[index] = reading_of(encoded[index], logits[row, before])
        return readings

    def generate(self, questions: Sequence[Question], edit: Edit) -> list[str]:
        """Return greedy answers of at most new_tokens tokens; '' where the question leaves no room."""
        import torch

        encoded = [self._encode(question, edit, asked=False) for question in questions]
        room = self._shape.max_tokens - self._shape.new_tokens
        fit = [index for index, sequence in enumerate(encoded) if len(sequence.ids) <= room]
        answers = [""] * len(questions)
        if fit:
            batch = self._batch([encoded[i] for i in fit], [questions[i].image for i in fit], left=True)
            with torch.inference_mode():
                rows = self._greedy(batch, edit.weights)
            for index, row in zip(fit, rows, strict=True):
                answers[index] = str(self._tokenizer.decode(row)).strip()
        return answers

    def loss(self, question: Question, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the mean negative log-likelihood of the answer's tokens, differentiable in weights.

        Raises DoesNotFitError when both are longer than max_tokens or the answer has no token.
        """
        from torch.nn.functional import cross_entropy

        encoded = self._encode(question, Edit(), asked=True)
        refusal = self._refusal(encoded)
        if refusal.unscored is not None:
            raise DoesNotFitError(refusal.unscored)
        batch = self._batch([encoded], [question.image], left=False)
        logits = self._forward(batch, weights).logits[0, [position - 1 for position in encoded.labels]]
        return cross_entropy(logits, batch["input_ids"][0, list(encoded.labels)])

    def _encode(self, question: Question, edit: Edit, *, asked: bool) -> Encoded:
        """Return context and question, and with asked the answer to be scored."""
        segments = [Segment(edit.context + question.prompt)]
        if asked:
            segments.append(Segment(f" {question.answer}", answer=True))
        images = self._shape.image_tokens if question.image is not None else 0
        return encode(self._tokenizer, segments, images, end=False)

    def _refusal(self, encoded: Encoded) -> Reading:
        if len(encoded.ids) > self._shape.max_tokens:
            return Reading(unscored=Unscored.TOO_LONG)
        return Reading(unscored=None if encoded.labels else Unscored.NO_LABELS)

    def _pixels(self, jpeg: bytes) -> Tensor:
        from PIL import Image

        with Image.open(io.BytesIO(jpeg)) as picture:
            pixels: Tensor = self._processor(picture.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        return pixels

    def _batch(
        self, encoded: Sequence[Encoded], images: Sequence[bytes | None], *, left: bool
    ) -> dict[str, Tensor]:
        """Return padded ids, their mask, and the pictures in row order; rows without a picture have none."""
        import torch

        batch = padded([sequence.ids for sequence in encoded], left=left)
        pictures = [self.pixels(image) for image in images if image is not None]
        if pictures:
            batch["pixel_values"] = torch.stack(pictures)
        return batch

    def _forward(self, inputs: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Any:  # noqa: ANN401
        """Run the module with stand-in tensors; they are in force inside this call only."""
        from torch.func import functional_call

        return functional_call(self.module, dict(weights), (), dict(inputs), tie_weights=False)

    def _greedy(self, batch: dict[str, Tensor], weights: Mapping[str, Tensor]) -> list[list[int]]:
        """Return the tokens up to the end mark of each left-padded row, with keys and values kept."""
        import torch
        from transformers import DynamicCache

        mask, cache = batch["attention_mask"], DynamicCache()
        places = (mask.cumsum(-1) - 1).clamp(min=0)
        inputs: dict[str, Any] = {**batch, "position_ids": places}
        chosen: list[Tensor] = []
        done = torch.zeros(len(mask), dtype=torch.bool)
        while len(chosen) < self._shape.new_tokens and not bool(done.all()):
            keep = {"past_key_values": cache, "use_cache": True, "logits_to_keep": 1}
            following = self._forward({**inputs, **keep}, weights).logits[:, -1].argmax(-1)
            chosen.append(following)
            done |= following == END
            mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
            places = places[:, -1:] + 1
            inputs = {"input_ids": following[:, None], "attention_mask": mask, "position_ids": places}
        rows = torch.stack(chosen, dim=1).tolist()
        return [row[: row.index(END)] if END in row else row for row in rows]


def padded(rows: Sequence[Sequence[int]], *, left: bool) -> dict[str, Tensor]:
    """Return input_ids and attention_mask [rows, longest row], padded on one side."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), PAD)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[number, place] = torch.tensor(row)
        mask[number, place] = 1
    return {"input_ids": ids, "attention_mask": mask}


def reading_of(encoded: Encoded, logits: Tensor) -> Reading:
    """Return the reading of the rows of logits [labels, vocabulary]."""
    if not bool(logits.isfinite().all()):
        return Reading(unscored=Unscored.NOT_FINITE)
    # A stable sort, because topk promises no order among equals.
    order = logits.float().sort(dim=-1, descending=True, stable=True).indices[:, :TOP_K]
    labels = tuple(encoded.ids[position] for position in encoded.labels)
    return Reading(labels, tuple(tuple(row) for row in order.tolist()))
