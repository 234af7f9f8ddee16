"""Draws the colours and shapes that no photograph in the sample shows; records mark them as generated."""

from __future__ import annotations

import io
import math

from PIL import Image, ImageDraw

LICENCE = "CC0-1.0"
AUTHOR = "MMKE Forge"

_SIDE = 512
_COLOURS = {
    "red": ((200, 24, 28), (228, 62, 58)),
    "orange": ((236, 124, 20), (250, 152, 60)),
    "yellow": ((240, 214, 36), (250, 232, 90)),
    "green": ((40, 140, 60), (86, 172, 84)),
    "blue": ((36, 84, 196), (74, 124, 224)),
    "purple": ((112, 44, 156), (146, 86, 190)),
}
_CORNERS = {"triangle": 3, "square": 4}
_PAPER, _INK, _FILL = (246, 244, 238), (38, 42, 52), (92, 112, 138)


def draw(locator: str) -> bytes:
    """Return a drawing as PNG, 512 x 512 px; FileNotFoundError when it is none that we can draw.

    locator: 'colour/NAME/bands', 'colour/NAME/discs', 'shape/NAME/filled' or 'shape/NAME/outlined'; and
    'colour/red/circle' or 'shape/circle/red', the one picture that shows both a colour and a shape.
    """
    kind, _, rest = locator.partition("/")
    name, _, manner = rest.partition("/")
    if kind == "colour" and name in _COLOURS and manner in ("bands", "discs"):
        picture = _colour(name, manner)
    elif kind == "shape" and name in (*_CORNERS, "circle", "ellipse") and manner in ("filled", "outlined"):
        picture = _shape(name, manner)
    elif locator in ("colour/red/circle", "shape/circle/red"):
        picture = _shape("circle", "filled", fill=_COLOURS["red"][0])
    else:
        raise FileNotFoundError(f"nothing is drawn for {locator}")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _colour(name: str, manner: str) -> Image.Image:
    deep, light = _COLOURS[name]
    picture = Image.new("RGB", (_SIDE, _SIDE), deep)
    pen = ImageDraw.Draw(picture)
    # The drawings of two colours must not be the same picture in another hue: grey hashes see no hue.
    turn = sorted(_COLOURS).index(name)
    if manner == "bands":
        step = 40 + 12 * turn
        slant = 60 * turn
        for left in range(-_SIDE, 2 * _SIDE, 2 * step):
            corners = (left, 0), (left + step, 0), (left + step + slant, _SIDE), (left + slant, _SIDE)
            pen.polygon(corners, fill=light)
        return picture
    for number in range(3 + turn):
        angle = 2.4 * number + turn
        x, y = 256 + 34 * number * math.cos(angle), 256 + 34 * number * math.sin(angle)
        radius = 30 + 14 * ((number + turn) % 4)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=light)
    return picture


def _shape(name: str, manner: str, fill: tuple[int, int, int] | None = _FILL) -> Image.Image:
    filled = manner == "filled"
    picture = Image.new("RGB", (_SIDE, _SIDE), _PAPER)
    pen = ImageDraw.Draw(picture)
    centre, radius = ((256, 256), 190) if filled else ((240, 268), 150)
    fill, line = (fill, None) if filled else (None, _INK)
    if name in _CORNERS:
        corners = _CORNERS[name]
        start = math.pi / 2 if corners == 3 else math.pi / 4
        angles = [start + 2 * math.pi * n / corners + (0 if filled else 0.3) for n in range(corners)]
        points = [(centre[0] + radius * math.cos(a), centre[1] - radius * math.sin(a)) for a in angles]
        pen.polygon(points, fill=fill, outline=line, width=14)
        return picture
    tall = radius if name == "circle" else radius // 2
    box = (centre[0] - radius, centre[1] - tall, centre[0] + radius, centre[1] + tall)
    pen.ellipse(box, fill=fill, outline=line, width=14)
    return picture
