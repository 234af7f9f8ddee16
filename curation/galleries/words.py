"""What the check of two pictures found, in words for people."""

from __future__ import annotations

from curation.records import DuplicatePair, Transform

_TRANSFORMS = {
    Transform.SAME: "the same view",
    Transform.ROTATED_90: "turned by a quarter",
    Transform.ROTATED_180: "turned by a half",
    Transform.ROTATED_270: "turned by three quarters",
    Transform.MIRRORED: "mirrored left to right",
    Transform.UPSIDE_DOWN: "flipped top to bottom",
    Transform.TRANSPOSED: "mirrored and turned by a quarter",
    Transform.TRANSVERSED: "mirrored and turned by three quarters",
    Transform.CROPPED: "one is cut out of the other",
    Transform.ROTATED: "turned by a few degrees",
    Transform.IDENTICAL: "the same file",
}
# In the order in which they are shown; others follow by name.
_MEASURES = {
    "correlation": "structure (1 agrees)",
    "without": "without the worst eighth",
    "colour": "colour (1 agrees)",
    "colour_difference": "colour apart",
    "worst": "worst block",
    "fourth": "fourth worst",
    "spot": "worst spot",
    "spot_colour": "worst spot of colour",
    "difference": "mean difference",
    "covered": "overlap",
    "phash": "pHash bits",
    "dhash": "dHash bits",
    "pdq": "PDQ bits",
}


def transform_words(pair: DuplicatePair) -> str:
    """Return how one picture of a pair comes from the other; it reads the same from both sides."""
    return _TRANSFORMS[pair.transform]


def measured(pair: DuplicatePair) -> list[tuple[str, str]]:
    """Return what was measured as (what it is, number); differences are in grey levels of 255."""
    place = {name: number for number, name in enumerate(_MEASURES)}
    names = sorted(pair.measures, key=lambda name: (place.get(name, len(place)), name))
    return [
        (_MEASURES.get(name, name.replace("_", " ")), f"{round(pair.measures[name], 3):g}") for name in names
    ]
