"""Pages of pictures for people: what was collected, and what was found twice and why one was kept."""

from curation.galleries.duplicates import duplicate_gallery
from curation.galleries.sheets import SeenPicture, State, category_sheets
from curation.galleries.words import measured, transform_words

__all__ = ["SeenPicture", "State", "category_sheets", "duplicate_gallery", "measured", "transform_words"]
