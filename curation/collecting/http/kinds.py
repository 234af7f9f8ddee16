"""What a body is by its first bytes, whatever its name and its Content-Type say."""

from __future__ import annotations

ACCEPTED = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"})
HEAD_BYTES = 512
_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"BM", "image/bmp"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
    (b"%PDF-", "application/pdf"),
    (b"%!PS", "application/postscript"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
)
_BRANDS = {b"avif": "image/avif", b"avis": "image/avif"}


def media_type_of(head: bytes) -> str:
    """Return the media type that the first 512 bytes show, '' when they show none that is known here."""
    for start, media_type in _STARTS:
        if head.startswith(start):
            return media_type
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in text and text.startswith(b"<"):
        return "image/svg+xml"
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "text/html"
    if text.startswith((b"{", b"[")):
        return "application/json"
    return "application/xml" if text.startswith(b"<") else ""


def _iso_media(head: bytes) -> str:
    """Return the type of an ISO base media file: its brands stand at 8 and from 16 to the end of the box."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    return next((_BRANDS[brand] for brand in brands if brand in _BRANDS), "image/heif")
