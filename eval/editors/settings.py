"""Reads a method's hyper-parameters for a model from the data file beside the method."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TypeVar

from curation.errors import PrerequisiteError

S = TypeVar("S")


def settings_for(kind: type[S], method: str, model: str) -> S:
    """Return the dataclass kind filled from table [model] of eval/editors/<method>.toml.

    Raises PrerequisiteError naming the models that the file knows when model is not among them.
    """
    file = files("eval.editors") / f"{method}.toml"
    tables = tomllib.loads(file.read_text("utf-8"))
    if model not in tables:
        message = f"{method} has no hyper-parameters for {model}; eval/editors/{method}.toml knows "
        raise PrerequisiteError(message + ", ".join(tables))
    return kind(**tables[model])
