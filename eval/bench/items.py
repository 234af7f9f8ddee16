"""Made-up items of the benchmark's shape: as many prompts, pictures and tokens as an entity item has."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from curation.ids import sha256_bytes
from curation.records import EditType, ImageRole, ProbeKind
from eval.editors.port import EditRequest
from eval.models.network import Network
from eval.models.port import Picture, Prompt, Question
from eval.records import CaseProbe, Dialect, EditCase

# Sizes of an item of MMKE-Bench in tokens: its target, a question, an answer.
TARGET, QUESTION, ANSWER = 100, 20, 8


class WordCodec:
    """One token a word, so that a text has as many tokens as it is told to have, whatever the model."""

    def __init__(self, first: int, last: int) -> None:
        """first, last: the ids that words get."""
        self._first, self._size = first, last - first

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the ids of the words and where they are."""
        ids, offsets, start = [], [], 0
        for word in text.split(" "):
            if word:
                ids.append(self._first + zlib.crc32(word.encode()) % self._size)
                offsets.append((start, start + len(word)))
            start += len(word) + 1
        return ids, offsets

    def decode(self, ids: Sequence[int]) -> str:
        """Return the ids as text."""
        return " ".join(map(str, ids))


@dataclass(frozen=True)
class Item:
    """An edit and its nine probes; unreported: three prompts that the reference reads and reports nowhere."""

    request: EditRequest
    probes: tuple[Prompt, ...]
    unreported: tuple[Prompt, ...]

    @property
    def locality(self) -> tuple[Prompt, ...]:
        """Return the prompts whose base answer is needed."""
        return tuple(prompt for prompt in self.probes if prompt.locality_rows)


# What is asked of an entity item, by the picture that it is asked on.
_ASKED = (
    (ProbeKind.T_REL, None), (ProbeKind.T_REL, None), (ProbeKind.I_REL, ImageRole.EDIT),
    (ProbeKind.I_REL, ImageRole.EDIT), (ProbeKind.I_GEN, ImageRole.REPHRASE),
    (ProbeKind.I_GEN, ImageRole.REPHRASE), (ProbeKind.T_LOC, None), (ProbeKind.I_LOC, ImageRole.LOCALITY),
    (ProbeKind.PORT, ImageRole.EDIT),
)  # fmt: skip


def made_up(model: Network, count: int, dialect: Dialect, target: int = TARGET) -> list[Item]:
    """Return so many items in a model's encoding; target: tokens of an edit's target."""
    return [_item(model, number, dialect, target) for number in range(count)]


def _item(model: Network, number: int, dialect: Dialect, target: int) -> Item:
    rng = Random(number)
    roles = (ImageRole.EDIT, ImageRole.REPHRASE, ImageRole.LOCALITY)
    pictures = {role: _picture(3 * number + place) for place, role in enumerate(roles)}
    told, asked, again = _words(rng, target), _words(rng, QUESTION), _words(rng, QUESTION)
    questions = [
        (
            kind,
            role,
            Question(_words(rng, QUESTION), _words(rng, ANSWER), pictures.get(role) if role else None),
        )
        for kind, role in _ASKED
    ]
    case = EditCase(
        case_id=f"made-up-{number}",
        subject_name="it",
        edit_type=EditType.VISUAL_ENTITY,
        category="made-up",
        fine_type="made-up",
        user_name=None,
        request=asked,
        rephrased_request=again,
        original_text=_words(rng, target),
        target=told,
        image=pictures[ImageRole.EDIT].sha256,
        probes=tuple(
            CaseProbe(
                probe_id=str(place),
                kind=kind,
                question=question.prompt,
                answer=question.answer,
                image_role=role,
                image=question.picture.sha256 if question.picture else None,
            )
            for place, (kind, role, question) in enumerate(questions)
        ),
    )
    local = {ProbeKind.T_LOC, ProbeKind.I_LOC}
    edit, rephrase = pictures[ImageRole.EDIT], pictures[ImageRole.REPHRASE]
    return Item(
        EditRequest(case, model.encode(Question(asked, told, edit), dialect)),
        tuple(model.encode(question, dialect, locality=kind in local) for kind, _, question in questions),
        tuple(
            model.encode(question, dialect)
            for question in (
                Question(asked, told, edit),
                Question(again, told, edit),
                Question(asked, told, rephrase),
            )
        ),
    )


def _words(rng: Random, count: int) -> str:
    return " ".join(f"w{rng.randrange(100_000)}" for _ in range(count))


def _picture(number: int) -> Picture:
    """Return a JPEG of noise, 400 x 300 pixels."""
    from PIL import Image

    noise = Random(number).randbytes(40 * 30 * 3)
    file = io.BytesIO()
    Image.frombytes("RGB", (40, 30), noise).resize((400, 300)).save(file, "JPEG", quality=90)
    return Picture(sha256_bytes(file.getvalue()), file.getvalue())
