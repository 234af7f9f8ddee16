"""A site of small distinct pictures with every fault of the real web, and the list that names them."""

from __future__ import annotations

import csv
import io
from collections import Counter
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from curation.errors import Reason
from tests.loopback import Answer, Loopback, Seen, redirect

OF_A_SUBJECT = 20
MAX_MIB = 0.25
_PRIVATE = (
    "http://10.0.0.7/x.jpg",
    "http://169.254.169.254/latest/meta-data/",
    "http://[::ffff:7f00:1]/x.jpg",
)

# By the last digits of a picture's number; all others are sound. None: it is kept all the same.
FAULTS: dict[int, tuple[str, Reason | None]] = {
    1: ("missing", Reason.FETCH_FAILED),
    2: ("private", Reason.ADDRESS_NOT_ALLOWED),
    3: ("page", Reason.NOT_AN_IMAGE),
    4: ("endless", Reason.IMAGE_TOO_LARGE),
    5: ("announced", Reason.IMAGE_TOO_LARGE),
    6: ("half", Reason.IMAGE_TRUNCATED),
    7: ("tiny", Reason.IMAGE_TOO_SMALL),
    8: ("unlicensed", Reason.LICENCE_MISSING),
    9: ("moved", None),
    10: ("mistyped", None),
    11: ("late", None),
    12: ("dripping", None),
}
CUT_ONCE, BUSY_ONCE = 13, 14  # of fifty and of five thousand: the first answer only


@lru_cache(maxsize=64)
def photograph(number: int, side: int = 120) -> bytes:
    """Return a JPEG that no other number has: twelve by twelve patches of colour."""
    patches = np.random.default_rng(number).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    out = io.BytesIO()
    picture = Image.fromarray(patches).resize((side, side), Image.Resampling.NEAREST)
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def fault(number: int) -> str:
    """Return what is wrong with a picture, '' for nothing."""
    return FAULTS.get(number % 50, ("", None))[0]


def expected(count: int) -> Counter[str]:
    """Return what must become of so many pictures: 'kept', or the reason."""
    ends = (FAULTS.get(number % 50, ("", None))[1] for number in range(count))
    return Counter("kept" if end is None else str(end) for end in ends)


def requests_due(number: int) -> dict[str, int]:
    """Return which paths one undisturbed run asks for, and how often, to settle a picture."""
    path = f"/p/{number}.jpg"
    if fault(number) == "unlicensed":
        return {}
    if fault(number) == "moved":
        return {path: 1, f"/moved/{number}.jpg": 1}
    again = number % 50 == CUT_ONCE or number % 5000 == BUSY_ONCE
    return {path: 2 if again else 1}


def write_list(site: Loopback, count: int, path: Path) -> None:
    """Write the list of the pictures as a csv file, twenty of a subject."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["url", "caption", "subject", "category", "license", "author"])
        for number in range(count):
            subject = number // OF_A_SUBJECT
            category = ("aerial_animals", "terrestrial_animals", "building")[subject % 5 // 2]
            licence = "" if fault(number) == "unlicensed" else "CC BY 4.0"
            caption = f"Bird {subject} lives in the north and is seen at night."
            url = site.url(f"/p/{number}.jpg")
            rows.writerow([url, caption, f"Bird {subject}", category, licence, f"Author {number % 7}"])


def serve(site: Loopback) -> None:
    """Let a server answer for all pictures."""
    site.script("/p/*", lambda seen: _answer(site, seen))
    site.script("/moved/*", lambda seen: Answer(photograph(_number(seen))))


def _number(seen: Seen) -> int:
    return int(seen.path.rpartition("/")[2].removesuffix(".jpg"))


def _answer(site: Loopback, seen: Seen) -> Answer:
    number = _number(seen)
    data = photograph(number)
    first = site.hits[seen.path] == 1
    if first and number % 5000 == BUSY_ONCE:
        return Answer(b"", 429, {"Retry-After": "1"})
    if first and number % 50 == CUT_ONCE:
        return Answer(data, cut=len(data) // 2)
    return {
        "": lambda: Answer(data),
        "missing": lambda: Answer(b"gone", 404, media_type="text/plain"),
        "private": lambda: redirect(_PRIVATE[number % 3]),
        "page": lambda: Answer(b"<!doctype html><title>Please log in</title>" * 9),
        "endless": lambda: Answer(data, endless=True, length=-1),
        "announced": lambda: Answer(data, length=900_000_000),
        "half": lambda: Answer(data[: len(data) // 2]),
        "tiny": lambda: Answer(photograph(number, 24)),
        "moved": lambda: redirect(f"/moved/{number}.jpg"),
        "mistyped": lambda: Answer(data, media_type="text/html"),
        "late": lambda: Answer(data, delay=0.3),
        "dripping": lambda: Answer(data, piece=1024, pause=0.02),
    }[fault(number)]()
