"""What a project can set: one typed class, defaults with their reasons, read from mmke.toml."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from curation.errors import PrerequisiteError

CONFIG_FILE = "mmke.toml"


class Settings(BaseModel):
    """The settings of one project; an unknown key in mmke.toml is an error.

    Paths are relative to the current folder. The language model's endpoint and key are not here: they come
    from the environment (OPENAI_BASE_URL, OPENAI_API_KEY) and are never written down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path = Path(".mmke")
    # Where `make sample` puts the Debian package of the sample photographs.
    sample_archive: Path = Path(".cache/sample/gcompris-qt-data.deb")
    # Label Studio pins packages that this project cannot live with, so it has an environment of its own.
    label_studio: Path = Path(".venv-label-studio/bin/label-studio")
    # The migrated, empty data folder takes a minute to make; every fresh project copies it.
    label_studio_template: Path = Path(".cache/label-studio-template")
    # Frozen weights and features may serve several projects.
    model_cache: Path = Path(".cache/models")
    # How many subjects to take of a category, None for all: a small number for a first try.
    per_category: int | None = Field(default=None, ge=1)
    # Hamming distance of 64-bit pHashes up to which two pictures are compared closely.
    duplicate_radius: int = Field(default=6, ge=0, le=16)
    # The model asked for at a real endpoint; the embedded rule drafter has its own name.
    drafting_model: str = "gpt-5-mini"
    # Two votes an item are the least that agreement can be computed from.
    votes: int = Field(default=2, ge=2, le=5)
    methods: tuple[str, ...] = ("none", "FT-LLM", "FT-Alignment", "IKE", "SERAC", "MEND", "KE")
    # Edits made one on the other, beside the single ones; 0 for none.
    sequential_edits: int = Field(default=30, ge=0)
    # Prefect tasks are chunks of things: a task costs about 15 ms, a thing often less.
    chunk: int = Field(default=16, ge=1)
    # Chunks at work at once; a language model answers slowly, so more than there are cores.
    workers: int = Field(default=4, ge=1)

    @property
    def releases(self) -> Path:
        """Return the folder of frozen releases."""
        return self.home / "releases"


def load_settings() -> Settings:
    """Read mmke.toml of the current folder when there is one; MMKE_HOME overrides home.

    Raises PrerequisiteError naming the wrong key.
    """
    path = Path(CONFIG_FILE)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if "MMKE_HOME" in os.environ:
            values["home"] = os.environ["MMKE_HOME"]
        settings = Settings.model_validate(values)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{path} is not valid TOML ({error}); correct it"
        raise PrerequisiteError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; correct it"
        raise PrerequisiteError(message) from error
    here = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update=here)
