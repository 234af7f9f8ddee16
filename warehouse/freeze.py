"""Cuts a release: select, check, build in a folder aside, verify, rename."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.atomic import sync_folder
from curation.errors import IntegrityError, PrerequisiteError
from curation.ids import canonical_json
from curation.records import ImageRole, KnowledgeItem, ProbeKind, ReleasedItem, Verdict, VerdictState
from warehouse.card import render_attribution, render_card, reviewed_by
from warehouse.formats.hugging_face import write_parquet
from warehouse.formats.mmke_json import write_layout
from warehouse.manifest import MANIFEST, write_manifest
from warehouse.release import ITEMS, Release, open_release
from warehouse.splits import assign, leaks

_VERSION = re.compile(r"\d+\.\d+\.\d+")
ACCEPTED = frozenset({VerdictState.APPROVED, VerdictState.FIXED})
NEEDED_KINDS = frozenset(ProbeKind)
NEEDED_ROLES = frozenset({ImageRole.EDIT, ImageRole.REPHRASE, ImageRole.LOCALITY})


@dataclass(frozen=True, slots=True)
class Selection:
    """What a freeze starts from: the accepted verdicts and how their items were drafted."""

    verdicts: Sequence[Verdict]
    drafter: str
    is_llm: bool


def freeze(
    releases: Path, version: str, selection: Selection, read: Callable[[str], bytes]
) -> tuple[Release, bool]:
    """Make releases/version and return it, with False when it existed already with the same bytes.

    read returns a picture's bytes by sha256. Raises PrerequisiteError for a bad version or when nothing
    is approved, IntegrityError when a gate fails or the version exists with other bytes.
    """
    if not _VERSION.fullmatch(version):
        raise PrerequisiteError(f"{version!r} is no version; give three numbers such as 0.1.0")
    accepted = [verdict for verdict in selection.verdicts if verdict.state in ACCEPTED and verdict.item]
    items = sorted((verdict.item for verdict in accepted if verdict.item), key=lambda item: item.item_id)
    if not items:
        raise PrerequisiteError(
            "no item is approved yet; run `mmke push` and `mmke pull` after people have voted"
        )
    released = _release_items(items)
    target = releases / version
    aside = releases / f".building-{version}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    _write(aside, version, released, Selection(accepted, selection.drafter, selection.is_llm), read)
    built = open_release(aside)
    if target.exists():
        _same_bytes(target, aside, built)
        shutil.rmtree(aside)
        return open_release(target), False
    aside.rename(target)
    sync_folder(releases)
    return open_release(target), True


def _release_items(items: Sequence[KnowledgeItem]) -> list[ReleasedItem]:
    """Split the items and apply the gates that a release must pass."""
    for item in items:
        missing = [str(kind) for kind in sorted(NEEDED_KINDS) if not item.probes_of(kind)]
        missing += [f"{role} picture" for role in sorted(NEEDED_ROLES) if item.image(role) is None]
        if missing:
            raise IntegrityError(
                f"{item.item_id} lacks {', '.join(missing)}; review it again before freezing"
            )
    split = assign(items)
    leaked = leaks(items, split)
    if leaked:
        one, other, link = leaked[0]
        raise IntegrityError(f"{len(leaked)} links leak across the split, first {one} and {other} by {link}")
    return [ReleasedItem(item=item, split=split[item.item_id]) for item in items]


def _write(
    folder: Path,
    version: str,
    released: Sequence[ReleasedItem],
    selection: Selection,
    read: Callable[[str], bytes],
) -> None:
    lines = [canonical_json(entry.model_dump(mode="json")) for entry in released]
    (folder / ITEMS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_parquet(folder, released, read)
    write_layout(folder, released, read)
    reviewed = reviewed_by(selection.verdicts)
    card = render_card(
        version, released, reviewed=reviewed, drafter=selection.drafter, is_llm=selection.is_llm
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    (folder / "ATTRIBUTION.md").write_text(render_attribution(released), encoding="utf-8")
    write_manifest(folder, version, released, selection.drafter, selection.is_llm)


def _same_bytes(target: Path, aside: Path, built: Release) -> None:
    """Refuse to touch a version that exists with other bytes; a published release never changes."""
    existing = open_release(target)
    if (target / MANIFEST).read_bytes() != (aside / MANIFEST).read_bytes():
        shutil.rmtree(aside)
        raise IntegrityError(
            f"release {existing.version} exists with other content ({existing.content_sha256[:12]}, now "
            f"{built.content_sha256[:12]}); choose the next version"
        )
