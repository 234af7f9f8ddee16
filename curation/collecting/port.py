"""What a source of pictures must be able to do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from curation.errors import Rejected
from curation.records import ImageCandidate, Subject


@dataclass(frozen=True, slots=True)
class Fetched:
    """A picture as it came, undecoded.

    final_url: where the bytes came from after redirects, '' for a local file. retrieved_at: ISO 8601, UTC,
    when they came over the wire (not when a later run read them again), '' for a local file.
    """

    data: bytes
    final_url: str = ""
    retrieved_at: str = ""


class ImageSource(Protocol):
    """Somewhere that subjects and pictures come from."""

    @property
    def name(self) -> str:
        """Return the source's name as it stands in records."""
        ...

    def subjects(self) -> AsyncIterator[Subject | Rejected]:
        """Yield what the source has knowledge about, in its order; Rejected where the text is missing.

        Raises TransientError when a later try may work.
        """
        ...

    async def search(self, subject: Subject) -> list[ImageCandidate]:
        """Return the pictures offered for a subject, best first, before anything is fetched.

        Raises TransientError when a later try may work.
        """
        ...

    async def fetch(self, candidate: ImageCandidate) -> Fetched | Rejected:
        """Return the bytes of a picture as the source has them, undecoded; Rejected when it never will.

        Raises TransientError when a later try may work: the picture stays pending.
        """
        ...
