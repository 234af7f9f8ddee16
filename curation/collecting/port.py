"""What a source of pictures must be able to do."""

from __future__ import annotations

from typing import Protocol

from curation.errors import Rejected
from curation.records import ImageCandidate, Subject


class ImageSource(Protocol):
    """Somewhere that subjects and pictures come from."""

    @property
    def name(self) -> str:
        """Return the source's name as it stands in records."""
        ...

    def subjects(self) -> list[Subject | Rejected]:
        """Return what the source has knowledge about, in its order; Rejected where the text is missing."""
        ...

    def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures offered for a subject, best first, before anything is fetched."""
        ...

    def fetch(self, candidate: ImageCandidate) -> bytes:
        """Return the bytes of a picture as the source has them, undecoded.

        Raises TransientError when a later try may work, FileNotFoundError when the source has it no more.
        """
        ...
