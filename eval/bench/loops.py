"""One item under one method, twice: the plain loop as the reference runs it, and ours by its phases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from eval.bench.items import Item
from eval.editors.port import Editor
from eval.models.decoder import Tap
from eval.models.network import PlainModel, label_loss
from eval.models.port import Edit, Factors, Part, Prompt, Reading
from eval.models.split import SplitModel
from eval.records import Dialect, Unscored

if TYPE_CHECKING:
    from torch import Tensor

Clock = Callable[[], float]


def clock_of(device: str) -> Clock:
    """Return a clock in seconds: this process's CPU time, or, for a GPU, the time when it has caught up."""
    if device == "cpu":
        return time.process_time
    import torch

    def caught_up() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return caught_up


@dataclass
class Phases:
    """Seconds by phase of our way: what is held for every method, and what one method adds."""

    clock: Clock
    spent: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add the time inside to a phase."""
        start = self.clock()
        yield
        self.spent[name] = self.spent.get(name, 0.0) + self.clock() - start


class ReferenceModel(PlainModel):
    """The plain model, with what the reference does beside it on tensors; nothing of it changes a result.

    Each forward is given labels, so that the language model's own loss is made of all logits and dropped, and
    scans them for NaN (easyeditor/trainer/llava/model/language_model/llava_llama.py, forward). MEND's pass
    takes the gradient of every language-model weight (easyeditor/trainer/algs/MEND.py).
    """

    def _everywhere(self, prompt: Prompt, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the logits [ids, vocabulary]; their loss and their scan are made and dropped."""
        import torch
        from torch.nn.functional import cross_entropy

        logits = super()._everywhere(prompt, weights)
        cross_entropy(logits[:-1].float(), torch.tensor(prompt.ids[1:], device=logits.device))
        bool(logits.isnan().any())
        return logits

    def factors(self, prompt: Prompt, part: Part, weights: Mapping[str, Tensor]) -> dict[str, Factors]:
        """Return the factors of a part after a backward pass through the whole language model."""
        import torch

        tap = Tap(frozenset(self.anatomy.names(part)))
        own = [p for n, p in self.module.named_parameters() if n.startswith(self.decoder.prefix)]
        for parameter in own:
            parameter.requires_grad_(True)
        try:
            with torch.enable_grad():
                label_loss(prompt, self._tapped(prompt, weights, tap)).backward()  # type: ignore[no-untyped-call]
        finally:
            for parameter in own:
                parameter.requires_grad_(False)
                parameter.grad = None
        made = {}
        for name, zeros in tap.zeros.items():
            if zeros.grad is None:
                raise RuntimeError(f"no gradient reached {name}")
            rows = tap.inputs[name].reshape(-1, tap.inputs[name].shape[-1])
            made[name] = Factors(rows, zeros.grad.reshape(-1, zeros.grad.shape[-1]))
        return made


def plain_item(
    model: PlainModel, editor: Editor, item: Item, dialect: Dialect
) -> tuple[list[Reading], list[Reading]]:
    """Return base and edited readings of an item's probes; 2 + 12 whole forwards and the edit's own.

    easyeditor/trainer/MultimodalTrainer.py, edit_step: base locality, edit, three unreported prompts, probes.
    """
    base = model.read(item.locality, Edit())
    edit = _made(editor.edit(model, [item.request], Edit())[0])
    model.read(_asked(model, item.unreported, edit, dialect), edit)
    return base, model.read(_asked(model, item.probes, edit, dialect), edit)


def split_block(
    model: SplitModel, editor: Editor, items: Sequence[Item], dialect: Dialect, phases: Phases
) -> list[tuple[list[Reading], list[Reading]]]:
    """Return the same readings our way, edits made together; features and trunk are what methods share."""
    with phases.phase("features"):
        for item in items:
            for prompt in (*item.probes, item.request.prompt):
                if prompt.question.picture:
                    model.features(prompt.question.picture)
    bases = []
    with phases.phase("trunk"):
        for item in items:
            # A context comes before every probe, so that only locality's base is read without one.
            bare = item.locality if editor.name == "IKE" else (item.request.prompt, *item.probes)
            model.hold(bare, packed=True)
            bases.append(model.read(item.locality, Edit()))
    with phases.phase("edit"):
        edits = editor.edit(model, [item.request for item in items], Edit())
    read = []
    with phases.phase("read"):
        for item, edit in zip(items, edits, strict=True):
            read.append(model.read(_asked(model, item.probes, _made(edit), dialect), _made(edit)))
    model.forget()
    model.forget_features()
    return list(zip(bases, read, strict=True))


def flips(one: Sequence[Reading], other: Sequence[Reading]) -> tuple[int, int, int, int]:
    """Return changed first choices, all of them, changed ordered candidates, and all of those."""
    first = [
        pair for a, b in zip(one, other, strict=True) for pair in _pairs(a.predicted_ids, b.predicted_ids)
    ]
    top = [
        pair
        for a, b in zip(one, other, strict=True)
        for rows in zip(a.top_ids, b.top_ids, strict=True)
        for pair in _pairs(*rows)
    ]
    return sum(a != b for a, b in first), len(first), sum(a != b for a, b in top), len(top)


def _pairs(one: Sequence[int], other: Sequence[int]) -> list[tuple[int, int]]:
    return list(zip(one, other, strict=True))


def _asked(
    model: PlainModel | SplitModel, prompts: Sequence[Prompt], edit: Edit, dialect: Dialect
) -> list[Prompt]:
    """Return the prompts, encoded anew behind an edit's context where it has one."""
    if not edit.context:
        return list(prompts)
    return [
        model.encode(
            replace(prompt.question, context=edit.context), dialect, locality=bool(prompt.locality_rows)
        )
        for prompt in prompts
    ]


def _made(edit: Edit | Unscored) -> Edit:
    if not isinstance(edit, Edit):
        raise TypeError(f"the edit was not made: {edit.value}")
    return edit
