"""Pages of pictures for people: what was collected, and what was found twice and why one was kept."""

from curation.galleries.duplicates import TRANSFORM_WORDS, duplicate_gallery
from curation.galleries.sheets import SeenPicture, State, category_sheets, contact_sheet

__all__ = ["TRANSFORM_WORDS", "SeenPicture", "State", "category_sheets", "contact_sheet", "duplicate_gallery"]
