"""Lays one picture on another: finds it as a part of the other, names the transform, gives both as laid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import atan2, degrees

import numpy as np
import numpy.typing as npt

from curation.errors import IntegrityError
from curation.records import Transform

Grey = npt.NDArray[np.uint8]
Colour = npt.NDArray[np.uint8]
Matrix = npt.NDArray[np.float32]

_SIDES = (48, 128)
# Correlation of the laid pictures below which a finer fit is not worth its time.
_LEAST_SCORE = 0.75
_TINY = 16
_CUTS = tuple(product((0.0, 0.075, 0.15), repeat=2))
_PLAIN = 1.5 * _TINY
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_LEAST_INLIERS = 15
# Shares of a side, degrees: less than these is no crop, no rotation.
_CUT, _TILT = 0.006, 0.9
# Of the whole's side, degrees, cosine: beyond these a fit is a chance one.
_LEAST_SIDE, _MOST_TILT, _MOST_SHEAR = 0.45, 8.0, 0.04


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a picture lies in another one.

    matrix: float32 2 x 3, from shares of the part's width and height to shares of the whole's. aspect: of
    the whole, width by height. score: what the search was led by, -1 to 1.
    """

    matrix: Matrix
    aspect: float
    score: float

    def box(self) -> tuple[float, float, float, float]:
        """Return left, upper, right, lower of the part within the whole, in shares of the whole."""
        corners = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]], dtype=np.float32) @ self.matrix.T
        left, upper = corners.min(axis=0)
        right, lower = corners.max(axis=0)
        return (float(left), float(upper), float(right), float(lower))

    def area(self) -> float:
        """Return the share of the whole that the part would cover."""
        return abs(float(np.linalg.det(self.matrix[:, :2])))

    def tilt(self) -> float:
        """Return by how many degrees the part is turned in the whole."""
        return degrees(atan2(float(self.matrix[1, 0]), float(self.matrix[0, 0]) * self.aspect))

    def plausible(self) -> bool:
        """Return whether this is what people do to a copy: a small turn, no shear, hardly any stretch."""
        across, down = self.matrix[:, 0] * (self.aspect, 1.0), self.matrix[:, 1] * (self.aspect, 1.0)
        lengths = float(np.hypot(*across)), float(np.hypot(*down))
        if min(lengths) < _LEAST_SIDE or abs(self.tilt()) > _MOST_TILT:
            return False
        return abs(float(across @ down)) / (lengths[0] * lengths[1]) <= _MOST_SHEAR

    def name(self) -> Transform:
        """Return rotated, cropped or same."""
        if abs(self.tilt()) >= _TILT:
            return Transform.ROTATED
        left, upper, right, lower = self.box()
        if max(abs(left), abs(upper), abs(1 - right), abs(1 - lower)) >= _CUT:
            return Transform.CROPPED
        return Transform.SAME


