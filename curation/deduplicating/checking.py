"""Looks closely at a candidate pair: as it is, turned, and as a part; names the transform."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from curation.deduplicating import geometry
from curation.deduplicating.candidates import THUMBNAIL, Candidate, candidates
from curation.deduplicating.pairs import DedupeSettings, Measures, Pixels, measure, verdict
from curation.records import DuplicatePair, PairVerdict, PictureFeatures, Transform

_SIDE = 128
# Coarse correlation below which a picture does not lie in another, and correlation that needs no better fit.
_LEAST_SCORE, _PERFECT = 0.6, 0.999
# How much less than people are asked for the small thumbnails may agree, for the pictures to be decoded.
_MARGIN = 0.15
# Correlation of laid pictures below which they are looked at once more at half the size.
_TOO_FINE = 0.93
_HELD = 256
# For the wording alone: colours that do not agree, and how much a small part takes of the correlation.
_GREY_COPY, _MARKED = 0.6, 0.02
# Share of the part that must lie inside the whole: for a fit at all, and for a merge without people; and
# the least share of the whole that is merged with its part.
_LEAST_COVERED, _MOSTLY, _LEAST_AREA = 0.6, 0.9, 0.4
_TEXTURED = 0.4

_TURNED: dict[Transform, Callable[[Pixels], Pixels]] = {
    Transform.ROTATED_90: lambda picture: np.rot90(picture, -1),
    Transform.ROTATED_180: lambda picture: np.rot90(picture, 2),
    Transform.ROTATED_270: lambda picture: np.rot90(picture, 1),
    Transform.MIRRORED: lambda picture: picture[:, ::-1],
    Transform.UPSIDE_DOWN: lambda picture: picture[::-1],
    Transform.TRANSPOSED: lambda picture: picture.transpose(1, 0, 2),
    Transform.TRANSVERSED: lambda picture: np.rot90(picture, 2).transpose(1, 0, 2),
}


@dataclass(frozen=True, slots=True)
class _Fit:
    """One way to lay the two on each other, and what is then measured."""

    transform: Transform
    measures: Measures
    wording: str
    covered: float = 1.0
    area: float = 1.0


class Shown(Protocol):
    """What is looked at: a collected picture, or one of an earlier release."""

    @property
    def image_id(self) -> str:
        """Return its name."""

    @property
    def sha256(self) -> str:
        """Return the sha256 of its bytes."""

    @property
    def derivative_sha256(self) -> str:
        """Return the sha256 of what is looked at: RGB JPEG."""


class Checker:
    """Judges pairs of pictures; decoded ones are held for the next pairs, 256 of them (200 MB) at most."""

    def __init__(
        self,
        assets: Sequence[Shown],
        features: Mapping[str, PictureFeatures],
        read: Callable[[str], bytes],
        settings: DedupeSettings,
    ) -> None:
        """Take pictures and their features (by image id), and what gives an artefact's bytes."""
        self._assets = assets
        self._features = [features[asset.image_id] for asset in assets]
        self._settings = settings
        self._thumbnail = lru_cache(8 * _HELD)(
            lambda row: (
                np.frombuffer(read(self._features[row].thumbnail_sha256), np.uint8)
                .reshape(THUMBNAIL)
                .astype(np.float32)
            )
        )
        self._parts = lru_cache(_HELD)(lambda row: geometry.parts(self._thumbnail(row)))
        self._picture = lru_cache(_HELD)(lambda row: geometry.decoded(read(assets[row].derivative_sha256)))

    def check(self, candidate: Candidate) -> DuplicatePair:
        """Return what two pictures are to each other, in order of ids; the candidate names rows of them."""
        if self._assets[candidate.first].image_id > self._assets[candidate.second].image_id:
            candidate = candidate.turned_about()
        first, second = candidate.first, candidate.second
        one, other = self._assets[first], self._assets[second]
        bits = _bits(self._features[first], self._features[second])
        if one.sha256 == other.sha256:
            return DuplicatePair(
                first=one.image_id,
                second=other.image_id,
                transform=Transform.IDENTICAL,
                verdict=PairVerdict.MERGE,
                measures=bits,
                reason="the same bytes",
            )
        best = self._best(candidate)
        informative = self._features[first].informative and self._features[second].informative
        decided = self._decided(best, informative)
        return DuplicatePair(
            first=one.image_id,
            second=other.image_id,
            transform=best.transform,
            verdict=decided,
            measures=bits | _numbers(best),
            reason=_reason(best, decided, informative),
        )

    def _best(self, candidate: Candidate) -> _Fit:
        """Return the way in which the two agree best: as they are, turned, or the one in the other."""
        one, other = self._thumbnail(candidate.first), self._thumbnail(candidate.second)
        fits = [_Fit(Transform.SAME, measure(one, other), "as they are")]
        for way in candidate.turns:
            turned = np.ascontiguousarray(_TURNED[way](one))
            fits.append(_Fit(way, measure(turned, other), f"the second is {_WORDS[way]}"))
        best = max(fits, key=lambda fit: fit.measures.correlation)
        if best.transform is not Transform.SAME:
            return best
        ways = _where(self._parts(candidate.first), self._parts(candidate.second))
        if (
            ways[0][1].score < _LEAST_SCORE
            and best.measures.without < self._settings.review_without - _MARGIN
        ):
            fine = self._fine(candidate.first) or self._fine(candidate.second)  # a border hides it
            # Far apart even in small, so not worth decoding; grey in small says nothing, so look at points.
            return self._by_points(candidate, best) if fine else best
        return self._placed(candidate, ways)

    def _fine(self, row: int) -> bool:
        """Return whether a picture is all fine texture: its own parts do not agree with it in small."""
        parts = self._parts(row)
        return bool((parts[1:] @ parts[0]).max() < _LEAST_SCORE)

    def _by_points(self, candidate: Candidate, as_they_are: _Fit) -> _Fit:
        """Return how the one lies in the other by what stands out in both."""
        pictures = self._picture(candidate.first), self._picture(candidate.second)
        fits = [as_they_are]
        for part in (1, 0):
            fits += _fit(geometry.by_keypoints(pictures[part], pictures[1 - part]), pictures, part)
        return max(fits, key=lambda fit: fit.measures.correlation)

    def _placed(self, candidate: Candidate, ways: Sequence[tuple[int, geometry.Placement]]) -> _Fit:
        """Return how the one lies in the other, or edge on edge where that explains as much."""
        pictures = self._picture(candidate.first), self._picture(candidate.second)
        edges = measure(geometry.squeezed(pictures[0], _SIDE), geometry.squeezed(pictures[1], _SIDE))
        fits = [_Fit(Transform.SAME, edges, "as they are")]
        if edges.correlation >= _PERFECT:
            return fits[0]
        for part, start in ways:
            well_laid = any(fit.measures.correlation >= _TOO_FINE for fit in fits[1:])
            if start.score >= _LEAST_SCORE and not well_laid:
                fits += _fit(geometry.refined(pictures[part], pictures[1 - part], start), pictures, part)
        least = self._settings.review_without
        if ways[0][1].score >= _LEAST_SCORE and max(fit.measures.without for fit in fits) < least:
            fits += _fit(geometry.by_keypoints(pictures[1], pictures[0]), pictures, 1)
        best = max(fits, key=lambda fit: fit.measures.correlation)
        # A mark on the picture can gain by another frame what the rest of the picture loses.
        return best if best.measures.without >= edges.without else fits[0]

    def _decided(self, best: _Fit, informative: bool) -> PairVerdict:
        """Return the verdict; pictures on which hashes say nothing are merged only by their pixels."""
        found, decided = best.measures, verdict(best.measures, self._settings)
        # A flag turned or cut is another flag: what was moved must have something to know it by.
        unmoved = best.transform is Transform.SAME
        known = unmoved or found.textured >= _TEXTURED
        if informative and known and best.covered >= _MOSTLY and best.area >= _LEAST_AREA:
            return decided
        if unmoved and found.difference <= 1.5 and found.spot <= 6 and found.spot_colour <= 6:
            return PairVerdict.MERGE
        if decided is PairVerdict.MERGE or found.difference <= 6:
            return PairVerdict.REVIEW
        return decided


