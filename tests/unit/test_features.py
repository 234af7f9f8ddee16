"""Hashes are imagehash's own where it has them, and the same for every way to write one picture."""

import io
from collections.abc import Callable
from functools import cache

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageChops, ImageCms, ImageOps

from curation.deduplicating.features import (
    WINDOWS,
    Features,
    algorithm,
    features,
    grey_phash,
    phash,
    picture_features,
)
from curation.errors import IntegrityError
from curation.ids import sha256_bytes
from curation.records import Transform
from tests.pictures import encoded, noise, opened, wide_gamut, without_adobe, ycck

TURNS = {
    Transform.SAME: lambda picture: picture,
    Transform.ROTATED_90: lambda picture: picture.rotate(-90, expand=True),
    Transform.ROTATED_180: lambda picture: picture.rotate(180, expand=True),
    Transform.ROTATED_270: lambda picture: picture.rotate(90, expand=True),
    Transform.MIRRORED: ImageOps.mirror,
    Transform.UPSIDE_DOWN: ImageOps.flip,
    Transform.TRANSPOSED: lambda picture: picture.transpose(Image.Transpose.TRANSPOSE),
    Transform.TRANSVERSED: lambda picture: picture.transpose(Image.Transpose.TRANSVERSE),
}


@cache
def scene(seed: int, width: int = 900, height: int = 700) -> Image.Image:
    """Return a picture with the falling spectrum of a photograph."""
    random = np.random.default_rng(seed)
    spread = np.hypot(*np.meshgrid(np.fft.fftfreq(512), np.fft.fftfreq(512))) + 1 / 512
    waves = random.normal(size=(3, 512, 512)) + 1j * random.normal(size=(3, 512, 512))
    bands = np.fft.ifft2(waves / spread**1.6).real
    bands *= 45 / bands.std(axis=(1, 2), keepdims=True)
    mixed = 128 + np.moveaxis(bands, 0, 2) @ np.array([[0.6, 0.3, 0.3], [0.2, 0.5, 0.3], [0.2, 0.2, 0.4]])
    return Image.fromarray(mixed.clip(0, 255).astype(np.uint8)).resize((width, height))


def bits(first: int, second: int) -> int:
    return (first ^ second).bit_count()


def number(found: imagehash.ImageHash) -> int:
    return int(str(found), 16)


def kept(made: Features, other: Features) -> None:
    """Two ways to write one picture: nothing that is stored of it may differ by much."""
    assert bits(made.phash[0], other.phash[0]) <= 2
    assert bits(made.dhash[0], other.dhash[0]) <= 2
    assert bits(made.pdq, other.pdq) <= 16
    near = np.frombuffer(made.thumbnail, np.uint8).astype(int) - np.frombuffer(other.thumbnail, np.uint8)
    assert np.abs(near).mean() < 3


def greys() -> list[np.ndarray]:
    random = np.random.default_rng(5)
    quarter = random.integers(0, 256, (16, 16), dtype=np.uint8)
    half = np.concatenate([quarter, quarter[:, ::-1]], axis=1)
    return [
        *(random.integers(0, 256, (32, 32), dtype=np.uint8) for _ in range(200)),
        *(np.full((32, 32), value, dtype=np.uint8) for value in (0, 1, 100, 255)),
        np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1)),
        np.concatenate([half, half[::-1]]),
        *((random.random((4, 4)) > 0.5).repeat(8, 0).repeat(8, 1).astype(np.uint8) * 255 for _ in range(50)),
    ]


def test_phash_is_imagehashs_bit_for_bit_on_the_same_small_grey_picture() -> None:
    for grey in greys():
        assert grey_phash(grey) == number(imagehash.phash(Image.fromarray(grey)))


@pytest.mark.parametrize("path", [phash, lambda data: features(data).phash[0]], ids=["alone", "record"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0, "quality": 60}])
def test_phash_of_a_jpeg_is_imagehashs_within_two_bits(
    path: Callable[[bytes], int], options: dict[str, int]
) -> None:
    files = [encoded(scene(seed, 703 + 61 * seed, 603 + 37 * seed), "JPEG", **options) for seed in range(12)]
    drift = [bits(path(data), number(imagehash.phash(opened(data)))) for data in files]
    assert max(drift) <= 2
    assert np.mean(drift) < 0.2


