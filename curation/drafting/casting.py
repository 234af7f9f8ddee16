"""Decides which pictures play which role in an item, always the same for the same subjects and pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from curation.drafting.blocks import Cell, blocks, cells
from curation.errors import Reason, Rejected
from curation.ids import sha256_json, short_id
from curation.images import main_colour, side_by_side
from curation.records import EditType, ImageAsset, ImageOrigin, ImageRole, ItemImage, Subject

MIN_PICTURES = 2
"""One to edit with and one to test with (MMKE-Bench, section 3: at least two pictures)."""

CLEAR_SHARE = 0.35
"""A main colour is asked for when it covers at least this share of its half."""


@dataclass(frozen=True, slots=True)
class OneHop:
    """The composite picture's question: on which side the true object is, and that half's colour if clear."""

    side: str
    colour: str | None


@dataclass(frozen=True, slots=True)
class Casting:
    """The pictures of one item and the unrelated subjects that its locality questions ask about.

    stand_in: subject id, None for user_specific. text_locality, image_locality: subject ids.
    one_hop: None for visual_entity.
    """

    stand_in: str | None
    images: tuple[ItemImage, ...]
    text_locality: str
    image_locality: str
    one_hop: OneHop | None


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The kept pictures by subject, and how to read and save derivatives."""

    assets: dict[str, list[ImageAsset]]
    read: Callable[[str], bytes]
    save: Callable[[bytes], str]

    def count(self, subject_id: str) -> int:
        return len(self.assets.get(subject_id, []))


def cast(
    subjects: Sequence[Subject],
    assets: Sequence[ImageAsset],
    read: Callable[[str], bytes],
    save: Callable[[bytes], str],
) -> dict[str, Casting | Rejected]:
    """Return the casting of every subject, or why it has none, by subject id.

    assets: the pictures that deduplication kept. read: derivative sha256 to bytes; save: bytes of a
    composite to sha256. Reasons: no_picture, no_stand_in, no_distractor. As in MMKE-Bench, section 3:
    visual_entity and visual_semantic show another subject of the type, user_specific its own pictures,
    semantic and user items a composite with a distractor, locality a subject of an unrelated category.
    """
    pictures = _Pictures(_by_subject(assets), read, save)
    circles = _Circles.of([s for s in subjects if pictures.count(s.subject_id) >= MIN_PICTURES])
    ordered = sorted(subjects, key=lambda subject: subject.subject_id)
    return {subject.subject_id: _cast_one(subject, circles, pictures) for subject in ordered}


@dataclass(frozen=True, slots=True)
class _Circles:
    """The subjects with enough pictures, in the cells and blocks that lend each other pictures."""

    cells: dict[str, Cell]
    blocks: dict[str, Cell]

    @classmethod
    def of(cls, lenders: Sequence[Subject]) -> _Circles:
        return cls(
            {subject.subject_id: cell for cell in cells(lenders) for subject in cell},
            {subject.subject_id: block for block in blocks(lenders) for subject in block},
        )

    def shown(self, subject: Subject) -> Subject | None:
        """Return whose pictures an item about a subject shows, None when nobody's will do."""
        own = self.cells.get(subject.subject_id)
        if subject.edit_type is EditType.USER_SPECIFIC:
            return subject if own else None
        if own is not None:
            partner = own[(own.index(subject) + 1) % len(own)]
            return partner if partner is not subject else None
        # A subject without enough pictures of its own can still be edited with those of its kind.
        kin = [s for cell in self.cells.values() for s in cell if _kind(s) == _kind(subject)]
        ranked = sorted(kin, key=lambda s: sha256_json([subject.subject_id, s.subject_id]))
        return ranked[0] if ranked else None

    def unrelated(self, subject: Subject, shown: Subject) -> list[Subject]:
        """Return the subjects of other categories in the block, in an order of the subject's own."""
        found = [s for s in self.blocks[shown.subject_id] if s.category != subject.category]
        return sorted(found, key=lambda s: sha256_json(["locality", subject.subject_id, s.subject_id]))


def _kind(subject: Subject) -> tuple[str, str, str]:
    return subject.edit_type.value, subject.category, subject.fine_type


def _by_subject(assets: Sequence[ImageAsset]) -> dict[str, list[ImageAsset]]:
    found: dict[str, list[ImageAsset]] = defaultdict(list)
    for asset in sorted(assets, key=_preference):
        found[asset.subject_id].append(asset)
    return dict(found)


