"""Small pictures for the pages, so small that a thousand of them stay under 20 MB."""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from markupsafe import Markup
from PIL import Image

from curation.errors import IntegrityError

MOST_ON_A_PAGE = 1_000
"""Pictures on one page; a page of this many weighs less than 20 MB, whatever they show."""

# Longest side in px, JPEG quality, most bytes. In HTML 3 bytes become 4: a thousand of 11,500 are 15.4 MB.
# 256 is half a derivative's side, which a JPEG decoder gives for little; WebP would be a fifth smaller and
# take five times as long.
Size = tuple[int, int, int]
LARGE: Size = (480, 80, 34_000)
SMALL: Size = (256, 76, 11_500)
_MOST_LARGE = 320
_EASIER = ((1.0, 60), (1.0, 45), (0.8, 40), (0.6, 40), (0.4, 40), (0.25, 40))


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture on a page: embedded where it stands, or once in the page's style when it comes twice."""

    uri: Markup | None
    css: str


class Thumbnails:
    """The small pictures of one page, made when they are asked for, each once.

    shown: derivative_sha256 of everything on the page, with repetitions. read: derivative_sha256 to bytes.
    size: by default large on a page of few pictures, small on one of many.
    """

    def __init__(self, shown: Iterable[str], read: Callable[[str], bytes], size: Size | None = None) -> None:
        """Count what the page shows."""
        times = Counter(shown)
        self._read = read
        self._size = size or (LARGE if len(times) <= _MOST_LARGE else SMALL)
        repeated = sorted(sha256 for sha256, count in times.items() if count > 1)
        self._classes = {sha256: f"p{number}" for number, sha256 in enumerate(repeated)}

    def of(self, sha256: str) -> Thumbnail:
        """Return how the page shows a picture. Raises IntegrityError when it is damaged or missing."""
        if sha256 in self._classes:
            return Thumbnail(None, self._classes[sha256])
        return Thumbnail(self._uri(sha256), "")

    def styles(self) -> Iterable[Markup]:
        """Yield a style rule for each picture that comes more than once."""
        for sha256, name in self._classes.items():
            yield Markup(".{}{{background-image:url({})}}").format(name, self._uri(sha256))

    def _uri(self, sha256: str) -> Markup:
        small = shrunk(self._read(sha256), *self._size)
        return Markup("data:image/jpeg;base64," + base64.b64encode(small).decode("ascii"))  # noqa: S704 - base64


def shrunk(data: bytes, side: int, quality: int, most: int) -> bytes:
    """Return a derivative as a smaller JPEG: longest side at most `side` px, at most `most` bytes.

    Noise that does not fit is made coarser until it does. Raises IntegrityError when the bytes are not the
    JPEG that `inspect` made.
    """
    try:
        stored = Image.open(io.BytesIO(data), formats=("JPEG",))
        stored.draft("RGB", _fitted(stored.size, side))
        picture = stored.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise IntegrityError(f"stored bytes are no picture ({type(error).__name__})") from error
    best = _encoded(picture, side, quality)
    for share, easier in _EASIER:
        if len(best) <= most:
            break
        best = _encoded(picture, int(side * share), easier)
    return best


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _encoded(picture: Image.Image, side: int, quality: int) -> bytes:
    size = _fitted(picture.size, side)
    small = picture if size == picture.size else picture.resize(size, Image.Resampling.HAMMING)
    small.info.clear()  # Pillow would write comments and profiles that it finds there
    out = io.BytesIO()
    small.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()
