"""Makes copies of photographs as people make them: what deduplication should find, with its name."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from curation.records import Transform

Picture = Image.Image
Random = random.Random
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Copy:
    """A picture made of a photograph: its bytes, the kind of edit, and the transform that should be named."""

    kind: str
    data: bytes
    transform: Transform


def encoded(picture: Picture, kind: str = "JPEG", **options: int) -> bytes:
    """Return the bytes of a picture; JPEG of quality 90 unless told."""
    out = io.BytesIO()
    if kind in ("JPEG", "WEBP"):
        options = {"quality": 90} | options
    picture.save(out, kind, **options)
    return out.getvalue()


def copies(picture: Picture, seed: str) -> list[Copy]:
    """Return every copy of a photograph that the table has a row for; equal seeds give equal bytes."""
    found = []
    for kind, (transform, make) in EDITS.items():
        made = make(picture, Random(f"{seed}/{kind}"))
        data = made if isinstance(made, bytes) else encoded(made)
        found.append(Copy(kind.partition(":")[0], data, transform))
    return found


def _resized(share: float) -> Callable[[Picture, Random], Picture]:
    def make(picture: Picture, _: Random) -> Picture:
        return scaled(picture, share)

    return make


def scaled(picture: Picture, share: float) -> Picture:
    size = (max(96, round(picture.width * share)), max(96, round(picture.height * share)))
    return picture.resize(size, Image.Resampling.LANCZOS)


def _saved(kind: str, **options: int) -> Callable[[Picture, Random], bytes]:
    def make(picture: Picture, _: Random) -> bytes:
        return encoded(picture, kind, **options)

    return make


def _lit(factor: float) -> Callable[[Picture, Random], Picture]:
    def make(picture: Picture, _: Random) -> Picture:
        return ImageEnhance.Brightness(picture).enhance(factor)

    return make


def _cut(picture: Picture, left: float, upper: float, right: float, lower: float) -> Picture:
    """Return the picture less a share of each side."""
    width, height = picture.size
    box = (
        round(left * width),
        round(upper * height),
        round((1 - right) * width),
        round((1 - lower) * height),
    )
    return picture.crop(box)


def _symmetric(least: float, most: float) -> Callable[[Picture, Random], Picture]:
    def make(picture: Picture, chance: Random) -> Picture:
        side = chance.uniform(least, most) / 2
        return _cut(picture, side, side, side, side)

    return make


def _asymmetric(most: float) -> Callable[[Picture, Random], Picture]:
    def make(picture: Picture, chance: Random) -> Picture:
        return _cut(picture, *(chance.uniform(0, most) for _ in range(4)))

    return make


def _one_side(picture: Picture, chance: Random) -> Picture:
    sides = [0.0, 0.0, 0.0, 0.0]
    sides[chance.randrange(4)] = chance.uniform(0.05, 0.15)
    return _cut(picture, *sides)


def _bordered(share: float) -> Callable[[Picture, Random], Picture]:
    def make(picture: Picture, chance: Random) -> Picture:
        width = round(share * min(picture.size))
        return ImageOps.expand(picture, width, chance.choice([WHITE, BLACK, colour(chance)]))

    return make


def _caption(at_top: bool) -> Callable[[Picture, Random], Picture]:
    def make(picture: Picture, chance: Random) -> Picture:
        bar = round(chance.uniform(0.07, 0.15) * picture.height)
        paper, ink = chance.choice([(WHITE, BLACK), (BLACK, WHITE)])
        page = Image.new("RGB", (picture.width, picture.height + bar), paper)
        page.paste(picture, (0, bar if at_top else 0))
        top = bar // 4 if at_top else picture.height + bar // 4
        ImageDraw.Draw(page).text((bar // 2, top), words(chance, 5), ink, ImageFont.load_default(bar // 2))
        return page

    return make


def _watermarked(picture: Picture, chance: Random) -> Picture:
    width, height = round(picture.width * chance.uniform(0.15, 0.25)), round(picture.height * 0.09)
    left = chance.choice([picture.width // 50, picture.width - width - picture.width // 50])
    top = chance.choice([picture.height // 50, picture.height - height - picture.height // 50])
    marked = picture.copy()
    pen = ImageDraw.Draw(marked)
    paper, ink = chance.choice([(WHITE, BLACK), (BLACK, WHITE), (colour(chance), WHITE)])
    pen.rectangle((left, top, left + width, top + height), paper)
    pen.text((left + 4, top + height // 5), words(chance, 1), ink, ImageFont.load_default(height // 2))
    return marked


def _turned(way: Image.Transpose) -> Callable[[Picture, Random], Picture]:
    def make(picture: Picture, _: Random) -> Picture:
        return picture.transpose(way)

    return make


def _tilted(picture: Picture, chance: Random) -> Picture:
    return picture.rotate(chance.choice([-1, 1]) * chance.uniform(1, 3), Image.Resampling.BICUBIC)


def _everything(picture: Picture, chance: Random) -> bytes:
    worse = ImageEnhance.Brightness(_watermarked(scaled(picture, 0.5), chance)).enhance(1.1)
    return encoded(worse, quality=50)


def _grey(picture: Picture, _: Random) -> Picture:
    return picture.convert("L").convert("RGB")


Edit = Callable[[Picture, Random], Picture | bytes]
# Row of the table, then what tells its variants apart; which transform should be named; how it is made.
EDITS: dict[str, tuple[Transform, Edit]] = {
    "resize:50": (Transform.SAME, _resized(0.5)),
    "resize:25": (Transform.SAME, _resized(0.25)),
    "resize:150": (Transform.SAME, _resized(1.5)),
    "recompression:50": (Transform.SAME, _saved("JPEG", quality=50)),
    "recompression:20": (Transform.SAME, _saved("JPEG", quality=20)),
    "recompression:10": (Transform.SAME, _saved("JPEG", quality=10)),
    "format:png": (Transform.SAME, _saved("PNG")),
    "format:webp": (Transform.SAME, _saved("WEBP", quality=75)),
    "format:gif": (Transform.SAME, _saved("GIF")),
    "brightness:60": (Transform.SAME, _lit(0.6)),
    "brightness:80": (Transform.SAME, _lit(0.8)),
    "brightness:120": (Transform.SAME, _lit(1.2)),
    "brightness:140": (Transform.SAME, _lit(1.4)),
    "crop, symmetric 2 to 15 %:1": (Transform.CROPPED, _symmetric(0.02, 0.08)),
    "crop, symmetric 2 to 15 %:2": (Transform.CROPPED, _symmetric(0.08, 0.15)),
    "crop, asymmetric to 7.5 % a side:1": (Transform.CROPPED, _asymmetric(0.075)),
    "crop, asymmetric to 7.5 % a side:2": (Transform.CROPPED, _asymmetric(0.075)),
    "crop, one side 5 to 15 %:1": (Transform.CROPPED, _one_side),
    "crop, one side 5 to 15 %:2": (Transform.CROPPED, _one_side),
    "crop, asymmetric to 15 % a side:1": (Transform.CROPPED, _asymmetric(0.15)),
    "crop, asymmetric to 15 % a side:2": (Transform.CROPPED, _asymmetric(0.15)),
    "crop, symmetric 15 to 30 %:1": (Transform.CROPPED, _symmetric(0.15, 0.3)),
    "border:3": (Transform.CROPPED, _bordered(0.03)),
    "border:6": (Transform.CROPPED, _bordered(0.06)),
    "caption bar:below": (Transform.CROPPED, _caption(at_top=False)),
    "caption bar:above": (Transform.CROPPED, _caption(at_top=True)),
    "corner watermark:1": (Transform.SAME, _watermarked),
    "corner watermark:2": (Transform.SAME, _watermarked),
    "flip:across": (Transform.MIRRORED, _turned(Image.Transpose.FLIP_LEFT_RIGHT)),
    "flip:down": (Transform.UPSIDE_DOWN, _turned(Image.Transpose.FLIP_TOP_BOTTOM)),
    "quarter turn:90": (Transform.ROTATED_90, _turned(Image.Transpose.ROTATE_270)),
    "quarter turn:180": (Transform.ROTATED_180, _turned(Image.Transpose.ROTATE_180)),
    "quarter turn:270": (Transform.ROTATED_270, _turned(Image.Transpose.ROTATE_90)),
    "rotation by 1 to 3 degrees:1": (Transform.ROTATED, _tilted),
    "rotation by 1 to 3 degrees:2": (Transform.ROTATED, _tilted),
    "half size, quality 50, brighter, watermark:1": (Transform.SAME, _everything),
    "grey:1": (Transform.SAME, _grey),
}


def colour(chance: Random) -> tuple[int, int, int]:
    return (chance.randrange(256), chance.randrange(256), chance.randrange(256))


def words(chance: Random, count: int) -> str:
    letters = "abcdefghijklmnoprstuvw"
    return " ".join("".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(count))
