"""What the pages say below a picture: name, licence, size, credit and the page it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from curation.galleries.page import source_link
from curation.galleries.thumbnails import Thumbnail, Thumbnails
from curation.licences import PUBLIC_DOMAIN
from curation.records import ImageAsset, ImageOrigin


@dataclass(frozen=True, slots=True)
class Card:
    """A picture and its caption. link: address and host name, None when there is none to follow."""

    image_id: str
    subject: str
    name: str
    licence: str
    size: str
    origin: str
    credit: str
    attribution: str
    link: tuple[str, str] | None
    thumbnail: Thumbnail


def card(asset: ImageAsset, subject: str, thumbnails: Thumbnails) -> Card:
    """Return the card of a collected picture; subject: the name of what it shows."""
    return Card(
        image_id=asset.image_id,
        subject=subject,
        name=asset.locator.rpartition("/")[2] or asset.locator,
        licence=licence_name(asset.licence),
        size=f"{asset.width} × {asset.height}",
        origin="" if asset.origin is ImageOrigin.PHOTOGRAPH else asset.origin.value,
        credit=asset.author or "author unknown",
        attribution=asset.attribution,
        link=source_link(asset.source_page),
        thumbnail=thumbnails.of(asset.derivative_sha256),
    )


def licence_name(licence: str) -> str:
    """Return an SPDX identifier as people say it."""
    return "public domain" if licence == PUBLIC_DOMAIN else licence.removeprefix("LicenseRef-")
