"""Pages of pictures for people: duplicates and why one was kept, and sheets of what there is."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from curation.atomic import write_atomic
from curation.images import thumbnail
from curation.records import DuplicateCluster, DuplicatePair, ImageAsset, PictureFeatures

_THUMBNAIL_SIDE = 320


@dataclass(frozen=True, slots=True)
class _Picture:
    name: str
    role: str
    verdict: str
    licence: str
    size: str
    origin: str
    reason: str
    attribution: str
    data_uri: str


@dataclass(frozen=True, slots=True)
class _Group:
    heading: str
    remark: str
    pictures: list[_Picture]


def duplicate_gallery(
    clusters: Sequence[DuplicateCluster],
    pairs: Sequence[DuplicatePair],
    assets: Mapping[str, ImageAsset],
    read: Callable[[str], bytes],
    out: Path,
    features: Mapping[str, PictureFeatures] | None = None,
) -> Path:
    """Write one self-contained HTML page with a section for each cluster, the keeper first; return `out`.

    assets: by image id. read: derivative_sha256 to bytes. The page is written at once or not at all.
    """
    groups = [_cluster(cluster, assets, read) for cluster in clusters]
    dropped = sum(len(cluster.dropped) for cluster in clusters)
    lead = f"{len(clusters)} groups of pictures that show the same photograph; {dropped} pictures dropped."
    return _write(out, "Duplicates", lead, groups)


def contact_sheet(title: str, assets: Iterable[ImageAsset], read: Callable[[str], bytes], out: Path) -> Path:
    """Write one self-contained HTML page with all pictures, a section for each subject; return `out`.

    Subjects stand in the order in which they first come; otherwise as `duplicate_gallery`.
    """
    by_subject: dict[str, list[ImageAsset]] = {}
    for asset in assets:
        by_subject.setdefault(asset.subject_id, []).append(asset)
    groups = [
        _Group(subject, "", [_picture(asset, read) for asset in pictures])
        for subject, pictures in by_subject.items()
    ]
    count = sum(len(pictures) for pictures in by_subject.values())
    return _write(out, title, f"{count} pictures of {len(groups)} subjects.", groups)


def _cluster(
    cluster: DuplicateCluster, assets: Mapping[str, ImageAsset], read: Callable[[str], bytes]
) -> _Group:
    keeper = assets[cluster.keeper]
    pictures = [_picture(keeper, read, role="keeper", reason=cluster.keep_reason)]
    for member in cluster.dropped:
        verdict = f"{member.relation}, {member.distance} bits"
        pictures.append(_picture(assets[member.image_id], read, "dropped", verdict, member.reason))
    return _Group(keeper.subject_id, cluster.cluster_id, pictures)


def _picture(
    asset: ImageAsset,
    read: Callable[[str], bytes],
    role: str = "",
    verdict: str = "",
    reason: str = "",
) -> _Picture:
    small = thumbnail(read(asset.derivative_sha256), _THUMBNAIL_SIDE)
    return _Picture(
        name=asset.locator.rpartition("/")[2],
        role=role,
        verdict=verdict,
        licence=asset.licence.removeprefix("LicenseRef-").replace("Public-Domain", "public domain"),
        size=f"{asset.width} × {asset.height}",
        origin=asset.origin.value,
        reason=reason,
        attribution=asset.attribution,
        data_uri="data:image/jpeg;base64," + base64.b64encode(small).decode("ascii"),
    )


def _write(out: Path, title: str, lead: str, groups: list[_Group]) -> Path:
    environment = Environment(
        loader=PackageLoader("curation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("page.html.j2").render(title=title, lead=lead, groups=groups)
    write_atomic(out, page.encode("utf-8"))
    return out