def test_dhash_is_imagehashs_within_two_bits() -> None:
    files = [encoded(scene(seed), "JPEG") for seed in range(6)]
    assert max(bits(features(data).dhash[0], number(imagehash.dhash(opened(data)))) for data in files) <= 2


def test_the_windows_are_hashes_of_the_cuts() -> None:
    picture = scene(3, 1000, 800)
    found = features(encoded(picture))
    for window, ours, rises in zip(WINDOWS, found.phash, found.dhash, strict=True):
        left, upper, right, lower = window
        cut = picture.crop((round(1000 * left), round(800 * upper), round(1000 * right), round(800 * lower)))
        assert bits(ours, number(imagehash.phash(cut))) <= 2
        assert bits(rises, number(imagehash.dhash(cut))) <= 2


@pytest.mark.parametrize("place", range(8))
def test_turned_has_the_hash_of_each_turn_in_the_order_of_transform(place: int) -> None:
    picture = scene(4, 600, 800)
    turned = TURNS[list(Transform)[place]](picture)
    found = features(encoded(picture))
    assert found.turned[0] == found.phash[0]
    assert bits(found.turned[place], number(imagehash.phash(turned))) <= 2
    assert bits(found.turned[place], features(encoded(turned)).phash[0]) <= 2


def test_pdq_is_the_references_of_the_squeezed_picture_and_near_that_of_a_large_one() -> None:
    import pdqhash

    vector, quality = pdqhash.compute(np.asarray(scene(6, 128, 128)))
    found = features(encoded(scene(6, 128, 128)))
    assert (f"{found.pdq:0256b}", found.pdq_quality) == ("".join(map(str, vector)), quality)
    for seed in range(6):
        large = pdqhash.compute(np.asarray(scene(seed, 512, 400)))[0]
        ours = f"{features(encoded(scene(seed, 512, 400))).pdq:0256b}"
        assert sum(bit != str(other) for bit, other in zip(ours, large, strict=True)) <= 31


def written(kind: str) -> tuple[bytes, bytes]:
    """Return a plain picture and the same one written in another way."""
    picture = scene(7)
    plain, grey = encoded(picture, "JPEG", quality=92), picture.convert("L")
    if kind == "16 bit":
        deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        return encoded(grey), encoded(deep)
    if kind == "CMYK without Adobe's marker":
        return plain, without_adobe(encoded(ImageChops.invert(picture.convert("CMYK")), "JPEG"))
    if kind == "wide gamut":
        profile = ImageCms.ImageCmsProfile(io.BytesIO(wide_gamut()))
        wide = ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), profile)
        return plain, encoded(wide or picture, "JPEG", icc_profile=wide_gamut())
    ways = {
        "PNG": lambda: encoded(picture),
        "WebP": lambda: encoded(picture, "WEBP"),
        "AVIF": lambda: encoded(picture, "AVIF"),
        "progressive": lambda: encoded(picture, "JPEG", progressive=True),
        "CMYK": lambda: encoded(picture.convert("CMYK"), "JPEG", quality=92),
        "YCCK": lambda: ycck(picture),
        "trailing bytes": lambda: plain + b"PK\3\4" + bytes(1000),
        "stray bytes": lambda: (
            plain[: plain.index(b"\xff\xda")] + b"\0\0" + plain[plain.index(b"\xff\xda") :]
        ),
    }
    return plain, ways[kind]()


