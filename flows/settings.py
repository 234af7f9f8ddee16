"""What a project can set: one typed class, defaults with their reasons, read from mmke.toml."""

from __future__ import annotations

import os
import tomllib
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from curation.collecting.folder import FolderSettings
from curation.collecting.http.settings import DoorSettings
from curation.collecting.hugging_face import HuggingFaceSettings
from curation.collecting.openverse import OpenverseSettings
from curation.collecting.url_list import UrlListSettings
from curation.collecting.wikimedia import WikimediaSettings
from curation.deduplicating.pairs import DedupeSettings
from curation.drafting.endpoint.settings import LlmSettings
from curation.errors import PrerequisiteError
from curation.licences import DEFAULT_ALLOWED, spdx_id

CONFIG_FILE = "mmke.toml"


class SampleSettings(BaseModel):
    """The sample photographs, which `make sample` fetches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sample"] = "sample"


class RunnerSettings(BaseModel):
    """The `[runner]` table: where the chunks of a stage are worked on.

    threads: in this process. dask: on the cluster whose scheduler is at address ('tcp://10.0.0.5:8786'), or,
    without an address, in as many processes of this machine as there are workers (extra `dask`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["threads", "dask"] = "threads"
    address: str = ""


class DraftingSettings(BaseModel):
    """The `[draft]` table: how items are drafted.

    redrafts: drafts of an item beyond the first of a run, each told what was wrong with the one before.
    draws: drafts of an item over all runs; what was turned down as often is left to people.
    question_pools: CSV or JSONL files of questions for locality, in place of ones that the model writes.
    outside_texts: CSV or JSONL files of texts about the things that edits bring in, for portability.
    text_only_tries: how often a model is asked each picture question without the picture; 0 to leave it out.
    judge_model: a model that flags doubtful items for people; '' for none, never the drafting model.
    prices: a TOML file of [[prices]] rows that come before those of our own table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    redrafts: int = Field(default=2, ge=0, le=9)
    draws: int = Field(default=8, ge=1, le=99)
    question_pools: tuple[Path, ...] = ()
    outside_texts: tuple[Path, ...] = ()
    text_only_tries: int = Field(default=0, ge=0, le=9)
    judge_model: str = ""
    prices: Path | None = None


SourceSettings = Annotated[
    SampleSettings
    | WikimediaSettings
    | OpenverseSettings
    | UrlListSettings
    | FolderSettings
    | HuggingFaceSettings,
    Field(discriminator="kind"),
]


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
    # The interpreter of the environment of its own that `make local-llm` makes.
    local_llm: Path = Path(".venv-local-llm/bin/python")
    # Frozen weights and features may serve several projects.
    model_cache: Path = Path(".cache/models")
    # A project's own categories, [[category]] tables beside the paper's 33.
    taxonomy: Path | None = None
    # Where subjects and pictures come from, taken in this order.
    sources: tuple[SourceSettings, ...] = Field(default=(SampleSettings(),), min_length=1)
    http: DoorSettings = DoorSettings()
    # Free for any use, adaptation and redistribution: what cannot be passed on is of no use in a release.
    allowed_licences: tuple[str, ...] = tuple(sorted(DEFAULT_ALLOWED))
    # What people asked us to take down: [[withdrawn]] tables.
    withdrawn: Path | None = None
    # How many subjects to take of a category, None for all: a small number for a first try.
    per_category: int | None = Field(default=None, ge=1)
    dedupe: DedupeSettings = DedupeSettings()
    llm: LlmSettings = LlmSettings()
    draft: DraftingSettings = DraftingSettings()
    # Two votes an item are the least that agreement can be computed from.
    votes: int = Field(default=2, ge=2, le=5)
    methods: tuple[str, ...] = ("none", "FT-LLM", "FT-Alignment", "IKE", "SERAC", "MEND", "KE")
    # Edits made one on the other, beside the single ones; 0 for none.
    sequential_edits: int = Field(default=30, ge=0)
    # Prefect tasks are chunks of things: a task costs about 15 ms, a thing often less.
    chunk: int = Field(default=16, ge=1)
    # Chunks at work at once; a language model answers slowly, so more than there are cores.
    workers: int = Field(default=4, ge=1)
    runner: RunnerSettings = RunnerSettings()

    @field_validator("allowed_licences")
    @classmethod
    def _known_licences(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            known = spdx_id(entry)
            if entry not in (*DEFAULT_ALLOWED, known):
                hint = f"write {known}" if known else "no source's licence text would ever be read as it"
                raise ValueError(f"{entry!r} is not the SPDX id of a licence that we know; {hint}")
        return value

    @field_validator("sources")
    @classmethod
    def _names_of_their_own(cls, value: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = Counter(getattr(source, "name", source.kind) for source in value)
        for name, times in names.items():
            if times > 1:
                raise ValueError(f"{times} sources are called {name}; give each a name of its own")
        return value

    @property
    def releases(self) -> Path:
        """Return the folder of frozen releases."""
        return self.home / "releases"


def load_settings() -> Settings:
    """Read mmke.toml of the current folder when there is one; MMKE_HOME overrides home.

    Raises PrerequisiteError naming the wrong key, and the known one that is nearest to it.
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
        told = _nearest(first["loc"]) if first["type"] == "extra_forbidden" else first["msg"]
        message = f"{path}: {'.'.join(map(str, first['loc']))}: {told}; correct it"
        raise PrerequisiteError(message) from error
    here = {name: value.absolute() for name, value in settings if isinstance(value, Path)}
    return settings.model_copy(update=here)


def _nearest(place: tuple[int | str, ...]) -> str:
    """Return what to say of an unknown key: the known one that is nearest to it."""
    tables: list[type[BaseModel]] = [Settings]
    for step in place[:-1]:
        tables = _within(tables, step)
    known = sorted({name for table in tables for name in table.model_fields})
    near = get_close_matches(str(place[-1]), known, n=1)
    return f"no such setting, did you mean {near[0]}" if near else f"no such setting among {', '.join(known)}"


def _within(tables: list[type[BaseModel]], step: int | str) -> list[type[BaseModel]]:
    """Return the tables that a step leads to: a field's, those of a kind; a place in a list leads nowhere."""
    for table in tables:
        fields = table.model_fields
        if "kind" in fields and fields["kind"].default == step:
            return [table]
        if step in fields:
            return list(_tables(fields[str(step)].annotation))
    return tables


def _tables(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _tables(part)
