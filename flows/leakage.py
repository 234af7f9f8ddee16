"""Looks for photographs that stand on both sides of a split, or in an earlier release already."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.atomic import write_atomic
from curation.deduplicating.leakage import (
    Finding,
    Use,
    across_splits,
    across_subjects,
    against_releases,
    uses_of,
)
from curation.records import DuplicatePair, ImageAsset
from flows.settings import Settings
from warehouse.release import ITEMS, Release, open_release

# What a spreadsheet takes for the start of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Released:
    """A picture of an earlier release that is not collected any more, as it is compared."""

    image_id: str
    sha256: str

    @property
    def derivative_sha256(self) -> str:
        """Return the sha256 of its bytes: a release has the derivative only."""
        return self.sha256


def earlier_releases(settings: Settings) -> list[Release]:
    """Return every frozen release, verified, by name; IntegrityError for a damaged one."""
    folders = settings.releases.iterdir() if settings.releases.is_dir() else ()
    return [open_release(folder) for folder in sorted(folders) if (folder / ITEMS).is_file()]


def released_pictures(
    releases: Sequence[Release], assets: Sequence[ImageAsset], save: Callable[[bytes], str]
) -> list[Released]:
    """Return the photographs of releases that are not among the collected ones, in id order; bytes saved.

    Pictures that were made of others (views, one-hop pictures) are left out: they repeat on purpose.
    """
    there = {asset.image_id for asset in assets}
    found: dict[str, Released] = {}
    for release in releases:
        for image in (image for entry in release.items for image in entry.item.images):
            if image.image_id not in there and not image.parents:
                found[image.image_id] = Released(image.image_id, save(release.image(image.sha256)))
    return [found[key] for key in sorted(found)]


def find_leaks(
    releases: Sequence[Release], assets: Sequence[ImageAsset], pairs: Sequence[DuplicatePair]
) -> list[Finding]:
    """Return where one photograph stands twice: for two subjects, in two splits, in an earlier release."""
    uses: dict[str, list[Use]] = {}
    for release in releases:
        for image_id, places in uses_of(release.version, release.items).items():
            uses.setdefault(image_id, []).extend(places)
    subject = {asset.image_id: asset.subject_id for asset in assets}
    return [
        *across_subjects(pairs, subject),
        *across_splits(pairs, uses),
        *against_releases(pairs, uses, subject),
    ]


def write_leaks(found: Sequence[Finding], out: Path) -> Path:
    """Write the table of leaks as CSV, at once or not at all; no cell is a formula."""
    lines = io.StringIO()
    table = csv.writer(lines)
    table.writerow(Finding.model_fields)
    for finding in found:
        cells = [str(value) for value in finding.model_dump(mode="json").values()]
        table.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    write_atomic(out, lines.getvalue().encode("utf-8"))
    return out