@pytest.mark.parametrize(
    "kind",
    [
        "16 bit", "wide gamut", "PNG", "WebP", "AVIF", "progressive", "CMYK", "CMYK without Adobe's marker",
        "YCCK", "trailing bytes", "stray bytes",
    ],
)  # fmt: skip
def test_however_it_is_written_it_is_one_picture(kind: str) -> None:
    plain, other = written(kind)
    kept(features(plain), features(other))
    assert bits(phash(other), features(other).phash[0]) <= 2


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_orientation_is_applied(kind: str, turn: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(scene(8, 620, 480), kind, exif=exif)
    upright = encoded(ImageOps.exif_transpose(opened(data)), kind)
    kept(features(data), features(upright))
    assert bits(phash(data), number(imagehash.phash(opened(upright)))) <= 2


def test_transparency_is_laid_on_white() -> None:
    picture = scene(9).convert("RGBA")
    mask = Image.new("L", picture.size, 255)
    mask.paste(0, (0, 0, 300, 700))
    picture.putalpha(mask)
    flat = Image.new("RGB", picture.size, "white")
    flat.paste(picture, mask=mask)
    kept(features(encoded(picture)), features(encoded(flat)))


@pytest.mark.parametrize("colour", ["white", "blue", "#123456"])
def test_a_single_colour_is_not_informative_but_its_colour_is_known(colour: str) -> None:
    found = features(encoded(Image.new("RGB", (300, 300), colour)))
    assert not found.informative
    assert found.thumbnail == Image.new("RGB", (64, 64), colour).tobytes()


def test_a_gradient_is_not_informative_and_a_scene_is() -> None:
    gradient = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (256, 1)))
    assert not features(encoded(gradient)).informative
    assert features(encoded(scene(1))).informative


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (96, 96), (100, 2_000), (255, 257), (3_000, 96)])
def test_any_size_and_shape_has_features(size: tuple[int, int]) -> None:
    found = features(encoded(noise(*size)))
    assert (len(found.phash), len(found.dhash), len(found.turned)) == (9, 9, 8)
    assert len(found.thumbnail) == 64 * 64 * 3


def test_a_small_copy_has_the_hash_of_the_large_one() -> None:
    picture = scene(2, 1200, 1000)
    small = features(encoded(picture.resize((120, 100), Image.Resampling.LANCZOS)))
    assert bits(small.phash[0], features(encoded(picture)).phash[0]) <= 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_partial_picture_is_never_hashed(kind: str) -> None:
    data = encoded(scene(1, 640, 480), kind)
    for path in (features, phash):
        with pytest.raises(IntegrityError):
            path(data[: len(data) * 6 // 10])


def test_a_mended_jpeg_is_never_hashed() -> None:
    data = encoded(scene(1, 640, 480), "JPEG")
    for path in (features, phash):
        with pytest.raises(IntegrityError):
            path(data[: len(data) * 6 // 10] + b"\xff\xd9")


def test_the_record_has_all_of_it_and_its_thumbnail_is_saved() -> None:
    data = encoded(scene(5), "JPEG")
    saved: list[bytes] = []

    def save(content: bytes) -> str:
        saved.append(content)
        return sha256_bytes(content)

    found, record = features(data), picture_features("img-1", data, save, sha256_bytes(data))
    assert [int(value, 16) for value in record.phash] == list(found.phash)
    assert [int(value, 16) for value in record.dhash] == list(found.dhash)
    assert [int(value, 16) for value in record.turned] == list(found.turned)
    assert (int(record.pdq, 16), record.pdq_quality) == (found.pdq, found.pdq_quality)
    assert {len(value) for value in (*record.phash, *record.dhash, *record.turned)} == {16}
    assert (len(record.pdq), saved, record.thumbnail_sha256) == (
        64, [found.thumbnail], sha256_bytes(found.thumbnail)
    )  # fmt: skip
    assert (record.image_id, record.sha256, record.algorithm) == ("img-1", sha256_bytes(data), algorithm())


def test_other_bytes_than_were_fetched_stop_the_work() -> None:
    with pytest.raises(IntegrityError, match="img-1"):
        picture_features("img-1", encoded(scene(5)), sha256_bytes, sha256_bytes(b"other"))


def test_the_algorithm_names_the_versions_that_change_hashes() -> None:
    assert all(name in algorithm() for name in ("pillow 1", "simplejpeg 1", "pdqhash 0", "libjpeg-turbo 3"))
