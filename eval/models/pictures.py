"""Turns a picture's file into the pixels that a model sees, as the reference prepares them."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

from curation.errors import IntegrityError

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

# A file's bytes to pixels [3, height, width], float32.
Pixels = Callable[[bytes], "Tensor"]

MAX_BYTES = 40_000_000
MAX_PIXELS = 50_000_000
# Those of CLIP, which EVA's tower shares (LAVIS, processors/blip_processors.py).
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)
# Of prepared pictures, for a second look.
_KEPT_BYTES = 1 << 28


def stretched(side: int) -> Pixels:
    """Return the preparation of BLIP-2 and MiniGPT-4: the whole picture, bicubic, as a square of that side.

    That of the reference's BlipImageEvalProcessor (easyeditor/trainer/blip2_models, 364 px); the ratio of
    width to height is lost. The returned function raises IntegrityError for a file that is no picture.
    """

    def prepare(picture: Image) -> Image:
        return picture.resize((side, side), _bicubic())

    return _kept(prepare, side)


def cropped(side: int) -> Pixels:
    """Return the preparation of LLaVA: the shorter side to so many pixels, bicubic, then the centre square.

    That of CLIPImageProcessor's defaults, which the reference uses in the place of LLaVA's own padding to a
    square (easyeditor/dataset/coco_caption.py). Raises as stretched does.
    """

    def prepare(picture: Image) -> Image:
        width, height = picture.size
        short = min(width, height)
        if side * side * max(width, height) > MAX_PIXELS * short:
            raise IntegrityError(f"a picture of {width} x {height} is too long for its width")
        resized = picture.resize((int(side * width / short), int(side * height / short)), _bicubic())
        left, top = (resized.width - side) // 2, (resized.height - side) // 2
        return resized.crop((left, top, left + side, top + side))

    return _kept(prepare, side)


def _kept(prepare: Callable[[Image], Image], side: int) -> Pixels:
    """Return the function from bytes to normalised pixels, which keeps those of the latest pictures."""

    @lru_cache(maxsize=_KEPT_BYTES // (12 * side * side) + 1)
    def pixels(data: bytes) -> Tensor:
        import numpy
        import torch

        values = numpy.asarray(prepare(_opened(data)), dtype=numpy.float32) / 255
        mean, std = numpy.array(_MEAN, dtype=numpy.float32), numpy.array(_STD, dtype=numpy.float32)
        normalised = (values - mean) / std
        return torch.from_numpy(normalised.transpose(2, 0, 1).copy())

    return pixels


def _opened(data: bytes) -> Image:
    """Return the RGB picture in a file; nothing is decoded before its size is known to be sane."""
    from PIL import Image

    if len(data) > MAX_BYTES:
        raise IntegrityError(f"a picture of {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise IntegrityError(
                    f"a picture of {picture.width} x {picture.height}; at most {MAX_PIXELS} pixels are read"
                )
            return picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise IntegrityError(f"a picture of the release cannot be read: {error}") from error


def _bicubic() -> int:
    from PIL import Image

    return Image.Resampling.BICUBIC
