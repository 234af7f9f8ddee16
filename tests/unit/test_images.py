"""Every kind of picture has one defined result, and no hostile one gets decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from curation.errors import IntegrityError, Reason, Rejected
from curation.images import Inspected, inspect, main_colour, side_by_side, view


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def kept(data: bytes) -> tuple[Inspected, Image.Image]:
    found = inspect("img-1", data)
    assert isinstance(found, Inspected), found
    return found, Image.open(io.BytesIO(found.derivative))


def refused(data: bytes) -> Reason:
    found = inspect("img-1", data)
    assert isinstance(found, Rejected)
    assert found.key == "img-1"
    return found.reason


def halves(mode: str = "RGB", left: object = "red", right: object = "blue") -> Image.Image:
    picture = Image.new(mode, (200, 120), left)
    picture.paste(right, (100, 0, 200, 120))
    return picture


def test_a_large_picture_becomes_a_small_jpeg_without_metadata() -> None:
    exif = Image.Exif()
    exif[0x013B] = "secret author"
    found, small = kept(encoded(Image.new("RGB", (1500, 1000), "teal"), "JPEG", exif=exif, comment=b"secret"))
    assert (found.width, found.height, found.media_type) == (1500, 1000, "image/jpeg")
    assert (small.size, small.mode, small.format) == ((512, 341), "RGB", "JPEG")
    assert b"secret" not in found.derivative
    assert "icc_profile" not in small.info


def test_the_same_bytes_give_the_same_derivative() -> None:
    data = encoded(halves())
    assert kept(data)[0] == kept(data)[0]


def test_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    found, small = kept(encoded(halves(), "JPEG", exif=exif, quality=95))
    assert (found.width, found.height) == (120, 200)
    assert small.getpixel((60, 20))[0] > 200  # type: ignore[index]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_the_allowed_formats(kind: str) -> None:
    found, small = kept(encoded(halves(), kind))
    assert found.media_type == f"image/{kind.lower()}"
    assert small.getpixel((20, 60))[0] > 200  # type: ignore[index]


def test_transparency_is_laid_on_white() -> None:
    _, small = kept(encoded(halves("RGBA", (0, 0, 0, 0), "blue")))
    assert min(small.getpixel((20, 60))) > 250  # type: ignore[arg-type]


def test_palette_transparency_is_laid_on_white() -> None:
    _, small = kept(encoded(halves().convert("P"), transparency=halves().convert("P").getpixel((5, 5))))
    assert min(small.getpixel((20, 60))) > 250  # type: ignore[arg-type]


def test_cmyk_becomes_rgb() -> None:
    _, small = kept(encoded(halves().convert("CMYK"), "JPEG", quality=95))
    red = small.getpixel((20, 60))
    assert red[0] > 200 > 60 > red[2]  # type: ignore[index]


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    grey = Image.fromarray(np.full((120, 200), 257 * 100, dtype=np.uint16))
    _, small = kept(encoded(grey))
    assert abs(small.getpixel((20, 60))[0] - 100) <= 2  # type: ignore[index]


def test_of_an_animation_the_first_frame_is_used() -> None:
    frames = [Image.new("RGB", (120, 120), colour) for colour in ("red", "blue")]
    _, small = kept(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert small.getpixel((20, 60))[0] > 200  # type: ignore[index]


def test_an_icc_profile_is_applied_and_a_broken_one_ignored() -> None:
    xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = kept(encoded(halves()))[0]
    assert kept(encoded(halves(), icc_profile=b"nonsense"))[0].derivative == plain.derivative
    assert isinstance(inspect("img-1", encoded(halves(), icc_profile=xyz)), Inspected)


def test_a_tiny_picture_is_too_small() -> None:
    assert refused(encoded(Image.new("RGB", (800, 95)))) is Reason.IMAGE_TOO_SMALL


def test_too_many_bytes_are_not_even_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.headers.MAX_BYTES", 10)
    assert refused(encoded(halves())) is Reason.IMAGE_TOO_LARGE


def test_side_by_side_has_both_halves() -> None:
    left = kept(encoded(Image.new("RGB", (400, 300), "red")))[0].derivative
    right = kept(encoded(Image.new("RGB", (150, 300), "blue")))[0].derivative
    picture = Image.open(io.BytesIO(side_by_side(left, right)))
    assert max(picture.size) <= 512
    assert picture.getpixel((10, 50))[0] > 200  # type: ignore[index]
    assert picture.getpixel((picture.width - 10, 50))[2] > 200  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "size"), [("crop", (160, 96)), ("dimmed", (200, 120)), ("flip", (200, 120))]
)
def test_views(kind: str, size: tuple[int, int]) -> None:
    made = Image.open(io.BytesIO(view(encoded(halves()), kind)))
    assert made.size == size
    left = made.getpixel((20, 60))
    assert left[2 if kind == "flip" else 0] > 100  # type: ignore[index]


def test_stored_bytes_that_are_no_picture_stop_the_work() -> None:
    with pytest.raises(IntegrityError):
        side_by_side(b"junk", b"junk")


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("#111111", "black"), ("#fafafa", "white"), ("#8a8a8a", "grey"), ("#d01818", "red"),
        ("#f58a1f", "orange"), ("#f5dd2a", "yellow"), ("#2e8b3a", "green"), ("#2b5fd0", "blue"),
        ("#7b2fa8", "purple"), ("#f48fb8", "pink"), ("#7a4a22", "brown"),
    ],
)  # fmt: skip
def test_the_eleven_basic_colours(code: str, name: str) -> None:
    assert main_colour(encoded(Image.new("RGB", (100, 100), code))) == (name, 1.0)


def test_the_main_colour_is_counted_over_the_whole_picture_or_a_box() -> None:
    picture = Image.new("RGB", (100, 100), "white")
    picture.paste("green", (0, 0, 100, 40))
    assert main_colour(encoded(picture)) == ("white", pytest.approx(0.6, abs=0.03))
    assert main_colour(encoded(picture), (0, 0, 100, 40)) == ("green", 1.0)
