"""Decides which pictures play which role in an item, always the same for the same subjects and pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
    one_hop: None for visual_entity. block: name of the closed group whose pictures the item is made of.
    """

    stand_in: str | None
    images: tuple[ItemImage, ...]
    text_locality: str
    image_locality: str
    one_hop: OneHop | None
    block: str


@dataclass(frozen=True, slots=True)
class Roles:
    """Who and what plays which part in an item: a casting before any picture is read.

    shown: subject id of whose pictures are shown. distractor: None for visual_entity. block: as in Casting.
    """

    shown: str
    edit: ImageAsset
    rephrase: ImageAsset
    locality: ImageAsset
    distractor: ImageAsset | None
    text_locality: str
    image_locality: str
    block: str


def cast(
    subjects: Sequence[Subject],
    assets: Sequence[ImageAsset],
    read: Callable[[str], bytes],
    save: Callable[[bytes], str],
) -> dict[str, Casting | Rejected]:
    """Return the casting of every subject, or why it has none, by subject id.

    assets, reasons: as in roles. read, save: as in compose.
    """
    by_id = {subject.subject_id: subject for subject in subjects}
    return {
        key: found if isinstance(found, Rejected) else compose(by_id[key], found, read, save)
        for key, found in roles(subjects, assets).items()
    }


def roles(subjects: Sequence[Subject], assets: Sequence[ImageAsset]) -> dict[str, Roles | Rejected]:
    """Return who plays which part in the item of every subject, or why it has none, by subject id.

    assets: the pictures that deduplication kept. Reasons: no_picture, no_stand_in, no_distractor. As in
    MMKE-Bench, section 3: visual_entity and visual_semantic show another subject of the type, user_specific
    its own pictures, semantic and user items a composite with a distractor, locality a subject of an
    unrelated category.
    """
    pictures = _by_subject(assets)
    lenders = [s for s in subjects if len(pictures.get(s.subject_id, ())) >= MIN_PICTURES]
    circles = _Circles.of(lenders)
    ordered = sorted(subjects, key=lambda subject: subject.subject_id)
    return {subject.subject_id: _roles(subject, circles, pictures) for subject in ordered}


def compose(
    subject: Subject, found: Roles, read: Callable[[str], bytes], save: Callable[[bytes], str]
) -> Casting:
    """Return the casting of a subject with the composite picture that its item needs.

    read: derivative sha256 to bytes; save: bytes of a composite to sha256.
    """
    casting = without_composite(subject, found)
    if found.distractor is None:
        return casting
    composite, one_hop = _composite(subject, found.edit, found.distractor, read, save)
    return replace(casting, images=(*casting.images, composite), one_hop=one_hop)


def without_composite(subject: Subject, found: Roles) -> Casting:
    """Return a casting as far as it is known before any picture is read."""
    return Casting(
        stand_in=None if found.shown == subject.subject_id else found.shown,
        images=(
            _image(found.edit, ImageRole.EDIT),
            _image(found.rephrase, ImageRole.REPHRASE),
            _image(found.locality, ImageRole.LOCALITY),
        ),
        text_locality=found.text_locality,
        image_locality=found.image_locality,
        one_hop=None,
        block=found.block,
    )


@dataclass(frozen=True, slots=True)
class _Circles:
    """The subjects with enough pictures, in the cells and blocks that lend each other pictures."""

    cells: dict[str, Cell]
    blocks: dict[str, Cell]
    kinds: dict[tuple[str, str, str], list[Subject]]

    @classmethod
    def of(cls, lenders: Sequence[Subject]) -> _Circles:
        kinds: dict[tuple[str, str, str], list[Subject]] = defaultdict(list)
        for subject in lenders:
            kinds[_kind(subject)].append(subject)
        return cls(
            {subject.subject_id: cell for cell in cells(lenders) for subject in cell},
            {subject.subject_id: block for block in blocks(lenders) for subject in block},
            dict(kinds),
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
        kin = self.kinds.get(_kind(subject), ())
        return min(kin, key=lambda s: sha256_json([subject.subject_id, s.subject_id]), default=None)

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


def _roles(subject: Subject, circles: _Circles, pictures: dict[str, list[ImageAsset]]) -> Roles | Rejected:
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
    edit, rephrase = _pair(pictures[shown.subject_id])
    is_entity = subject.edit_type is EditType.VISUAL_ENTITY
    return Roles(
        shown=shown.subject_id,
        edit=edit,
        rephrase=rephrase,
        # The last picture of a subject is the one that is least likely to be an edit picture itself.
        locality=pictures[distant[0].subject_id][-1],
        distractor=None if is_entity else pictures[distant[-1].subject_id][0],
        text_locality=distant[-1].subject_id,
        image_locality=distant[0].subject_id,
        block=min(one.subject_id for one in circles.blocks[shown.subject_id]),
    )


def _pair(assets: list[ImageAsset]) -> tuple[ImageAsset, ImageAsset]:
    """Return the edit picture and another: a true second photograph if any, else a derived view."""
    edit = assets[0]
    others = [asset for asset in assets[1:] if asset.derivative_sha256 != edit.derivative_sha256] or assets[
        1:
    ]
    return edit, others[0]


def _composite(
    subject: Subject,
    true: ImageAsset,
    distractor: ImageAsset,
    read: Callable[[str], bytes],
    save: Callable[[bytes], str],
) -> tuple[ItemImage, OneHop]:
    """Put the true object beside a distractor; the side is a matter of the subject's hash."""
    side = "left" if int(sha256_json(["side", subject.subject_id])[:2], 16) % 2 else "right"
    true_bytes, other_bytes = read(true.derivative_sha256), read(distractor.derivative_sha256)
    pair = (true_bytes, other_bytes) if side == "left" else (other_bytes, true_bytes)
    sha256 = save(side_by_side(*pair))
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
