"""The page of duplicates: pairs for people on top, then groups, and what helps to choose thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.galleries.cards import Card, card
from curation.galleries.distances import chart, distances
from curation.galleries.page import write_page
from curation.galleries.thumbnails import MOST_ON_A_PAGE, Thumbnails
from curation.galleries.words import measured, transform_words
from curation.records import (
    ClusterMember,
    DuplicateCluster,
    DuplicatePair,
    ImageAsset,
    PairVerdict,
    PictureFeatures,
    Transform,
)

# Members of a group that are shown; a hundred copies of one picture say no more than these.
_MOST_MEMBERS = 40
# Pairs on a page: among pages of print, a few pictures are in doubt with hundreds of others.
_MOST_PAIRS = 500
_PLAIN = (Transform.SAME, Transform.IDENTICAL)


@dataclass(frozen=True, slots=True)
class _Pair:
    first: Card
    second: Card
    transform: str
    bits: int | None
    measures: list[tuple[str, str]]
    reason: str


@dataclass(frozen=True, slots=True)
class _Member:
    card: Card
    relation: str
    transform: str
    bits: int
    measures: list[tuple[str, str]]
    reason: str
    ruled: bool


@dataclass(frozen=True, slots=True)
class _Group:
    cluster_id: str
    keeper: Card
    keep_reason: str
    members: list[_Member]
    left_out: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What one page shows, as records."""

    pairs: list[DuplicatePair]
    clusters: list[DuplicateCluster]
    plain: list[ImageAsset]


def duplicate_gallery(
    clusters: Sequence[DuplicateCluster],
    pairs: Sequence[DuplicatePair],
    assets: Mapping[str, ImageAsset],
    read: Callable[[str], bytes],
    out: Path,
    features: Mapping[str, PictureFeatures],
) -> Path:
    """Write the page of duplicates and return `out`; more than 1,000 pictures go on in -2, -3 and so forth.

    First the pairs for people, most alike first and those of which one is dropped anyway last, each with
    the command that rules it; then the groups, least sure first, the keeper outlined; then how many bits
    part the pairs of the collection, and the pictures of which a hash says nothing. Self-contained: no
    script, nothing from elsewhere. The same records give the same bytes.

    pairs: merges and reviews; others are left out. assets, features: by image id; features of others are
    left out. read: derivative_sha256 to bytes.
    """
    known = {key: features[key] for key in sorted(assets) if key in features}
    waiting = [pair for pair in pairs if pair.verdict is PairVerdict.REVIEW]
    dropped = {member.image_id for group in clusters for member in group.dropped}
    waiting.sort(key=lambda p: (bool({p.first, p.second} & dropped), _bits(p, known) or 0, p.first, p.second))
    groups = sorted(clusters, key=lambda group: (-_doubt(group), group.cluster_id))
    plain = [assets[key] for key, feature in known.items() if not feature.informative]
    parts = _parts(waiting, groups, plain, assets)
    names = [out, *(out.with_name(f"{out.stem}-{n}{out.suffix}") for n in range(2, len(parts) + 1))]
    found = distances(clusters, pairs, known, _families(assets))
    whole = {
        "title": "Duplicates",
        "pages": [name.name for name in names] if len(names) > 1 else [],
        "pictures": len(assets),
        "waiting": len(waiting),
        "groups": len(groups),
        "dropped": dropped,
        "plain": len(plain),
    }
    merges = {frozenset((pair.first, pair.second)): pair for pair in pairs}
    for part, page in zip(parts, names, strict=True):
        thumbnails = Thumbnails(_shown(part, assets), read)
        write_page(
            "duplicates.html.j2",
            page,
            page=page.name,
            shown_pairs=[_pair(pair, assets, known, thumbnails) for pair in part.pairs],
            shown_groups=[_group(group, assets, merges, thumbnails) for group in part.clusters],
            shown_plain=[card(asset, asset.subject_id, thumbnails) for asset in part.plain],
            distances=found if page == out else None,
            chart=chart(found) if found and page == out else None,
            styles=thumbnails.styles(),
            **whole,
        )
    for stale in set(out.parent.glob(f"{out.stem}-[0-9]*{out.suffix}")) - set(names):
        stale.unlink()
    return out


