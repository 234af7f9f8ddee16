"""Decides whether two pictures show the same photograph, from their stored thumbnails."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class DedupeSettings(BaseModel):
    """The `[dedupe]` table of mmke.toml; the defaults are what the quality table in docs/ was measured with.

    Radii are bits in which two hashes may differ for the pair to be looked at closely.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # What people said of pairs, relative to the current folder: a file to keep under version control.
    rulings: Path = Path("decisions/duplicates.toml")
    # numpy needs nothing more; faiss (extra `faiss`) gives the same pairs.
    index: Literal["numpy", "faiss"] = "numpy"
    # Whole picture against whole picture.
    phash_radius: int = Field(default=10, ge=0, le=20)
    dhash_radius: int = Field(default=8, ge=0, le=20)
    pdq_radius: int = Field(default=64, ge=0, le=90)
    # A whole picture against a window of another (crops, borders, caption bars), and over flips and turns.
    window_radius: int = Field(default=8, ge=0, le=20)
    turned_radius: int = Field(default=8, ge=0, le=20)
    # Plain and flag-like pictures, whose pHash and PDQ are noise: dHash alone proposes.
    plain_radius: int = Field(default=3, ge=0, le=4)
    # Partners of one picture beyond which it is reported as crowded and its further pairs are left out.
    most_partners: int = Field(default=2000, ge=10)
