"""Every kind of picture has one defined result, and no hostile one gets decoded."""

import io

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms, PngImagePlugin

from curation.errors import IntegrityError, Reason, Rejected
from curation.images import Inspected, inspect, main_colour, side_by_side, view
from tests.pictures import encoded, halves, noise, opened, wide_gamut, without_adobe, ycck


def kept(data: bytes) -> tuple[Inspected, Image.Image]:
    found = inspect("img-1", data)
    assert isinstance(found, Inspected), found
    return found, Image.open(io.BytesIO(found.derivative))


def refused(data: bytes) -> Reason:
    found = inspect("img-1", data)
    assert isinstance(found, Rejected)
    assert found.key == "img-1"
    return found.reason


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


def test_an_icc_profile_is_applied_and_a_broken_one_ignored() -> None:
    xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = kept(encoded(halves()))[0]
    assert kept(encoded(halves(), icc_profile=b"nonsense"))[0].derivative == plain.derivative
    assert isinstance(inspect("img-1", encoded(halves(), icc_profile=xyz)), Inspected)


@pytest.mark.parametrize(
    ("data", "reason", "named"),
    [
        (b"", Reason.IMAGE_EMPTY, "no bytes"),
        (b"\n<!DOCTYPE html><title>404</title>", Reason.NOT_AN_IMAGE, "web page"),
        (b'{"error": "too many requests"}', Reason.NOT_AN_IMAGE, "JSON"),
        (b"Too many requests, come back later.", Reason.NOT_AN_IMAGE, "text"),
        (bytes(range(200)), Reason.NOT_AN_IMAGE, "no known format"),
        (b"<?xml version='1.0'?>\n<!-- x -->\n<svg/>", Reason.IMAGE_FORMAT_NOT_ALLOWED, "SVG"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", Reason.IMAGE_FORMAT_NOT_ALLOWED, "HEIC"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", Reason.IMAGE_FORMAT_NOT_ALLOWED, "video"),
        (b"8BPS\0\1", Reason.IMAGE_FORMAT_NOT_ALLOWED, "Photoshop"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", Reason.IMAGE_FORMAT_NOT_ALLOWED, "PostScript"),
        (b"icns\0\0", Reason.IMAGE_FORMAT_NOT_ALLOWED, "ICNS"),
        (b"%PDF-1.7", Reason.IMAGE_FORMAT_NOT_ALLOWED, "PDF"),
        (b"\xff\xd8\xff", Reason.IMAGE_TRUNCATED, "JPEG"),
        (b"\x89PNG\r\n", Reason.NOT_AN_IMAGE, "not a picture"),
    ],
)
def test_what_no_decoder_is_given(data: bytes, reason: Reason, named: str) -> None:
    found = inspect("img-1", data)
    assert isinstance(found, Rejected)
    assert (found.reason, named in found.detail) == (reason, True), found


@pytest.mark.parametrize("kind", ["TIFF", "BMP", "ICO", "JPEG2000"])
def test_formats_that_pillow_reads_and_we_do_not(kind: str) -> None:
    assert refused(encoded(halves(), kind)) is Reason.IMAGE_FORMAT_NOT_ALLOWED


def test_pixels_of_32_bit_come_in_tiff_alone_and_are_refused() -> None:
    deep = Image.fromarray(np.full((120, 200), 1e-3, dtype=np.float32))
    assert refused(encoded(deep, "TIFF")) is Reason.IMAGE_FORMAT_NOT_ALLOWED


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("AVIF", {}),
        ("WEBP", {}), ("WEBP", {"lossless": True}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.05, 0.6, 0.97])