def _families(assets: Mapping[str, ImageAsset]) -> list[list[str]]:
    """Return the pictures that have views made of them, each with its views."""
    of: dict[str, list[str]] = {}
    for key, asset in sorted(assets.items()):
        of.setdefault(asset.parent or key, []).append(key)
    return [family for family in of.values() if len(family) > 1]


def _parts(
    pairs: Iterable[DuplicatePair],
    clusters: Iterable[DuplicateCluster],
    plain: Iterable[ImageAsset],
    assets: Mapping[str, ImageAsset],
) -> list[_Part]:
    """Deal pairs, then groups, then plain pictures onto pages of at most 1,000 pictures and 500 pairs."""
    parts = [_Part([], [], [])]
    there: set[str] = set()

    def room_for(more: Iterable[str]) -> _Part:
        there.update(more)
        if len(there) > MOST_ON_A_PAGE or len(parts[-1].pairs) >= _MOST_PAIRS:
            parts.append(_Part([], [], []))
            there.clear()
            there.update(more)
        return parts[-1]

    for pair in pairs:
        room_for([assets[key].derivative_sha256 for key in (pair.first, pair.second)]).pairs.append(pair)
    for group in clusters:
        room_for([assets[key].derivative_sha256 for key in _in_group(group)]).clusters.append(group)
    for asset in plain:
        room_for([asset.derivative_sha256]).plain.append(asset)
    return parts


def _shown(part: _Part, assets: Mapping[str, ImageAsset]) -> Iterable[str]:
    """Yield every picture that a page shows, as often as it does."""
    keys = [key for pair in part.pairs for key in (pair.first, pair.second)]
    keys += [key for group in part.clusters for key in _in_group(group)]
    yield from (assets[key].derivative_sha256 for key in keys)
    yield from (asset.derivative_sha256 for asset in part.plain)


def _in_group(group: DuplicateCluster) -> list[str]:
    return [group.keeper, *(member.image_id for member in _members(group))]


def _members(group: DuplicateCluster) -> list[ClusterMember]:
    """Return the dropped ones that are shown, least sure first."""
    return sorted(group.dropped, key=lambda member: (-member.distance, member.image_id))[:_MOST_MEMBERS]


def _doubt(group: DuplicateCluster) -> int:
    return max((member.distance for member in group.dropped), default=0)


def _bits(pair: DuplicatePair, features: Mapping[str, PictureFeatures]) -> int | None:
    """Return the pHash bits in which two pictures differ, None where nothing is known of one of them."""
    if pair.first not in features or pair.second not in features:
        return None
    one, other = features[pair.first].phash[0], features[pair.second].phash[0]
    return (int(one, 16) ^ int(other, 16)).bit_count()


def _pair(
    pair: DuplicatePair,
    assets: Mapping[str, ImageAsset],
    features: Mapping[str, PictureFeatures],
    thumbnails: Thumbnails,
) -> _Pair:
    first, second = assets[pair.first], assets[pair.second]
    return _Pair(
        first=card(first, first.subject_id, thumbnails),
        second=card(second, second.subject_id, thumbnails),
        transform=transform_words(pair),
        bits=_bits(pair, features),
        measures=measured(pair),
        reason=pair.reason,
    )


def _group(
    group: DuplicateCluster,
    assets: Mapping[str, ImageAsset],
    pairs: Mapping[frozenset[str], DuplicatePair],
    thumbnails: Thumbnails,
) -> _Group:
    keeper = assets[group.keeper]
    members = []
    for member in _members(group):
        asset = assets[member.image_id]
        pair = pairs.get(frozenset((group.keeper, member.image_id)))
        members.append(
            _Member(
                card=card(asset, asset.subject_id, thumbnails),
                relation=member.relation,
                transform=transform_words(pair) if pair and pair.transform not in _PLAIN else "",
                bits=member.distance,
                measures=measured(pair) if pair else [],
                reason=member.reason,
                ruled=pair.ruled if pair else False,
            )
        )
    return _Group(
        cluster_id=group.cluster_id,
        keeper=card(keeper, keeper.subject_id, thumbnails),
        keep_reason=group.keep_reason,
        members=members,
        left_out=len(group.dropped) - len(members),
    )
