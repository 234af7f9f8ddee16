"""Groups pictures that show the same photograph around the one that is kept, and says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from curation.deduplicating.rulings import Key, Ruling, pair_key
from curation.errors import Reason, Rejected
from curation.ids import short_id
from curation.licences import freedom
from curation.records import (
    ClusterMember,
    DuplicateCluster,
    DuplicatePair,
    ImageAsset,
    PairVerdict,
    Transform,
)

EXACT, NEAR = "exact", "near"
_AS_IT_IS = frozenset({Transform.SAME, Transform.IDENTICAL})


def ruled(
    assets: Sequence[ImageAsset], pairs: Sequence[DuplicatePair], rulings: Mapping[Key, Ruling]
) -> list[DuplicatePair]:
    """Return the pairs with people's word in place of the measured verdict, in order of ids.

    A ruling on two pictures that no hash brought together makes a pair of its own.
    """
    found = {(pair.first, pair.second): pair for pair in pairs}
    holders: dict[str, list[str]] = {}
    for asset in sorted(assets, key=lambda one: one.image_id):
        holders.setdefault(asset.sha256, []).append(asset.image_id)
    for (one, other), ruling in sorted(rulings.items()):
        for first in holders.get(one, []):
            for second in holders.get(other, []):
                key = pair_key(first, second)
                found[key] = _obeyed(key, found.get(key), ruling)
    return [found[key] for key in sorted(found)]


def _obeyed(key: Key, pair: DuplicatePair | None, ruling: Ruling) -> DuplicatePair:
    same = ruling.verdict == "same"
    reason = f"ruled {ruling.verdict} by {ruling.who} on {ruling.when[:10]}"
    return DuplicatePair(
        first=key[0],
        second=key[1],
        transform=pair.transform if pair else Transform.SAME,
        verdict=PairVerdict.MERGE if same else PairVerdict.DISTINCT,
        measures=pair.measures if pair else {},
        reason=f"{reason}: {ruling.note}" if ruling.note else reason,
        ruled=True,
    )


def without_views(assets: Sequence[ImageAsset], pairs: Sequence[DuplicatePair]) -> list[DuplicatePair]:
    """Return the pairs less those of a picture and views that were made of it on purpose.

    A view is no duplicate of the picture it was made of, of other views of that, or of a copy of that. Two
    views of the same kind of two copies are, and so are equal bytes of two views. People's word stands.
    """
    parent = {asset.image_id: asset.parent for asset in assets}
    merged = {(pair.first, pair.second) for pair in pairs if pair.verdict is PairVerdict.MERGE}

    def root(image_id: str) -> str:
        seen = {image_id}
        while (above := parent.get(image_id)) and above in parent and above not in seen:
            seen.add(above)
            image_id = above
        return image_id

    def related(pair: DuplicatePair) -> bool:
        if parent[pair.first] is None and parent[pair.second] is None:
            return False
        one, other = root(pair.first), root(pair.second)
        if one == other:
            both_views = parent[pair.first] is not None and parent[pair.second] is not None
            return not (both_views and pair.transform is Transform.IDENTICAL)
        if pair_key(one, other) not in merged:
            return False
        return pair.transform not in _AS_IT_IS or pair.first == one or pair.second == other

    return [pair for pair in pairs if pair.ruled or not related(pair)]


def cluster(assets: Sequence[ImageAsset], pairs: Sequence[DuplicatePair]) -> list[DuplicateCluster]:
    """Return the groups of duplicates among all pictures, also across subjects, ordered by keeper.

    Only pairs to merge count. Every dropped picture matches its keeper itself: groups do not grow by
    chains. The keeper has the most pixels, then the freer licence, then the larger file, then the smaller
    id.
    """
    ranked = sorted(assets, key=_rank)
    by_id = {asset.image_id: asset for asset in assets}
    matches: dict[str, dict[str, DuplicatePair]] = {}
    for pair in pairs:
        if pair.verdict is PairVerdict.MERGE:
            matches.setdefault(pair.first, {})[pair.second] = pair
            matches.setdefault(pair.second, {})[pair.first] = pair
    taken: set[str] = set()
    found = []
    for keeper in ranked:
        if keeper.image_id in taken:
            continue
        mine = matches.get(keeper.image_id, {})
        members = sorted((by_id[other] for other in mine if other not in taken), key=_rank)
        taken.update([keeper.image_id, *(member.image_id for member in members)])
        if members:
            dropped = [_member(keeper, member, mine[member.image_id]) for member in members]
            found.append(_cluster(keeper, dropped, members[0]))
    return sorted(found, key=lambda group: group.keeper)


def rejections(clusters: Sequence[DuplicateCluster]) -> list[Rejected]:
    """Return every dropped picture as rejected: exact_duplicate or near_duplicate."""
    codes = {EXACT: Reason.EXACT_DUPLICATE, NEAR: Reason.NEAR_DUPLICATE}
    return [
        Rejected(member.image_id, codes[member.relation], member.reason)
        for group in clusters
        for member in group.dropped
    ]


def _rank(asset: ImageAsset) -> tuple[int, int, int, str]:
    return (-asset.width * asset.height, freedom(asset.licence), -asset.byte_size, asset.image_id)


def _member(keeper: ImageAsset, dropped: ImageAsset, pair: DuplicatePair) -> ClusterMember:
    distance = round(pair.measures.get("phash", 0))
    exact = pair.transform is Transform.IDENTICAL
    bits = "" if exact or "phash" not in pair.measures else f" ({distance} of 64 bits of pHash differ)"
    named = "" if exact else f"{pair.transform.value}: "
    # The pair names its pictures by order of id; here it is the kept and the dropped one.
    first, second = ("kept", "dropped") if pair.first == keeper.image_id else ("dropped", "kept")
    told = pair.reason.replace("the first", f"the {first} one").replace("the second", f"the {second} one")
    reason = f"{named}{told}{bits}; {_why(keeper, dropped)}"
    if keeper.subject_id != dropped.subject_id:
        reason = f"shown as {dropped.subject_id} but kept for {keeper.subject_id}: {reason}"
    return ClusterMember(
        image_id=dropped.image_id, distance=distance, relation=EXACT if exact else NEAR, reason=reason
    )


def _why(keeper: ImageAsset, dropped: ImageAsset) -> str:
    """Return the first rule by which the keeper is better."""
    if keeper.width * keeper.height != dropped.width * dropped.height:
        return f"{dropped.width} x {dropped.height} px against {keeper.width} x {keeper.height}"
    if freedom(keeper.licence) != freedom(dropped.licence):
        return f"{dropped.licence} against {keeper.licence}"
    if keeper.byte_size != dropped.byte_size:
        return f"{dropped.byte_size} bytes against {keeper.byte_size}"
    return "equal in all, the smaller id stays"


def _cluster(keeper: ImageAsset, dropped: Sequence[ClusterMember], runner_up: ImageAsset) -> DuplicateCluster:
    rules = (
        (keeper.width * keeper.height > runner_up.width * runner_up.height, "most pixels"),
        (freedom(keeper.licence) < freedom(runner_up.licence), "freest licence"),
        (keeper.byte_size > runner_up.byte_size, "largest file"),
    )
    rule = next((name for holds, name in rules if holds), "smallest id among equals")
    return DuplicateCluster(
        cluster_id=short_id("dup", keeper.image_id, *(member.image_id for member in dropped)),
        keeper=keeper.image_id,
        keep_reason=f"{rule}: {_measures(keeper)}",
        dropped=tuple(dropped),
    )


def _measures(asset: ImageAsset) -> str:
    return f"{asset.width} x {asset.height} px, {asset.byte_size} bytes, {asset.licence}"