def test_a_cut_picture_is_truncated(kind: str, options: dict[str, bool], share: float) -> None:
    data = encoded(noise(), kind, **options)
    assert refused(data[: int(len(data) * share)]) is Reason.IMAGE_TRUNCATED


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_cut_jpeg_with_its_end_mended_is_truncated(mode: str, progressive: bool) -> None:
    data = encoded(noise().convert(mode), "JPEG", progressive=progressive)
    assert refused(data[: len(data) // 2] + b"\xff\xd9") is Reason.IMAGE_TRUNCATED


def test_damage_inside_is_unreadable() -> None:
    data = bytearray(encoded(noise(), "PNG"))
    data[len(data) // 2] ^= 0x55
    assert refused(bytes(data)) is Reason.IMAGE_UNREADABLE


def test_a_twelve_bit_jpeg_is_unreadable() -> None:
    data = encoded(halves(), "JPEG")
    start = data.index(b"\xff\xc0") + 4
    assert refused(data[:start] + b"\x0c" + data[start + 1 :]) is Reason.IMAGE_UNREADABLE


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_is_used_and_said_so(kind: str) -> None:
    frames = [Image.new("RGB", (120, 120), colour) for colour in ("red", "blue", "lime")]
    found, small = kept(encoded(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert found.notes == ("first of 3 frames",)
    assert small.getpixel((20, 60))[0] > 200  # type: ignore[index]


def test_of_a_stereo_pair_the_first_picture_is_used_and_said_so() -> None:
    found, small = kept(encoded(halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (200, 120))]))
    assert (found.media_type, found.notes) == ("image/jpeg", ("first of 2 frames",))
    assert small.getpixel((20, 60))[0] > 200  # type: ignore[index]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("turn", range(2, 9))
def test_every_orientation_is_applied_once(kind: str, turn: int) -> None:
    picture = Image.new("RGB", (200, 120), "blue")
    picture.paste("red", (0, 0, 100, 60))
    exif = Image.Exif()
    exif[0x0112] = turn
    found, small = kept(encoded(picture, kind, exif=exif))
    assert (found.width, found.height) == ((200, 120) if turn < 5 else (120, 200))
    corners = {(0, 0): {1, 5}, (1, 0): {2, 6}, (1, 1): {3, 7}, (0, 1): {4, 8}}
    red = {
        place
        for place in corners
        if small.getpixel((10 + place[0] * (small.width - 20), 10 + place[1] * (small.height - 20)))[0] > 200  # type: ignore[index]
    }
    assert [turn in corners[place] for place in red] == [True]
    assert found.notes == ("turned upright",)


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0" + bytes(40), b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*"]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_broken_exif_is_ignored(exif: bytes) -> None:
    found, _ = kept(encoded(halves(), "JPEG", exif=exif))
    assert (found.width, found.height) == (200, 120)


def test_cmyk_with_and_without_adobes_inversion() -> None:
    ink = halves().convert("CMYK")
    adobe = encoded(ink, "JPEG", quality=95)
    plain = without_adobe(encoded(ImageChops.invert(ink), "JPEG", quality=95))
    assert _apart(kept(adobe)[1], kept(plain)[1]) < 1
    assert kept(adobe)[1].getpixel((20, 60))[0] > 200  # type: ignore[index]


def test_ycck_becomes_rgb() -> None:
    _, small = kept(ycck(halves()))
    assert small.getpixel((20, 60))[0] > 200 > 60 > small.getpixel((20, 60))[2]  # type: ignore[index]
    assert small.getpixel((180, 60))[2] > 200  # type: ignore[index]


def test_a_wide_gamut_is_brought_to_srgb() -> None:
    picture = halves("RGB", (200, 30, 40), (30, 180, 60))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut()))
    wide = ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), profile)
    assert wide is not None
    assert _apart(opened(encoded(wide, icc_profile=b"")), picture) > 10
    assert _apart(kept(encoded(wide))[1], kept(encoded(picture))[1]) < 1


def _apart(first: Image.Image, second: Image.Image) -> float:
    return float(np.abs(np.asarray(first, dtype=float) - np.asarray(second, dtype=float)).mean())


def test_a_huge_profile_is_ignored_and_huge_metadata_refused() -> None:
    plain = kept(encoded(halves(), "JPEG"))[0].derivative
    assert kept(encoded(halves(), "JPEG", icc_profile=bytes(5_000_000)))[0].derivative == plain
    texts = PngImagePlugin.PngInfo()
    for number in range(17):
        texts.add_text(str(number), "x" * 1_000_000)
    assert refused(encoded(halves(), pnginfo=texts)) is Reason.IMAGE_METADATA_TOO_LARGE


def test_a_text_bomb_is_refused() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("bomb", "x" * 5_000_000, zip=True)
    data = encoded(halves(), pnginfo=texts)
    assert len(data) < 20_000
    assert refused(data) is Reason.IMAGE_METADATA_TOO_LARGE


def test_sixteen_bit_grey_and_its_twin_of_eight_bit_are_one() -> None:
    twin = noise().convert("L")
    deep = Image.fromarray(np.asarray(twin).astype(np.uint16) * 257)
    found, _ = kept(encoded(deep))
    assert (found.derivative, found.notes) == (kept(encoded(twin))[0].derivative, ("16 bit scaled to 8",))


def test_transparency_is_noted_only_where_something_is_transparent() -> None:
    assert kept(encoded(halves("RGBA", (0, 0, 0, 90), "blue")))[0].notes == ("transparency on white",)
    assert kept(encoded(halves("RGBA", "red", "blue")))[0].notes == ()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_nothing_but_pixels_gets_into_a_derivative(kind: str) -> None:
    secret = b"geheim-4711"
    exif = Image.Exif()
    exif[0x010E] = secret.decode()
    options = {"exif": exif, "xmp": b"<x:xmpmeta>" + secret + b"</x:xmpmeta>", "comment": secret}
    if kind == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", secret.decode())
        options["pnginfo"] = texts
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(noise(), kind, icc_profile=srgb, **options) + b"PK\x03\x04" + secret
    found, _ = kept(data)
    assert f"{4 + len(secret)} bytes after the picture left out" in found.notes
    assert secret in data
    assert secret not in found.derivative
    assert _segments(found.derivative) <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}
    assert found.derivative.endswith(b"\xff\xd9")
    assert found.derivative.count(b"\xff\xd8\xff") == 1
    assert found.derivative == kept(encoded(Image.open(io.BytesIO(data)).convert("RGB")))[0].derivative


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_bytes_have_a_result_and_never_raise(kind: str) -> None:
    random = np.random.default_rng(3)
    sound = np.frombuffer(encoded(noise(160, 120), kind, quality=60), dtype=np.uint8)
    for _ in range(60):
        data = sound.copy()
        places = random.integers(0, random.choice([200, len(data)]), random.choice([1, 2, 5]))
        data[places] = random.integers(0, 256, len(places))
        assert isinstance(inspect("img-1", data.tobytes()), Inspected | Rejected)


def _segments(data: bytes) -> set[int]:
    at, found = 2, set()
    while data[at + 1] != 0xDA:
        found.add(data[at + 1])
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return found


def test_a_tiny_picture_is_too_small() -> None:
    assert refused(encoded(Image.new("RGB", (800, 95)))) is Reason.IMAGE_TOO_SMALL


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
