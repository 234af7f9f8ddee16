"""Trains the tiny model on a release's original knowledge: deterministic, resumable, kept by content hash."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from curation.ids import sha256_json
from curation.records import Split
from eval.models import checkpoints
from eval.models.counterfactuals import Counterfactuals
from eval.models.curriculum import TinyTraining
from eval.models.lessons import Lesson, Lessons, original_knowledge
from eval.models.tiny import TinyLlava, new_module, padded, prepare_runtime
from eval.models.tokens import IMAGE, START, Encoded, encode, train_tokenizer
from warehouse.release import Release

if TYPE_CHECKING:
    from torch import Tensor

Progress = Callable[[str, int, int], None]


def trained_model(release: Release, cache: Path, config: TinyTraining, progress: Progress) -> TinyLlava:
    """Return the model that knows what the release says before its edits; trains it unless the cache has it.

    Same release, config and library versions give the same weights. A killed training goes on from its
    last checkpoint; a damaged cache entry is trained anew. progress: called with 'train', steps done, steps.
    Raises PrerequisiteError when the evaluation extra is not installed.
    """
    versions = checkpoints.library_versions()
    prepare_runtime()
    lessons = original_knowledge(release.items)
    train = [entry.item for entry in release.split(Split.TRAIN)]
    key = sha256_json(
        {
            "lessons": [[asdict(one) for one in kind] for kind in lessons.kinds().values()],
            "in_context": [item.model_dump(mode="json", exclude={"provenance"}) for item in train],
            "config": asdict(config),
            "versions": versions,
        }
    )
    folder = cache / "models" / f"{TinyLlava.name}-{key[:16]}"
    stored = checkpoints.load_model(folder, config.shape)
    if stored is None:
        Course(release, lessons, config).run(folder, progress)
        stored = checkpoints.load_model(folder, config.shape)
    if stored is None:
        raise checkpoints.vanished(folder)
    return stored


class Course:
    """One training, from lessons to a saved model."""

    def __init__(self, release: Release, lessons: Lessons, config: TinyTraining) -> None:
        import torch

        train = [entry.item for entry in release.split(Split.TRAIN)]
        # No text of an eval item's edit, not even for the tokeniser.
        texts = [
            *lessons.texts(),
            *(text for item in train for text in (item.edited_text, item.rephrased_request)),
        ]
        self._config, self._lessons = config, lessons
        self._tokenizer = train_tokenizer(texts, config.shape.vocabulary)
        self._module = new_module(config.shape, config.seed, config.gain)
        # Borrowed for its preparation of pictures; the module below it is trained in place.
        self._pixels = TinyLlava(self._module, self._tokenizer, config.shape, "").pixels
        self._module.requires_grad_(True)
        words = sorted(
            {word for text in texts for word in text.split() if word.isalpha() and word[0].isupper()}
        )
        self._counterfactuals = Counterfactuals(train, (*lessons.seeing, *lessons.reading), words)
        self._image = release.image
        self._learning = [
            tensor for name, tensor in self._module.named_parameters() if "vision_tower" not in name
        ]
        self._optimizer = torch.optim.AdamW(self._learning, weight_decay=config.weight_decay)

    def run(self, folder: Path, progress: Progress) -> None:
        """Train from the last checkpoint on, measure, save, and drop the checkpoint."""
        config = self._config
        work = folder.with_name(f".{folder.name}.checkpoint")
        first = checkpoints.restore(work, self._module, self._optimizer)
        if first == 0:
            self.look()
        self._module.model.vision_tower.requires_grad_(False)
        for step in range(first, config.steps):
            self.step(step)
            if (step + 1) % config.checkpoint_every == 0:
                checkpoints.keep(work, self._module, self._optimizer, step + 1)
            progress("train", step + 1, config.steps)
        checkpoints.save_model(folder, self._module, self._tokenizer, self.quality())
        checkpoints.drop(work)

    def look(self) -> None:
        """Train the vision tower to tell the pictures' subjects apart, all pictures in each step."""
        import torch
        from torch.nn.functional import cross_entropy

        tower, naming = self._module.model.vision_tower, self._lessons.naming
        if not naming:
            return
        subjects = {about: number for number, about in enumerate(sorted({one.about for one in naming}))}
        truth = torch.tensor([subjects[one.about] for one in naming])
        pictures = self._pictures(naming)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._config.seed)
            head = torch.nn.Linear(self._config.shape.vision_width, len(subjects))
        optimizer = torch.optim.AdamW([*tower.parameters(), *head.parameters()], lr=self._config.tower_rate)
        for _ in range(self._config.tower_steps):
            optimizer.zero_grad()
            # Without the class token, which LLaVA does not look at either.
            seen = tower(pixel_values=pictures).last_hidden_state[:, 1:].mean(dim=1)
            cross_entropy(head(seen), truth).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def step(self, number: int) -> None:
        """Descend once; which lessons a step has depends on the seed and its number alone."""
        import torch

        config, rng = self._config, Random(f"{self._config.seed}:{number}")
        phase = config.phase(number)
        short = [
            *_draw(rng, self._lessons.naming, phase.naming),
            *_draw(rng, self._lessons.seeing, phase.seeing),
            *_draw(rng, self._lessons.reading, phase.reading),
        ]
        long = _draw(rng, self._lessons.telling, phase.telling) + self._in_context(
            rng, phase.in_context, number
        )
        for group in self._optimizer.param_groups:
            group["lr"] = config.rate(number)
        self._optimizer.zero_grad()
        # Two passes: padding the short ones to the long ones would cost more than the step.
        for batch in (short, long):
            if batch:
                (self._loss(batch) / max(1, len(short))).backward()  # type: ignore[no-untyped-call]
        if phase.copying:
            self._copying(rng, phase.copying).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._learning, 1.0)
        self._optimizer.step()

    def quality(self) -> dict[str, float | int]:
        """Return which share of each kind of lesson is known word for word, end mark included."""
        rng = Random(f"{self._config.seed}:quality")
        shares: dict[str, float | int] = {"steps": self._config.steps}
        for name, lessons in self._lessons.kinds().items():
            shares[name] = self._exact(_draw(rng, lessons, self._config.checked))
        if self._counterfactuals:
            shares["in_context"] = self._exact([self._counterfactuals.draw(rng, 0) for _ in range(60)])
            shown = self._config.demonstrations
            shares["after_demonstrations"] = self._exact(
                [self._counterfactuals.draw(rng, shown) for _ in range(30)]
            )
        return shares

    def model(self, digest: str) -> TinyLlava:
        """Return what has been trained so far, under a digest of the caller's."""
        return TinyLlava(self._module, self._tokenizer, self._config.shape, digest)

    def _in_context(self, rng: Random, count: int, step: int) -> list[Lesson]:
        if not self._counterfactuals or not count:
            return []
        if step % 4:
            return [self._counterfactuals.draw(rng, 0) for _ in range(count)]
        return [
            self._counterfactuals.draw(rng, self._config.demonstrations) for _ in range(max(1, count // 4))
        ]

    def _copying(self, rng: Random, rows: int) -> Tensor:
        """Return the mean loss of saying 4 to 16 random tokens a second time, from the second of them on."""
        import torch
        from torch.nn.functional import cross_entropy

        length = rng.randint(4, 16)
        ordinary = range(IMAGE + 1, self._tokenizer.get_vocab_size())
        said = [[rng.choice(ordinary) for _ in range(length)] for _ in range(rows)]
        ids = torch.tensor([[START, *row, *row] for row in said])
        hidden = self._module.model(input_ids=ids).last_hidden_state[:, length + 1 : -1]
        return cross_entropy(self._module.lm_head(hidden).flatten(0, 1), ids[:, length + 2 :].flatten())

    def _loss(self, lessons: Sequence[Lesson]) -> Tensor:
        """Return the summed loss; an answer weighs as the root of its length, lest paragraphs drown names."""
        import torch
        from torch.nn.functional import cross_entropy

        encoded, logits, labels = self._logits(lessons)
        weights = [1 / math.sqrt(len(answer)) for one in encoded for answer in one.answers for _ in answer]
        losses = cross_entropy(logits, labels, reduction="none")
        return (losses * torch.tensor(weights)).sum()

    def _logits(self, lessons: Sequence[Lesson]) -> tuple[list[Encoded], Tensor, Tensor]:
        """Return the encoded lessons, and over all their labels the logits [labels, vocabulary] and ids."""
        import torch

        encoded = [self._encode(one) for one in lessons]
        batch = padded([one.ids for one in encoded], left=False)
        if any(one.image is not None for one in lessons):
            batch["pixel_values"] = self._pictures(lessons)
        hidden = self._module.model(**batch).last_hidden_state
        rows = torch.tensor([row for row, one in enumerate(encoded) for _ in one.labels])
        places = torch.tensor([position for one in encoded for position in one.labels])
        return encoded, self._module.lm_head(hidden[rows, places - 1]), batch["input_ids"][rows, places]

    def _pictures(self, lessons: Sequence[Lesson]) -> Tensor:
        import torch

        return torch.stack([self._pixels(self._image(one.image)) for one in lessons if one.image is not None])

    def _encode(self, one: Lesson) -> Encoded:
        images = self._config.shape.image_tokens if one.image is not None else 0
        return encode(self._tokenizer, one.segments, images, end=True)

    def _exact(self, lessons: Sequence[Lesson]) -> float:
        """Return the share of lessons whose last answer is wholly right, as greedy text would be."""
        import torch

        right = 0
        with torch.inference_mode():
            for one in lessons:
                encoded, logits, labels = self._logits([one])
                last = len(encoded[0].answers[-1])
                right += bool((logits.argmax(-1) == labels)[-last:].all())
        return right / len(lessons) if lessons else 0.0


def _draw(rng: Random, lessons: Sequence[Lesson], count: int) -> list[Lesson]:
    return rng.sample(lessons, min(count, len(lessons)))
