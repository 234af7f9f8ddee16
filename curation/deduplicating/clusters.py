"""Decides which pictures show the same photograph, keeps the best one, and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from curation.deduplicating.index import pairs_within
from curation.errors import Reason, Rejected
from curation.ids import short_id
from curation.images import pixels_of
from curation.licences import freedom
from curation.records import ClusterMember, DuplicateCluster, ImageAsset, ImageHashes

EXACT, NEAR = "exact", "near"
_SIDE = 32
_CELL = 8
_LUMA = np.array([0.299, 0.587, 0.114])
# Measured on derivatives: copies that were resized, recompressed or relit by a fifth pass, other
# photographs of one subject, recoloured copies and objects on one background do not.
_LEAST_CORRELATION = 0.95
_MOST_CELL_ERROR = 24.0
_MOST_CHROMA_ERROR = 9.0
_LEAST_CONTRAST = 8.0

Pixels = npt.NDArray[np.float64]


def cluster(
    assets: Sequence[ImageAsset],
    hashes: Mapping[str, ImageHashes],
    read: Callable[[str], bytes],
    radius: int = 6,
) -> list[DuplicateCluster]:
    """Return the groups of duplicates among all pictures, also across subjects, ordered by keeper.

    hashes: by image id, for every asset. read: derivative_sha256 to bytes. radius: bits of pHash or
    dHash within which a pair becomes a candidate; it is then confirmed on a 32 x 32 px colour
    thumbnail, so that no hash alone merges anything. Exact duplicates have the same fetched bytes. A
    view is never a duplicate of the picture that it was made of.

    Every dropped picture matches its keeper itself: groups do not grow by chains. The keeper has the
    most pixels, then the freer licence, then the larger file, then the smaller id.
    """
    ranked = sorted(assets, key=_rank)
    close = _confirmed(ranked, hashes, read, radius)
    taken: set[int] = set()
    found = []
    for keeper, asset in enumerate(ranked):
        if keeper in taken:
            continue
        members = [other for other in sorted(close.get(keeper, {})) if other not in taken]
        taken.update([keeper, *members])
        if members:
            dropped = [_member(asset, ranked[other], *close[keeper][other]) for other in members]
            found.append(_cluster(asset, dropped, [ranked[other] for other in members]))
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


def _confirmed(
    ranked: Sequence[ImageAsset],
    hashes: Mapping[str, ImageHashes],
    read: Callable[[str], bytes],
    radius: int,
) -> dict[int, dict[int, tuple[str, int]]]:
    """Return for each picture the later ranked ones that are its duplicates: relation and pHash distance."""

    @cache
    def pixels(sha256: str) -> Pixels:
        return pixels_of(read(sha256), _SIDE)

    phashes = [int(hashes[asset.image_id].phash, 16) for asset in ranked]
    dhashes = [int(hashes[asset.image_id].dhash, 16) for asset in ranked]
    candidates = {pair[:2] for values in (phashes, dhashes) for pair in pairs_within(values, radius)}
    close: dict[int, dict[int, tuple[str, int]]] = {}
    for i, j in sorted(candidates):
        first, second = ranked[i], ranked[j]
        if first.image_id == second.parent or second.image_id == first.parent:
            continue
        distance = (phashes[i] ^ phashes[j]).bit_count()
        if first.sha256 == second.sha256:
            close.setdefault(i, {})[j] = (EXACT, distance)
        elif _same_photograph(pixels(first.derivative_sha256), pixels(second.derivative_sha256)):
            close.setdefault(i, {})[j] = (NEAR, distance)
    return close


def _same_photograph(first: Pixels, second: Pixels) -> bool:
    """Return whether two thumbnails agree in structure, in every part, and in colour.

    Shapes (32, 32, 3), 0 to 255. A picture without structure (a plain swatch) has no near duplicates.
    """
    grey_1, grey_2 = first @ _LUMA, second @ _LUMA
    if min(grey_1.std(), grey_2.std()) < _LEAST_CONTRAST:
        return False
    normal_1 = (grey_1 - grey_1.mean()) / grey_1.std()
    normal_2 = (grey_2 - grey_2.mean()) / grey_2.std()
    if (normal_1 * normal_2).mean() < _LEAST_CORRELATION:
        return False
    relit = normal_1 * grey_2.std() + grey_2.mean()
    cells = np.abs(relit - grey_2).reshape(_SIDE // _CELL, _CELL, _SIDE // _CELL, _CELL).mean(axis=(1, 3))
    chroma = np.abs((first - grey_1[..., None]) - (second - grey_2[..., None])).mean()
    return bool(cells.max() <= _MOST_CELL_ERROR and chroma <= _MOST_CHROMA_ERROR)


def _member(keeper: ImageAsset, dropped: ImageAsset, relation: str, distance: int) -> ClusterMember:
    same = "the same bytes" if relation == EXACT else f"the same photograph ({distance} of 64 bits differ)"
    reason = f"{same}; {_why(keeper, dropped)}"
    if keeper.subject_id != dropped.subject_id:
        reason = f"shown as {dropped.subject_id} but kept for {keeper.subject_id}: {reason}"
    return ClusterMember(image_id=dropped.image_id, distance=distance, relation=relation, reason=reason)


def _why(keeper: ImageAsset, dropped: ImageAsset) -> str:
    """Return the first rule by which the keeper is better."""
    if keeper.width * keeper.height != dropped.width * dropped.height:
        return f"{dropped.width} x {dropped.height} px against {keeper.width} x {keeper.height}"
    if freedom(keeper.licence) != freedom(dropped.licence):
        return f"{dropped.licence} against {keeper.licence}"
    if keeper.byte_size != dropped.byte_size:
        return f"{dropped.byte_size} bytes against {keeper.byte_size}"
    return "equal in all, the smaller id stays"


def _cluster(
    keeper: ImageAsset, dropped: Sequence[ClusterMember], others: Sequence[ImageAsset]
) -> DuplicateCluster:
    runner_up = min(others, key=_rank)
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
