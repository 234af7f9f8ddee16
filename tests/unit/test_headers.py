"""Limits are read from the container, before a decoder sees a byte."""

import struct

import pytest
from PIL import Image, PngImagePlugin

from curation import headers
from curation.errors import Reason, Rejected
from curation.headers import Header, read_header
from tests.pictures import bomb, chunk, encoded, halves, noise, png_of


def header_of(data: bytes) -> Header:
    found = read_header("img-1", data)
    assert isinstance(found, Header), found
    return found


def refused(data: bytes) -> Rejected:
    found = read_header("img-1", data)
    assert isinstance(found, Rejected), found
    return found


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("GIF", {}), ("WEBP", {}),
        ("WEBP", {"lossless": True}), ("WEBP", {"exif": b"Exif\0\0MM\0*"}),
    ],
)  # fmt: skip
def test_size_and_end_of_a_still(kind: str, options: dict[str, object]) -> None:
    data = encoded(noise(211, 107), kind, **options)
    found = header_of(data + b"tail")
    assert (found.kind, found.width, found.height, found.frames) == (kind, 211, 107, 1)
    assert found.end == len(data)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_frames_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (120, 120), (40 * number, 9, 9)) for number in range(5)]
    assert header_of(encoded(frames[0], kind, save_all=True, append_images=frames[1:])).frames == 5


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_every_cut_is_seen(kind: str) -> None:
    data = encoded(noise(120, 100), kind)
    ends = {header_of(data[:length]).end for length in range(40, len(data) - 1, 37)}
    assert ends == {None}


@pytest.mark.parametrize("side", [7_072, 12_000, 60_000, 2**31 - 1])
def test_a_bomb_is_refused_by_its_claim(side: int) -> None:
    assert refused(png_of(side, side)).reason is Reason.IMAGE_TOO_LARGE


def test_a_sound_bomb_is_refused() -> None:
    data = bomb(12_000)
    assert len(data) < 40_000
    assert refused(data).detail == "12000 x 12000 px, at most 50000000 pixels are read"


def test_a_webp_that_claims_a_huge_canvas_is_refused() -> None:
    data = bytearray(encoded(halves(), "WEBP", exif=b"Exif\0\0MM\0*"))
    data[24:30] = b"\xfe\xff\x3f" * 2
    assert refused(bytes(data)).reason is Reason.IMAGE_TOO_LARGE


def test_a_gif_whose_frame_is_larger_than_its_screen_is_refused() -> None:
    data = bytearray(encoded(halves(), "GIF"))
    at = data.index(b",\0\0\0\0\xc8\0\x78\0")
    data[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)
    assert refused(bytes(data)).reason is Reason.IMAGE_TOO_LARGE


def test_too_many_frames_are_refused() -> None:
    data = png_of(200, 200, chunk(b"acTL", struct.pack(">II", 1_001, 0)))
    assert refused(data).detail == "1001 frames, at most 1000 are read"


def test_too_many_passes_are_refused() -> None:
    data = encoded(halves(), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert header_of(data).passes < 20
    assert refused(data[:-2] + scan * 100 + data[-2:]).detail.endswith("passes, at most 100 are read")


def test_too_much_metadata_is_refused() -> None:
    texts = PngImagePlugin.PngInfo()
    for number in range(17):
        texts.add_text(str(number), "x" * 1_000_000)
    assert refused(encoded(halves(), pnginfo=texts)).reason is Reason.IMAGE_METADATA_TOO_LARGE
    segment = b"\xff\xe1\xff\xff" + bytes(65_533)
    photo = encoded(halves(), "JPEG")
    assert refused(photo[:2] + segment * 250 + photo[2:]).reason is Reason.IMAGE_METADATA_TOO_LARGE


def test_too_many_parts_are_refused() -> None:
    data = png_of(200, 200, chunk(b"tEXt") * 60_000)
    assert refused(data).detail == "more than 50000 parts"


def test_too_many_bytes_are_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headers, "MAX_BYTES", 10)
    assert refused(encoded(halves())).reason is Reason.IMAGE_TOO_LARGE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "AVIF"])
def test_no_bytes_make_it_raise(kind: str) -> None:
    data = encoded(halves(), kind)
    for at in range(0, min(len(data), 400), 7):
        for value in (0, 255):
            read_header("img-1", data[:at] + bytes([value]) * 9 + data[at + 9 :])
        read_header("img-1", data[:at])