def compare(
    shown: Sequence[Shown],
    features: Mapping[str, PictureFeatures],
    read: Callable[[str], bytes],
    settings: DedupeSettings,
) -> list[DuplicatePair]:
    """Return every candidate pair among pictures, looked at closely, in order of rows."""
    made = [features[one.image_id] for one in shown]
    found = candidates(made, lambda row: read(made[row].thumbnail_sha256), settings)
    checker = Checker(shown, features, read, settings)
    return [checker.check(pair) for pair in found.pairs]


def _where(one: Pixels, other: Pixels) -> list[tuple[int, geometry.Placement]]:
    """Return which of the two may be the part (0 or 1) and about where it lies, the likelier way first."""
    ways = [(1, geometry.place_among(other, one)), (0, geometry.place_among(one, other))]
    return sorted(ways, key=lambda way: -way[1].score)


def _fit(
    placement: geometry.Placement | None, pictures: tuple[geometry.Colour, geometry.Colour], part: int
) -> list[_Fit]:
    if placement is None:
        return []
    here, there, inside = geometry.laid(pictures[part], pictures[1 - part], placement, _SIDE)
    covered = float(inside.mean())
    if covered < _LEAST_COVERED:
        return []
    name = placement.name()
    if name is not Transform.SAME and not placement.plausible():
        return []
    wording = "as they are" if name is Transform.SAME else _place(placement, part)
    found = measure(here, there, inside)
    if found.correlation < _TOO_FINE:  # grass and gravel: laid a third of a pixel off, they no longer agree
        coarser = measure(_halved(here), _halved(there), inside[::2, ::2] & inside[1::2, 1::2])
        found = max(found, coarser, key=lambda one: one.correlation)
    # Another frame and other colours at once is more than a copy has.
    recoloured = name is not Transform.SAME and found.colour < _GREY_COPY
    return [] if recoloured else [_Fit(name, found, wording, covered, placement.area())]


