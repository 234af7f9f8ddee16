"""Trains a tiny model on a release's original knowledge: deterministic, resumable, kept by content hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

from curation.ids import sha256_json
from curation.records import Split
from eval.models import checkpoints
from eval.models.counterfactuals import Counterfactuals
from eval.models.curriculum import TinyTraining
from eval.models.lessons import Lesson, Lessons, original_knowledge
from eval.models.network import Loaded, PlainModel
from eval.models.pupil import Pupil
from eval.models.tiny import Family, new_module, prepare_runtime, tiny_layout, tiny_pixels
from eval.models.tokens import IMAGE, TokenizerCodec, train_tokenizer
from warehouse.release import Release

# Raised when the way of training changes, so that no earlier model stands in for its result.
_RECIPE = 2
Progress = Callable[[str, int, int], None]


def trained_model(
    release: Release, cache: Path, config: TinyTraining, progress: Progress, family: Family
) -> Loaded:
    """Return the model that knows what the release says before its edits; trains it unless the cache has it.

    Same release, config, family and library versions give the same weights. A killed training goes on from
    its last checkpoint; a damaged cache entry is trained anew. progress: called with 'train', steps done,
    steps.
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
            "family": family.value,
            "recipe": _RECIPE,
            "versions": versions,
        }
    )
    folder = cache / "models" / f"{family.value}-{key[:16]}"
    stored = checkpoints.load_model(folder, config.shape, family)
    if stored is None:
        Course(release, lessons, config, family).run(folder, progress)
        stored = checkpoints.load_model(folder, config.shape, family)
    if stored is None:
        raise checkpoints.vanished(folder)
    return stored


class Course:
    """One training, from lessons to a saved model."""

    def __init__(self, release: Release, lessons: Lessons, config: TinyTraining, family: Family) -> None:
        import torch

        train = [entry.item for entry in release.split(Split.TRAIN)]
        # No text of an eval item's edit, not even for the tokeniser.
        texts = [
            *lessons.texts(),
            *(text for item in train for text in (item.edited_text, item.rephrased_request)),
        ]
        self._config, self._family = config, family
        self._tokenizer = train_tokenizer(texts, config.shape.vocabulary)
        self._module = new_module(config.shape, family, config.seed, config.gain)
        self._pupil = Pupil(PlainModel(self.loaded("")), release.image)
        self._lessons = lessons.those(self._pupil.fits)
        words = sorted(
            {word for text in texts for word in text.split() if word.isalpha() and word[0].isupper()}
        )
        self._counterfactuals = Counterfactuals(train, (*lessons.seeing, *lessons.reading), words)
        self._optimizer = torch.optim.AdamW(self._pupil.learning, weight_decay=config.weight_decay)

    def loaded(self, digest: str) -> Loaded:
        """Return the model as it is now, under a digest of the caller's."""
        shape, family, codec = self._config.shape, self._family, TokenizerCodec(self._tokenizer)
        layout = tiny_layout(shape, family, codec)
        return Loaded(self._module, layout, codec, tiny_pixels(shape, family), family.value, digest)

    def run(self, folder: Path, progress: Progress) -> None:
        """Train from the last checkpoint on, measure, save, and drop the checkpoint."""
        config = self._config
        work = folder.with_name(f".{folder.name}.checkpoint")
        first = checkpoints.restore(work, self._module, self._optimizer)
        if first == 0:
            self.look()
        self._pupil.freeze_tower()
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

        naming, config = self._lessons.naming, self._config
        if not naming:
            return
        subjects = {about: number for number, about in enumerate(sorted({one.about for one in naming}))}
        truth = torch.tensor([subjects[one.about] for one in naming])
        pictures = [one.image for one in naming if one.image is not None]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            head = torch.nn.Linear(config.shape.vision_width, len(subjects))
        learning = [*self._pupil.tower.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(learning, lr=config.tower_rate)
        for _ in range(config.tower_steps):
            optimizer.zero_grad()
            cross_entropy(head(self._pupil.look(pictures).mean(dim=1)), truth).backward()  # type: ignore[no-untyped-call]
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
                (self._pupil.loss(batch) / max(1, len(short))).backward()  # type: ignore[no-untyped-call]
        if phase.copying:
            self._pupil.copying_loss(self._random_rows(rng, phase.copying)).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._pupil.learning, 1.0)
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

    def _in_context(self, rng: Random, count: int, step: int) -> list[Lesson]:
        if not self._counterfactuals or not count:
            return []
        shown, number = (0, count) if step % 4 else (self._config.demonstrations, max(1, count // 4))
        drawn = [self._counterfactuals.draw(rng, shown) for _ in range(number)]
        return [one for one in drawn if self._pupil.fits(one)]

    def _random_rows(self, rng: Random, rows: int) -> list[list[int]]:
        """Return rows of equally many tokens, 4 to 16, any but the marks."""
        length = rng.randint(4, 16)
        ordinary = range(IMAGE + 1, self._tokenizer.get_vocab_size())
        return [[rng.choice(ordinary) for _ in range(length)] for _ in range(rows)]

    def _exact(self, lessons: Sequence[Lesson]) -> float:
        """Return the share of lessons that are known."""
        return sum(map(self._pupil.knows, lessons)) / len(lessons) if lessons else 0.0


def _draw(rng: Random, lessons: Sequence[Lesson], count: int) -> list[Lesson]:
    return rng.sample(lessons, min(count, len(lessons)))
