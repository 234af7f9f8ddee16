"""SERAC's memory of edits, and the mixture of two models' answers by it (MMKE-Bench, section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from eval.editors.counterfactual import Counterfactual, widened
from eval.editors.scope import Key, Scope
from eval.models.generation import Stepper, said
from eval.models.network import Network
from eval.models.port import DoesNotFitError, Edit, MultimodalModel, Prompt
from eval.records import Dialect

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SeracMemory:
    """The edits' texts with their keys, oldest first, beside a model that none changes; the port Memory."""

    scope: Scope
    counterfactual: Counterfactual
    dialect: Dialect
    texts: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()

    def grown(self, text: str) -> SeracMemory:
        """Return the memory with one more edit, the newest."""
        return replace(self, texts=(*self.texts, text), keys=(*self.keys, self.scope.of_edit(text)))

    def mix(
        self, model: MultimodalModel, prompts: Sequence[Prompt], logits: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return log((1 - s) p_base + s p_counterfactual + eps) [rows, vocabulary] of each prompt's rows.

        s: the score of the best edit in memory, whose text the counterfactual model reads first.
        Where s is 0, and where that text leaves no room for the question, the base's own logits, which are
        log-probabilities up to a constant, and no counterfactual run. Needs no gradients, gives none.
        """
        import torch

        network = _network(model)
        with torch.no_grad():
            asked = [self.beside(network, prompt, scored=True) for prompt in prompts]
            met = [one[0] for one in asked if one is not None]
            answers = iter(self.counterfactual.logits(network, met) if met else [])
            return [
                base if one is None else mixture(base, next(answers), one[1])
                for base, one in zip(logits, asked, strict=True)
            ]

    def generate(self, model: MultimodalModel, prompts: Sequence[Prompt], tokens: int) -> list[str]:
        """Return the greedy answer of the mixture to each asked-only prompt; no answer is in its key."""
        import torch

        network = _network(model)
        with torch.no_grad():
            asked = [self.beside(network, prompt, scored=False) for prompt in prompts]
            base = [prompt for prompt, one in zip(prompts, asked, strict=True) if one is None]
            plain = iter(network.generate(base, Edit(), tokens) if base else [])
            mixed = iter(self._greedy(network, prompts, asked, tokens))
            return [next(plain if one is None else mixed) for one in asked]

    def beside(self, model: Network, prompt: Prompt, *, scored: bool) -> tuple[Prompt, Tensor] | None:
        """Return what the counterfactual model reads for a prompt, with s []; None: the base alone answers.

        Its rows are the prompt's, counted from the end. scored: the prompt holds its answer.
        """
        share, place = self.scope.best(self.scope.of_question(prompt.question, scored=scored), self.keys)
        if float(share) == 0.0:
            return None
        try:
            return behind(model, prompt, self.texts[place], self.dialect, asked_only=not scored), share
        except DoesNotFitError:
            return None

    def _greedy(
        self,
        model: Network,
        prompts: Sequence[Prompt],
        asked: Sequence[tuple[Prompt, Tensor] | None],
        tokens: int,
    ) -> list[str]:
        """Return the mixture's answers to the prompts that have a counterfactual one, in order."""
        import torch

        pairs = [(prompt, *one) for prompt, one in zip(prompts, asked, strict=True) if one is not None]
        if not pairs:
            return []
        embeds = [model.embed(prompt.ids, prompt.question.picture, {}) for prompt, _, _ in pairs]
        base = Stepper(model.decoder, embeds, {})
        other = self.counterfactual.stepper(model, [longer for _, longer, _ in pairs])
        shares = torch.stack([share for _, _, share in pairs])[:, None]
        rooms = [min(tokens, model.layout.max_tokens - len(longer.ids)) for _, longer, _ in pairs]
        chosen: list[Tensor] = []
        done = torch.zeros(len(pairs), dtype=torch.bool, device=model.device)
        while len(chosen) < max(rooms) and not bool(done.all()):
            if chosen:
                base.advance(chosen[-1])
                other.advance(chosen[-1])
            chosen.append(mixture(base.logits, other.logits, shares).argmax(-1))
            done = done | (chosen[-1] == model.layout.end)
        rows = [[int(step[number]) for step in chosen[:room]] for number, room in enumerate(rooms)]
        return [said(row, model.layout.end, model.codec) for row in rows]


def behind(model: Network, prompt: Prompt, text: str, dialect: Dialect, *, asked_only: bool) -> Prompt:
    """Return a prompt behind an edit's text and a blank; its rows are the prompt's, counted from the end.

    Raises DoesNotFitError when that is longer than the model's positions.
    """
    question = replace(prompt.question, context=f"{text} {prompt.question.context}")
    longer = model.encode(question, dialect, asked_only=asked_only)
    shift = len(longer.ids) - len(prompt.ids)
    return replace(
        longer,
        label_ids=prompt.label_ids,
        label_rows=tuple(row + shift for row in prompt.label_rows),
        locality_rows=tuple(row + shift for row in prompt.locality_rows),
    )


def mixture(base: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Return log((1 - share) softmax(base) + share softmax(other) + eps), eps that of float32.

    base, other: logits [..., vocabulary]; share: [] or [rows, 1] (easyeditor/trainer/algs/SERAC.py, forward).
    """
    import torch

    other = widened(other, base.shape[-1])
    second = share * other.float().softmax(-1)
    if bool((share == 1).all()):
        return (second + torch.finfo(torch.float32).eps).log()
    return ((1 - share) * base.float().softmax(-1) + second + torch.finfo(torch.float32).eps).log()


def _network(model: MultimodalModel) -> Network:
    if not isinstance(model, Network):
        raise TypeError("SERAC's memory needs a model with a decoder to run beside it")
    return model
