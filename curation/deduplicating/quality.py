"""Measures how well duplicates are found: `python -m curation.deduplicating.quality`."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from curation.atomic import write_atomic
from curation.deduplicating.candidates import Candidate, candidates
from curation.deduplicating.checking import Checker
from curation.deduplicating.copies import Picture, copies, encoded
from curation.deduplicating.features import picture_features
from curation.deduplicating.look_alikes import PAIRED, look_alikes
from curation.deduplicating.pairs import DedupeSettings
from curation.deduplicating.photographs import different, of_folder, of_sample
from curation.errors import Rejected
from curation.ids import sha256_bytes
from curation.images import inspect
from curation.records import PairVerdict, PictureFeatures, Transform

# Least share found (merged or left to people), in per cent; None where no goal is set. Where another
# transform than "same" should be named, only what is named so counts.
RECALL = {
    "resize": 99.0,
    "recompression": 99.0,
    "format": 99.0,
    "brightness": 99.0,
    "crop, symmetric 2 to 15 %": 97.0,
    "crop, asymmetric to 7.5 % a side": 97.0,
    "crop, one side 5 to 15 %": 97.0,
    "crop, asymmetric to 15 % a side": 97.0,
    "border": 97.0,
    "caption bar": 97.0,
    "corner watermark": 97.0,
    "flip": 97.0,
    "quarter turn": 97.0,
}
MOST_MERGED = {"objects on white": 0.0}
MOST_MERGED_ELSEWHERE = 0.5


@dataclass(frozen=True, slots=True)
class _Seen:
    """A picture of the set; derivative_sha256 and sha256 as a collected one has them."""

    image_id: str
    sha256: str
    derivative_sha256: str


@dataclass
class _Shelf:
    """All pictures of one search: their rows, features and bytes."""

    seen: list[_Seen] = field(default_factory=list)
    features: dict[str, PictureFeatures] = field(default_factory=dict)
    artefacts: dict[str, bytes] = field(default_factory=dict)

    def add(self, data: bytes) -> int | None:
        """Return the row of a picture, None when the collection would not take it."""
        found = inspect("picture", data)
        if isinstance(found, Rejected):
            return None
        name = f"{len(self.seen):06d}"
        self.seen.append(_Seen(name, found.sha256, self.save(found.derivative)))
        made = picture_features(name, found.derivative, self.save, found.derivative_sha256)
        self.features[name] = made.model_copy(update={"sha256": found.sha256})
        return len(self.seen) - 1

    def save(self, data: bytes) -> str:
        name = sha256_bytes(data)
        self.artefacts[name] = data
        return name

    def candidates(self, settings: DedupeSettings) -> dict[tuple[int, int], Candidate]:
        """Return the candidate pairs of the whole shelf, by rows."""
        made = [self.features[one.image_id] for one in self.seen]
        found = candidates(made, lambda row: self.artefacts[made[row].thumbnail_sha256], settings)
        return {(pair.first, pair.second): pair for pair in found.pairs}

    def checker(self, settings: DedupeSettings) -> Checker:
        """Return what looks closely at its pairs."""
        return Checker(self.seen, self.features, self.artefacts.__getitem__, settings)


@dataclass
class Row:
    """One row of the table: pairs of one kind, and how many came to what."""

    kind: str
    copies: bool
    pairs: int = 0
    candidates: int = 0
    merged: int = 0
    review: int = 0
    named: int = 0
    naming: bool = False

    @property
    def found(self) -> float:
        """Return the share found, in per cent: named rightly, where there is a transform to name."""
        return 100 * (self.named if self.naming else self.merged + self.review) / max(self.pairs, 1)

    @property
    def goal(self) -> float | None:
        """Return the least share found of copies, the most merged of look-alikes, in per cent."""
        if self.copies:
            return RECALL.get(self.kind)
        return MOST_MERGED.get(self.kind, MOST_MERGED_ELSEWHERE)

    @property
    def reached(self) -> bool:
        """Return whether the goal is reached; true without one."""
        if self.goal is None:
            return True
        if self.copies:
            return self.found >= self.goal
        return 100 * self.merged <= self.goal * self.pairs


def of_copies(pictures: Sequence[Picture], settings: DedupeSettings) -> list[Row]:
    """Return a row for each kind of copy: every photograph against the copies that were made of it."""
    shelf, rows = _Shelf(), dict[str, Row]()
    wanted: list[tuple[int, int, str, Transform]] = []
    for number, picture in enumerate(pictures):
        base = shelf.add(encoded(picture))
        for copy in copies(picture, f"photograph {number}"):
            row = shelf.add(copy.data)
            if base is not None and row is not None:
                wanted.append((base, row, copy.kind, copy.transform))
    found, checker = shelf.candidates(settings), shelf.checker(settings)
    for base, row, kind, transform in wanted:
        into = rows.setdefault(kind, Row(kind, copies=True, naming=transform is not Transform.SAME))
        into.pairs += 1
        candidate = found.get((base, row))
        if candidate is not None:
            _count(into, candidate, checker, transform)
    return list(rows.values())


def of_look_alikes(pictures: Sequence[Picture], count: int, settings: DedupeSettings) -> list[Row]:
    """Return a row for each set of pictures that look alike and are not."""
    rows = []
    for kind, made in look_alikes(pictures, count, "look-alikes").items():
        shelf = _Shelf()
        for data in made:
            shelf.add(data)
        total = len(shelf.seen)
        paired = kind in PAIRED
        row = Row(kind, copies=False, pairs=total // 2 if paired else total * (total - 1) // 2)
        checker = shelf.checker(settings)
        for (first, second), candidate in shelf.candidates(settings).items():
            if not paired or first // 2 == second // 2:
                _count(row, candidate, checker, None)
        rows.append(row)
    return rows


def _count(row: Row, candidate: Candidate, checker: Checker, transform: Transform | None) -> None:
    pair = checker.check(candidate)
    row.candidates += 1
    row.merged += pair.verdict is PairVerdict.MERGE
    row.review += pair.verdict is PairVerdict.REVIEW
    row.named += pair.verdict is not PairVerdict.DISTINCT and pair.transform is transform


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table."""
    lines = io.StringIO()
    lines.write("| copies of a photograph | pairs | candidates | merged | to people | found | goal |\n")
    lines.write("| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n")
    for row in (row for row in rows if row.copies):
        shares = [100 * number / max(row.pairs, 1) for number in (row.candidates, row.merged, row.review)]
        told = " | ".join(f"{share:.1f} %" for share in [*shares, row.found])
        lines.write(f"| {row.kind} | {row.pairs} | {told} | {_goal(row, 'at least')} |\n")
    lines.write("\n| other pictures that look alike | pairs | candidates | merged | to people | goal |\n")
    lines.write("| --- | ---: | ---: | ---: | ---: | ---: |\n")
    for row in (row for row in rows if not row.copies):
        share = 100 * row.merged / max(row.pairs, 1)
        told = f"{row.candidates} | {row.merged} ({share:.2f} %) | {row.review}"
        lines.write(f"| {row.kind} | {row.pairs} | {told} | {_goal(row, 'at most')} |\n")
    return lines.getvalue()