def _preference(asset: ImageAsset) -> tuple[bool, str]:
    """Real pictures before derived ones, else by id."""
    return asset.origin is ImageOrigin.DERIVED, asset.image_id


def _cast_one(subject: Subject, circles: _Circles, pictures: _Pictures) -> Casting | Rejected:
    shown = circles.shown(subject)
    if shown is None and subject.edit_type is EditType.USER_SPECIFIC:
        return Rejected(
            subject.subject_id, Reason.NO_PICTURE, f"fewer than {MIN_PICTURES} pictures were kept"
        )
    if shown is None:
        return Rejected(
            subject.subject_id,
            Reason.NO_STAND_IN,
            f"no other {subject.fine_type} of {subject.category} has {MIN_PICTURES} pictures",
        )
    distant = circles.unrelated(subject, shown)
    if not distant:
        return Rejected(
            subject.subject_id, Reason.NO_DISTRACTOR, "no subject of another category has enough pictures"
        )
    edit, rephrase = _pair(pictures.assets[shown.subject_id])
    # The last picture of a subject is the one that is least likely to be an edit picture itself.
    locality = pictures.assets[distant[0].subject_id][-1]
    images = [
        _image(edit, ImageRole.EDIT),
        _image(rephrase, ImageRole.REPHRASE),
        _image(locality, ImageRole.LOCALITY),
    ]
    one_hop = None
    if subject.edit_type is not EditType.VISUAL_ENTITY:
        distractor = pictures.assets[distant[-1].subject_id][0]
        composite, one_hop = _composite(subject, edit, distractor, pictures)
        images.append(composite)
    return Casting(
        stand_in=None if shown is subject else shown.subject_id,
        images=tuple(images),
        text_locality=distant[-1].subject_id,
        image_locality=distant[0].subject_id,
        one_hop=one_hop,
    )


def _pair(assets: list[ImageAsset]) -> tuple[ImageAsset, ImageAsset]:
    """Return the edit picture and another: a true second photograph if any, else a derived view."""
    edit = assets[0]
    others = [asset for asset in assets[1:] if asset.derivative_sha256 != edit.derivative_sha256] or assets[
        1:
    ]
    return edit, others[0]


def _composite(
    subject: Subject, true: ImageAsset, distractor: ImageAsset, pictures: _Pictures
) -> tuple[ItemImage, OneHop]:
    """Put the true object beside a distractor; the side is a matter of the subject's hash."""
    side = "left" if int(sha256_json(["side", subject.subject_id])[:2], 16) % 2 else "right"
    true_bytes, other_bytes = (
        pictures.read(true.derivative_sha256),
        pictures.read(distractor.derivative_sha256),
    )
    pair = (true_bytes, other_bytes) if side == "left" else (other_bytes, true_bytes)
    sha256 = pictures.save(side_by_side(*pair))
    ordered = (true, distractor) if side == "left" else (distractor, true)
    image = ItemImage(
        role=ImageRole.ONE_HOP,
        sha256=sha256,
        image_id=short_id("one-hop", subject.subject_id, *(asset.image_id for asset in ordered)),
        subject_id=true.subject_id,
        origin=ImageOrigin.DERIVED,
        parents=tuple(asset.image_id for asset in ordered),
        licence=" AND ".join(sorted({asset.licence for asset in ordered})),
        attribution="; ".join(dict.fromkeys(asset.attribution for asset in ordered)),
        source_page=true.source_page,
    )
    # "The main colour of the half that shows red" would ask for what the edit denies.
    colour = None if subject.category == "color" else _clear_colour(true_bytes, other_bytes)
    return image, OneHop(side, colour)


def _clear_colour(true: bytes, other: bytes) -> str | None:
    """Return the main colour of the true half when it is clear and not the other half's too."""
    colour, share = main_colour(true)
    return colour if share >= CLEAR_SHARE and main_colour(other)[0] != colour else None


def _image(asset: ImageAsset, role: ImageRole) -> ItemImage:
    return ItemImage(
        role=role,
        sha256=asset.derivative_sha256,
        image_id=asset.image_id,
        subject_id=asset.subject_id,
        origin=asset.origin,
        parents=(asset.parent,) if asset.parent else (),
        licence=asset.licence,
        attribution=asset.attribution,
        source_page=asset.source_page,
    )
