"""Makes pictures that look alike and show different things: what deduplication must never merge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from curation.deduplicating.copies import BLACK, WHITE, Picture, Random, encoded, scaled, words


def look_alikes(photographs: Sequence[Picture], count: int, seed: str) -> dict[str, list[bytes]]:
    """Return sets of pictures, each of which shows another thing: no two of a set are duplicates.

    In "same background, other object" and "hue turned" the pictures 2n and 2n + 1 belong together; their
    pairs are those two. In all other sets every picture is a pair with every other.
    """
    chance = Random(f"{seed}/look-alikes")
    things = [_thing(photographs[n % len(photographs)], chance) for n in range(count)]
    return {
        "objects on white": [encoded(_on_white(thing, chance)) for thing in things],
        "composites": [encoded(_beside(*two)) for two in _couples(things, chance)],
        "text pages": [encoded(_page(chance)) for _ in range(count)],
        "number signs": [encoded(_sign(number)) for number in chance.sample(range(1, 120), min(count, 100))],
        "flags": [encoded(flag) for flag in _flags(count, chance)],
        "same background, other object": [
            encoded(picture) for n in range(count) for picture in _two_on(photographs, things, n, chance)
        ],
        "hue turned": [
            data for n in range(count) for data in _hues(photographs[n % len(photographs)], chance)
        ],
    }


PAIRED = frozenset({"same background, other object", "hue turned"})


def _thing(photograph: Picture, chance: Random) -> Picture:
    """Return a part of a photograph in the outline of a random thing, RGBA, 300 px."""
    part = ImageOps.fit(photograph, (600, 600)).crop(_square(chance, 600, 300))
    corners = chance.randint(5, 12)
    turns = sorted(chance.uniform(0, 2 * np.pi) for _ in range(corners))
    reach = [chance.uniform(70, 148) for _ in turns]
    outline = [(150 + r * np.cos(t), 150 + r * np.sin(t)) for r, t in zip(reach, turns, strict=True)]
    mask = Image.new("L", (300, 300), 0)
    ImageDraw.Draw(mask).polygon(outline, 255)
    if chance.random() < 0.4:
        ImageDraw.Draw(mask).ellipse((60, 60, 240, 240), 255)
    part.putalpha(mask)
    return part


def _square(chance: Random, side: int, part: int) -> tuple[int, int, int, int]:
    left, top = chance.randrange(side - part), chance.randrange(side - part)
    return (left, top, left + part, top + part)


def _on_white(thing: Picture, chance: Random) -> Picture:
    page = Image.new("RGB", (480, 480), WHITE)
    side = chance.randint(200, 400)
    small = thing.resize((side, side), Image.Resampling.LANCZOS)
    page.paste(small, ((480 - side) // 2, (480 - side) // 2), small)
    return page


def _couples(things: Sequence[Picture], chance: Random) -> list[tuple[Picture, Picture]]:
    """Return as many couples as there are things, no couple twice; a thing stands in several."""
    places = [(left, right) for left in range(len(things)) for right in range(len(things)) if left != right]
    return [(things[left], things[right]) for left, right in chance.sample(places, len(things))]


def _beside(left: Picture, right: Picture) -> Picture:
    page = Image.new("RGB", (640, 340), WHITE)
    page.paste(left, (20, 20), left)
    page.paste(right, (320, 20), right)
    return page


def _page(chance: Random) -> Picture:
    page = Image.new("RGB", (480, 640), WHITE)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    for line in range(24):
        pen.text((40, 40 + line * 23), words(chance, 9)[:48], (20, 20, 20), font)
    return page


def _sign(number: int) -> Picture:
    page = Image.new("RGB", (400, 400), (120, 160, 200))
    pen = ImageDraw.Draw(page)
    pen.ellipse((40, 40, 360, 360), WHITE, (200, 20, 30), 34)
    pen.text((200, 200), str(number), BLACK, ImageFont.load_default(120), anchor="mm")
    return page


def _flags(count: int, chance: Random) -> list[Picture]:
    palette = [
        (200, 16, 46),
        (0, 56, 168),
        (255, 255, 255),
        (0, 122, 61),
        (252, 209, 22),
        (0, 0, 0),
        (255, 130, 0),
    ]
    designs: set[tuple[str, tuple[int, ...]]] = set()
    while len(designs) < count:
        designs.add((chance.choice("vhc"), tuple(chance.sample(range(len(palette)), 3))))
    return [_flag(kind, [palette[number] for number in chosen]) for kind, chosen in sorted(designs)]


def _flag(kind: str, colours: Sequence[tuple[int, int, int]]) -> Picture:
    flag = Image.new("RGB", (450, 300), colours[0])
    pen = ImageDraw.Draw(flag)
    if kind == "c":
        pen.rectangle((0, 120, 450, 180), colours[1])
        pen.rectangle((150, 0, 210, 300), colours[2])
    for n in (1, 2) if kind != "c" else ():
        box = (150 * n, 0, 150 * n + 150, 300) if kind == "v" else (0, 100 * n, 450, 100 * n + 100)
        pen.rectangle(box, colours[n])
    return flag


def _two_on(
    photographs: Sequence[Picture], things: Sequence[Picture], number: int, chance: Random
) -> list[Picture]:
    background = ImageOps.fit(photographs[number % len(photographs)], (640, 480))
    side = chance.choice([120, 200, 300])
    left, top = chance.randrange(640 - side), chance.randrange(480 - side)
    made = []
    for thing in chance.sample(list(things), 2):
        picture = background.copy()
        small = thing.resize((side, side), Image.Resampling.LANCZOS)
        picture.paste(small, (left, top), small)
        made.append(picture)
    return made


def _hues(photograph: Picture, chance: Random) -> list[bytes]:
    """Return a photograph and the same with its hues turned by 60 to 300 degrees, if it is seen."""
    small = scaled(photograph, min(1.0, 640 / max(photograph.size)))
    hue, saturation, value = small.convert("HSV").split()
    turn = chance.randrange(43, 213)
    turned = Image.merge("HSV", (hue.point(lambda level: (level + turn) % 256), saturation, value)).convert(
        "RGB"
    )
    apart = np.abs(np.asarray(small, dtype=np.int16) - np.asarray(turned, dtype=np.int16)).mean()
    return [encoded(small), encoded(turned)] if apart >= 4 else []