def _goal(row: Row, bound: str) -> str:
    if row.goal is None:
        return "none"
    return f"{bound} {row.goal:g} %{'' if row.reached else ', missed'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a goal is missed, 2 when the folder has too few photographs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", type=Path, help="a folder of them; the sample's without it")
    parser.add_argument("--sample", type=Path, default=Path(".cache/sample/gcompris-qt-data.deb"))
    parser.add_argument("--most", type=int, default=60, help="photographs to use")
    parser.add_argument("--look-alikes", type=int, default=60, help="pictures of each set of look-alikes")
    parser.add_argument("--out", type=Path, help="where to write the table, as Markdown")
    given = parser.parse_args(arguments)
    console = Console()
    taken = of_folder(given.photographs) if given.photographs else of_sample(given.sample)
    pictures = different(taken, given.most)
    if len(pictures) < 2:
        console.print(f"{given.photographs} has {len(pictures)} photographs; give a folder with more")
        return 2
    settings = DedupeSettings()
    rows = of_copies(pictures, settings) + of_look_alikes(pictures, given.look_alikes, settings)
    text = (
        f"{len(pictures)} photographs; found: merged or left to people, the transform named.\n\n{table(rows)}"
    )
    console.print(text, markup=False, soft_wrap=True)
    if given.out:
        write_atomic(given.out, text.encode("utf-8"))
    return 0 if all(row.reached for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