def decoded(derivative: bytes) -> Colour:
    """Return a derivative's pixels: uint8 RGB, shape (height, width, 3); IntegrityError for no picture."""
    import cv2

    found = cv2.imdecode(np.frombuffer(derivative, dtype=np.uint8), cv2.IMREAD_COLOR)
    if found is None:
        raise IntegrityError("stored bytes are no picture; run `mmke collect` again")
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def parts(thumbnail: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return 81 parts of a picture as unit vectors: all crops by 0, 7.5 or 15 % a side, the whole first.

    thumbnail: float32 RGB, shape (64, 64, 3); float32, shape (81, 256). A plain part is all zeros.
    """
    ways = _ways()
    grey = thumbnail @ _LUMA
    small = np.einsum("yij,jk,xlk->yxil", ways, grey, ways, optimize=True).reshape(len(ways) ** 2, -1)
    small -= small.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(small, axis=1, keepdims=True)
    return np.asarray(np.where(lengths > _PLAIN, small / np.maximum(lengths, 1e-6), 0), dtype=np.float32)


def place_among(part: npt.NDArray[np.float32], whole: npt.NDArray[np.float32]) -> Placement:
    """Return which part of the whole a picture is most like: both as `parts` gives them."""
    scores = whole @ part[0]
    best = int(scores.argmax())
    (upper, lower), (left, right) = _CUTS[best // len(_CUTS)], _CUTS[best % len(_CUTS)]
    matrix = [[1 - left - right, 0, left], [0, 1 - upper - lower, upper]]
    return Placement(np.array(matrix, dtype=np.float32), 1.0, float(scores[best]))


@cache
def _ways() -> npt.NDArray[np.float32]:
    """Return for each pair of cuts what shrinks 64 pixels to 16 by area: (9, 16, 64)."""
    found = []
    for start, end in _CUTS:
        edges = np.linspace(start * 64, (1 - end) * 64, _TINY + 1)
        low = np.maximum(edges[:-1, None], np.arange(64))
        high = np.minimum(edges[1:, None], np.arange(1, 65))
        weights = np.maximum(high - low, 0)
        found.append(weights / weights.sum(axis=1, keepdims=True))
    return np.stack(found).astype(np.float32)


def refined(part: Colour, whole: Colour, start: Placement, sides: Sequence[int] = _SIDES) -> Placement | None:
    """Return a placement made exact, None when the search runs away.

    By maximising the correlation over affine maps (Evangelidis and Psarakis, 2008), at one size after the
    other, in px.
    """
    import cv2

    placement = start
    for side in sides:
        small, large = grey(part, side), grey(whole, side)
        to_share = np.diag([1 / small.shape[1], 1 / small.shape[0], 1]).astype(np.float32)
        from_share = np.diag([large.shape[1], large.shape[0]]).astype(np.float32)
        matrix = (from_share @ placement.matrix @ to_share).astype(np.float32)
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)
        everywhere = np.full(large.shape, 255, np.uint8)
        try:
            score, found = cv2.findTransformECC(
                small, large, matrix, cv2.MOTION_AFFINE, criteria, everywhere, 5
            )
        except cv2.error:  # it did not converge: the two have nothing to do with each other
            return None
        shares = np.linalg.inv(from_share) @ np.asarray(found, dtype=np.float32) @ np.linalg.inv(to_share)
        placement = Placement(shares.astype(np.float32), whole.shape[1] / whole.shape[0], float(score))
        if score < _LEAST_SCORE:
            return None
    return placement


def by_keypoints(part: Colour, whole: Colour) -> Placement | None:
    """Return where a picture lies in another one by ORB (Rublee, 2011) and RANSAC, None when nowhere."""
    import cv2

    orb = cv2.ORB.create(600)
    small, large = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (part, whole))
    points_1, words_1 = orb.detectAndCompute(small, np.full(small.shape, 255, np.uint8))
    points_2, words_2 = orb.detectAndCompute(large, np.full(large.shape, 255, np.uint8))
    if words_1 is None or words_2 is None:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(words_1, words_2)
    if len(matches) < _LEAST_INLIERS:
        return None
    ours = np.array([points_1[match.queryIdx].pt for match in matches], dtype=np.float32)
    theirs = np.array([points_2[match.trainIdx].pt for match in matches], dtype=np.float32)
    cv2.setRNGSeed(1)  # the same pair gives the same answer
    matrix, inliers = cv2.estimateAffinePartial2D(ours, theirs, ransacReprojThreshold=4.0)
    if matrix is None or int(inliers.sum()) < _LEAST_INLIERS:
        return None
    to_share = np.diag([small.shape[1], small.shape[0], 1])
    shares = np.diag([1 / large.shape[1], 1 / large.shape[0]]) @ matrix @ to_share
    start = Placement(shares.astype(np.float32), large.shape[1] / large.shape[0], 0.0)
    # Points are as exact as a fit in small; the smallest size would lose what is all fine texture.
    return refined(part, whole, start, _SIDES[1:]) or start


def laid(
    part: Colour, whole: Colour, placement: Placement, side: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Return the part, what the whole has in its place, and where that is inside the whole.

    Both squeezed to float32 RGB of shape (side, side, 3), the mask to (side, side).
    """
    import cv2

    scale = np.diag([1 / side, 1 / side, 1]).astype(np.float32)
    # The whole is shrunk first, by area, to about the size that its part is looked at in.
    left, upper, right, lower = placement.box()
    across = max(16, round(side / max(right - left, 0.05)))
    down = max(16, round(side / max(lower - upper, 0.05)))
    shrunk = cv2.resize(whole, (across, down), interpolation=cv2.INTER_AREA)
    matrix = np.diag([across, down]).astype(np.float32) @ placement.matrix @ scale
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    # Pixel centres lie at a half.
    matrix[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5], dtype=np.float32) - 0.5
    there = cv2.warpAffine(shrunk, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.full((down, across), 255, np.uint8), matrix, (side, side), flags=flags)
    return squeezed(part, side), there.astype(np.float32), np.asarray(inside > 250)


def squeezed(picture: Colour, side: int) -> npt.NDArray[np.float32]:
    """Return a picture squeezed to float32 RGB of shape (side, side, 3)."""
    import cv2

    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32)


def grey(picture: Colour, side: int) -> Grey:
    """Return a picture's luma with a longest side of `side` px."""
    import cv2

    height, width = picture.shape[:2]
    scale = side / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(luma, size, interpolation=cv2.INTER_AREA))
