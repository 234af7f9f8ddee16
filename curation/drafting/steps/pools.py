"""Question pools that the user names: locality questions and pictures of theirs, checked row by row."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from curation.drafting.checks.words import says
from curation.drafting.checks.writing import hostile_words
from curation.drafting.steps.rows import Row, is_address, read_rows
from curation.drafting.steps.schemas import LocalityQuestion
from curation.errors import Reason, Rejected
from curation.ids import sha256_json, short_id
from curation.images import MAX_BYTES, Inspected
from curation.licences import check_licence
from curation.records import ImageOrigin, ImageRole, ItemImage

_WANTED = ("question", "answer", "licence", "source")
_OPTIONAL = ("picture", "attribution")

Inspect = Callable[[str, bytes], Awaitable[Inspected | Rejected]]


@dataclass(frozen=True, slots=True)
class PoolQuestion:
    """One row of a pool. image: its picture, kept as any other; None for a text question."""

    question: str
    answer: str
    source: str
    licence: str
    image: ItemImage | None = None


@dataclass(frozen=True)
class Pool:
    """The sound rows of the pools, and the others with file, line and reason.

    rejected: the key is 'file:line'.
    """

    questions: tuple[PoolQuestion, ...] = ()
    rejected: tuple[Rejected, ...] = ()

    def choose(self, seed: str, touches: Collection[str], *, with_image: bool) -> PoolQuestion | None:
        """Return a row that has nothing to do with an item, always the same for the same seed.

        touches: words of the item (its name, its values, its category) that neither the question nor the
        answer may hold. None when no row is left.
        """
        rows = self._with_image if with_image else self._without_image
        if not rows:
            return None
        start = int(sha256_json([seed, with_image])[:12], 16) % len(rows)
        ordered = (rows[(start + step) % len(rows)] for step in range(len(rows)))
        return next((row for row in ordered if not _touched(row, touches)), None)

    @cached_property
    def _with_image(self) -> list[PoolQuestion]:
        return _in_order(row for row in self.questions if row.image is not None)

    @cached_property
    def _without_image(self) -> list[PoolQuestion]:
        return _in_order(row for row in self.questions if row.image is None)


def _in_order(rows: Iterable[PoolQuestion]) -> list[PoolQuestion]:
    """Return rows in an order of their content: that of the files does not matter."""
    return sorted(rows, key=lambda row: sha256_json([row.question, row.answer]))


def _touched(row: PoolQuestion, touches: Collection[str]) -> bool:
    return any(says(row.question, one) or says(row.answer, one) for one in touches)


async def load_pools(
    paths: Sequence[Path],
    allowed: Collection[str],
    inspect: Inspect,
    keep: Callable[[bytes], str],
) -> Pool:
    """Return the rows of CSV and JSONL files.

    Columns: question, answer, licence, source (a web address), and where there is a picture: picture (a file
    in the folder of the pool) and attribution. allowed: SPDX identifiers of licences that a release may use.
    inspect: decodes untrusted bytes. keep: bytes of a derivative to their sha256. Reasons: list_row_invalid,
    hostile_content, unsafe_path, those of licences and of pictures. Raises PrerequisiteError when a file
    cannot be read or lacks a column.
    """
    questions: list[PoolQuestion] = []
    rejected: list[Rejected] = []
    for path in paths:
        for row in read_rows(path, _WANTED, _OPTIONAL):
            found = (
                row
                if isinstance(row, Rejected)
                else await _question(row, path.parent, allowed, inspect, keep)
            )
            if isinstance(found, Rejected):
                rejected.append(found)
            else:
                questions.append(found)
    return Pool(tuple(dict.fromkeys(questions)), tuple(rejected))


async def _question(
    row: Row, folder: Path, allowed: Collection[str], inspect: Inspect, keep: Callable[[bytes], str]
) -> PoolQuestion | Rejected:
    values = row.values
    try:
        words = LocalityQuestion(question=values["question"], answer=values["answer"])
    except ValidationError as error:
        return Rejected(row.key, Reason.LIST_ROW_INVALID, f"question or answer {error.errors()[0]['msg']}")
    for name in ("question", "answer", "attribution"):
        if fault := hostile_words(values[name]):
            return Rejected(row.key, Reason.HOSTILE_CONTENT, f"{name} holds {fault[0]}")
    if says(words.question, words.answer):
        return Rejected(row.key, Reason.ANSWER_IN_QUESTION, "the answer stands in its own question")
    if not is_address(values["source"]):
        return Rejected(row.key, Reason.LIST_ROW_INVALID, "source is no web address")
    licence = check_licence(row.key, values["licence"], allowed)
    if isinstance(licence, Rejected):
        return licence
    image = await _picture(row, folder, licence, inspect, keep) if values["picture"] else None
    if isinstance(image, Rejected):
        return image
    return PoolQuestion(words.question, words.answer, values["source"], licence, image)


async def _picture(
    row: Row, folder: Path, licence: str, inspect: Inspect, keep: Callable[[bytes], str]
) -> ItemImage | Rejected:
    """Return a row's picture once it is decoded and kept; only files inside the pool's folder are read."""
    try:
        root = folder.resolve(strict=True)
        path = (root / row.values["picture"]).resolve(strict=True)
        if not path.is_relative_to(root) or not path.is_file():
            return Rejected(row.key, Reason.UNSAFE_PATH, "the picture is no file in the folder of the pool")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError):
        return Rejected(row.key, Reason.NO_PICTURE, "the picture cannot be read")
    found = await inspect(row.key, data)
    if isinstance(found, Rejected):
        return found
    image_id = short_id("pool", found.sha256)
    return ItemImage(
        role=ImageRole.LOCALITY,
        sha256=keep(found.derivative),
        image_id=image_id,
        subject_id=image_id,
        origin=ImageOrigin.PHOTOGRAPH,
        parents=(),
        licence=licence,
        attribution=row.values["attribution"] or row.values["source"],
        source_page=row.values["source"],
    )