def _halved(picture: Pixels) -> Pixels:
    """Return a picture at half its size, by area."""
    side = picture.shape[0] // 2
    return np.asarray(picture.reshape(side, 2, side, 2, 3).mean(axis=(1, 3)), dtype=np.float32)


_WORDS = {
    Transform.ROTATED_90: "turned a quarter clockwise",
    Transform.ROTATED_180: "turned upside down",
    Transform.ROTATED_270: "turned a quarter anticlockwise",
    Transform.MIRRORED: "mirrored left to right",
    Transform.UPSIDE_DOWN: "mirrored top to bottom",
    Transform.TRANSPOSED: "mirrored at the diagonal",
    Transform.TRANSVERSED: "mirrored at the other diagonal",
}


def _place(placement: geometry.Placement, part: int) -> str:
    """Return where the part lies, in per cent of the whole."""
    left, upper, right, lower = (round(100 * min(max(edge, 0.0), 1.0)) for edge in placement.box())
    names = ("first", "second")
    turned = f", turned by {placement.tilt():.1f} degrees" if placement.name() is Transform.ROTATED else ""
    return (
        f"the {names[part]} is the part of the {names[1 - part]} from {left} to {right} % across "
        f"and {upper} to {lower} % down{turned}"
    )


def _bits(one: PictureFeatures, other: PictureFeatures) -> dict[str, float]:
    """Return how many bits of each hash of the whole pictures differ."""
    pairs = {
        "phash": (one.phash[0], other.phash[0]),
        "dhash": (one.dhash[0], other.dhash[0]),
        "pdq": (one.pdq, other.pdq),
    }
    return {name: float((int(a, 16) ^ int(b, 16)).bit_count()) for name, (a, b) in pairs.items()}


def _numbers(best: _Fit) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(best.measures).items()} | {
        "covered": round(best.covered, 3)
    }


def _reason(best: _Fit, decided: PairVerdict, informative: bool) -> str:
    """Return one sentence for a person."""
    found = best.measures
    how = f"{best.wording}, correlation {found.correlation:.3f}"
    if decided is PairVerdict.MERGE:
        return f"the same photograph: {how}"
    if decided is PairVerdict.DISTINCT:
        return f"different: at best {how}"
    if not informative:
        return f"too plain to decide by machine: {how}"
    if found.colour < _GREY_COPY:
        return f"alike but for the colours (a grey or recoloured copy?): {how}"
    if found.without - found.correlation > _MARKED:
        return f"alike but for a part (a mark, or another thing in the same place?): {how}"
    return f"alike, not quite equal: {how}"
