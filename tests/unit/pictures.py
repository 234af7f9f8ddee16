"""Pictures with the structure of photographs, made from a seed, and the shelf to compare them on."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from curation.deduplicating.checking import compare
from curation.deduplicating.copies import encoded
from curation.deduplicating.features import picture_features
from curation.deduplicating.pairs import DedupeSettings
from curation.ids import sha256_bytes
from curation.records import DuplicatePair, PictureFeatures


def scenery(seed: int, size: tuple[int, int] = (480, 360)) -> Image.Image:
    """Return a picture with structure at every size, in colours."""
    random = np.random.default_rng(seed)
    total = np.zeros((size[1], size[0], 3))
    for cells, weight in ((4, 70.0), (9, 45.0), (24, 30.0), (60, 18.0)):
        noise = random.normal(0, 1, (cells * 3 // 4 + 1, cells, 3)).astype(np.float32)
        noise = 0.7 * noise.mean(axis=2, keepdims=True) + 0.3 * noise
        layers = [
            np.asarray(Image.fromarray(noise[..., n]).resize(size, Image.Resampling.BICUBIC))
            for n in range(3)
        ]
        total += weight * np.stack(layers, axis=2)
    return Image.fromarray(np.clip(128 + total, 0, 255).astype(np.uint8))


@dataclass(frozen=True)
class Seen:
    """A picture as the comparison sees it."""

    image_id: str
    sha256: str
    derivative_sha256: str


@dataclass
class Shelf:
    """Pictures with their features and bytes."""

    seen: list[Seen] = field(default_factory=list)
    features: dict[str, PictureFeatures] = field(default_factory=dict)
    artefacts: dict[str, bytes] = field(default_factory=dict)

    def add(self, picture: Image.Image | bytes) -> str:
        """Put a picture on the shelf and return its id."""
        data = picture if isinstance(picture, bytes) else encoded(picture)
        name = f"img-{len(self.seen):03d}"
        self.seen.append(Seen(name, sha256_bytes(data), self.save(data)))
        self.features[name] = picture_features(name, data, self.save, sha256_bytes(data))
        return name

    def save(self, data: bytes) -> str:
        """Keep bytes."""
        self.artefacts[sha256_bytes(data)] = data
        return sha256_bytes(data)

    def pairs(self, settings: DedupeSettings | None = None) -> list[DuplicatePair]:
        """Return all candidate pairs, looked at."""
        return compare(self.seen, self.features, self.artefacts.__getitem__, settings or DedupeSettings())
