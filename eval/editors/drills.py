"""The prompts on which an editor is trained, made of a train case, and the losses over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from curation.ids import sha256_bytes
from curation.records import ProbeKind
from eval.models.port import DoesNotFitError, Edit, MultimodalModel, Picture, Prompt, Question
from eval.records import Dialect, EditCase

if TYPE_CHECKING:
    from torch import Tensor

Pictures = Callable[[str], bytes]


@dataclass(frozen=True)
class Drill:
    """What a train case teaches, as in easyeditor/trainer/MultimodalTrainer.py; None: it has no such prompt.

    edit: request -> target on the edit picture. rephrased: the rephrased request, same target and
    picture. elsewhere: request -> target on the rephrase picture. text_locality, image_locality: what
    must not change.
    """

    edit: Prompt
    rephrased: Prompt | None
    elsewhere: Prompt | None
    text_locality: Prompt | None
    image_locality: Prompt | None

    @property
    def prompts(self) -> list[Prompt]:
        """Return all prompts that there are."""
        every = (self.edit, self.rephrased, self.elsewhere, self.text_locality, self.image_locality)
        return [prompt for prompt in every if prompt is not None]


def edit_prompt(
    model: MultimodalModel, case: EditCase, pictures: Pictures, dialect: Dialect
) -> Prompt | None:
    """Return request -> target on the edit picture, None when it does not fit the model."""
    return _encoded(model, Question(case.request, case.target, _picture(pictures, case.image)), dialect)


def fitting_cases(
    model: MultimodalModel, cases: Sequence[EditCase], pictures: Pictures, dialect: Dialect
) -> list[EditCase]:
    """Return the cases whose edit fits the model: the others can neither teach nor validate."""
    return [case for case in cases if edit_prompt(model, case, pictures, dialect) is not None]


def drill(model: MultimodalModel, case: EditCase, pictures: Pictures, dialect: Dialect) -> Drill | None:
    """Return a case's prompts in a dialect, None when the edit itself does not fit the model.

    The rephrase picture is that of the I-Gen probe. Of the locality probes the first of each kind counts.
    """
    edit = edit_prompt(model, case, pictures, dialect)
    if edit is None:
        return None
    probes = {probe.kind: probe for probe in reversed(case.probes)}
    other, text, image = (probes.get(kind) for kind in (ProbeKind.I_GEN, ProbeKind.T_LOC, ProbeKind.I_LOC))
    rephrased = Question(case.rephrased_request, case.target, edit.question.picture)
    elsewhere = other and other.image and Question(case.request, case.target, _picture(pictures, other.image))
    kept = text and Question(text.question, text.answer)
    seen = image and image.image and Question(image.question, image.answer, _picture(pictures, image.image))
    return Drill(
        edit,
        _encoded(model, rephrased, dialect),
        _encoded(model, elsewhere, dialect) if elsewhere else None,
        _encoded(model, kept, dialect, locality=True) if kept else None,
        _encoded(model, seen, dialect, locality=True) if seen else None,
    )


def locality_loss(prompt: Prompt, before: Tensor, after: Tensor) -> Tensor:
    """Return KL(before || after) [] over the vocabulary, its mean over the positions that locality compares.

    before, after: logits at prompt.rows of the unedited and of the edited model
    (easyeditor/trainer/losses.py, kl_loc_loss).
    """
    place = {row: number for number, row in enumerate(prompt.rows)}
    compared = [place[row] for row in prompt.locality_rows]
    base, edited = before[compared].log_softmax(-1), after[compared].log_softmax(-1)
    return (base.exp() * (base - edited)).sum(-1).mean()


def base_logits(model: MultimodalModel, prompts: Sequence[Prompt]) -> list[Tensor]:
    """Return the unedited model's logits at each prompt's rows, without gradients."""
    import torch

    with torch.no_grad():
        return model.logits(prompts, Edit()) if prompts else []


def _picture(pictures: Pictures, sha256: str) -> Picture:
    data = pictures(sha256)
    return Picture(sha256_bytes(data), data)


def _encoded(
    model: MultimodalModel, question: Question, dialect: Dialect, *, locality: bool = False
) -> Prompt | None:
    try:
        return model.encode(question, dialect, locality=locality)
    except DoesNotFitError:
        return None
