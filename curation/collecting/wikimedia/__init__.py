"""Wikidata, Wikipedia and Commons as one source: subjects by class, their lead text, their pictures."""

from curation.collecting.wikimedia.settings import WikimediaSettings
from curation.collecting.wikimedia.source import WikimediaSource

__all__ = ["WikimediaSettings", "WikimediaSource"]
