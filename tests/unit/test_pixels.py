"""Small pictures made fast are the large ones, aligned, upright and in their colours."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from curation.errors import IntegrityError
from curation.pixels import squeezed, squeezed_grey, trusted
from tests.pictures import bomb, encoded, halves, noise, opened, without_adobe, ycck


def ramp(width: int, height: int) -> Image.Image:
    """Return colours that say where they are."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=2).astype(np.uint8))


def apart(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, dtype=float) - np.asarray(second, dtype=float)).max())


@pytest.mark.parametrize("size", [(1601, 1203), (1279, 961), (1025, 2055), (300, 200), (64, 64), (20, 31)])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_scaled_decode_is_aligned_whatever_the_size(size: tuple[int, int], progressive: bool) -> None:
    data = encoded(ramp(*size), "JPEG", quality=98, subsampling=0, progressive=progressive)
    full = opened(data).resize((64, 64), Image.Resampling.LANCZOS)
    assert apart(squeezed(data, 64), full) <= 4
    assert apart(squeezed_grey(data, 32), full.convert("L").resize((32, 32), Image.Resampling.LANCZOS)) <= 6


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_scaled_decode_is_upright(turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(ramp(1203, 803), "JPEG", exif=exif, quality=95)
    upright = ImageOps.exif_transpose(opened(data)).resize((64, 64), Image.Resampling.LANCZOS)
    assert apart(squeezed(data, 64), upright) <= 8
    assert apart(squeezed_grey(data, 64), upright.convert("L")) <= 8


@pytest.mark.parametrize("kind", ["CMYK", "CMYK without marker", "YCCK", "grey", "palette", "alpha", "1 bit"])
def test_every_mode_becomes_the_same_colours_as_in_a_full_decode(kind: str) -> None:
    picture = noise(1200, 900)
    data = {
        "CMYK": lambda: encoded(picture.convert("CMYK"), "JPEG"),
        "CMYK without marker": lambda: without_adobe(encoded(picture.convert("CMYK"), "JPEG")),
        "YCCK": lambda: ycck(picture),
        "grey": lambda: encoded(picture.convert("L"), "JPEG"),
        "palette": lambda: encoded(picture.quantize(64)),
        "alpha": lambda: encoded(Image.merge("RGBA", (*picture.split(), picture.convert("L")))),
        "1 bit": lambda: encoded(picture.convert("1")),
    }[kind]()
    full = trusted(data).resize((64, 64), Image.Resampling.LANCZOS)
    assert apart(squeezed(data, 64), full) <= 12


@pytest.mark.parametrize(
    "read", [trusted, lambda data: squeezed(data, 64), lambda data: squeezed_grey(data, 32)]
)
@pytest.mark.parametrize(
    "data",
    [b"", b"junk", bomb(8_000), bomb(20_000), encoded(halves(), "TIFF"), encoded(noise(), "JPEG")[:5_000]],
)
def test_what_is_no_stored_picture_stops_the_work(read: object, data: bytes) -> None:
    with pytest.raises(IntegrityError):
        read(data)  # type: ignore[operator]
