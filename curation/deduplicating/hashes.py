"""Perceptual hashes of a picture's derivative, stored with the versions that made them."""

from __future__ import annotations

import io

import imagehash
import PIL
from PIL import Image

from curation.errors import IntegrityError
from curation.records import ImageAsset, ImageHashes

ALGORITHM = f"imagehash {imagehash.__version__} phash+dhash 8x8, Pillow {PIL.__version__}, 512 px derivative"
"""Hashes of other versions may differ by some bits: compare only equals."""


def hash_asset(asset: ImageAsset, derivative: bytes) -> ImageHashes:
    """Return pHash and dHash of a derivative, 64 bit each.

    Hashing the derivative and not the original makes 16 bit, transparent, turned and wide-gamut files
    comparable. Raises IntegrityError when the bytes are no picture.
    """
    try:
        picture = Image.open(io.BytesIO(derivative), formats=("JPEG",))
        grey = picture.convert("L")
    except (OSError, SyntaxError, ValueError) as error:
        raise IntegrityError(f"the derivative of {asset.image_id} is no picture") from error
    return ImageHashes(
        image_id=asset.image_id,
        sha256=asset.sha256,
        phash=str(imagehash.phash(grey)),
        dhash=str(imagehash.dhash(grey)),
        algorithm=ALGORITHM,
    )
