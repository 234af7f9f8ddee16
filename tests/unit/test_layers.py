"""The architecture as a test: who imports whom, where third-party systems live, how long things are."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("curation", "prompts", "warehouse", "eval", "flows")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
GROUND = {"curation.records", "curation.errors", "curation.ids", "curation.atomic"}
# The modules at the top of curation that every step may use.
SHARED = GROUND | {"curation.taxonomy", "curation.licences"}
SHARED |= {"curation.headers", "curation.pixels", "curation.images", "curation.decoding"}
STEPS = {
    "curation.collecting",
    "curation.deduplicating",
    "curation.drafting",
    "curation.reviewing",
    "curation.galleries",
}
HOMES = {
    "prefect": "flows",
    "prefect_dask": "flows",
    "dask": "flows",
    "distributed": "flows",
    "typer": "flows",
    "duckdb": "warehouse",
    "pyarrow": ("warehouse", "curation/collecting"),
    "aiohttp": "curation/collecting",
    "torch": "eval",
    "transformers": "eval",
    "sentence_transformers": "eval",
    "ray": "eval",
    "openai": "curation/drafting",
    "label_studio_sdk": "curation/reviewing",
}
MAX_FILE, MAX_FUNCTION = 320, 55


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def within(name: str, allowed: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in allowed)


def allowed_for(module: str) -> set[str]:
    """Return the packages of ours that a module may import."""
    if module.startswith("flows"):
        return set(PACKAGES)
    if module.startswith("eval"):
        return GROUND | {"eval", "warehouse.release"}
    if module.startswith("warehouse"):
        notes = {"curation.drafting.llm"} if module == "warehouse.artefacts" else set()  # on kept answers
        return GROUND | {"warehouse", "curation.licences"} | notes
    if module == "curation.deduplicating.photographs":  # measures on the sample's photographs
        return SHARED | {"curation.deduplicating", "curation.collecting"}
    if module == "curation.collecting.bench":  # measures the door with the store that it has in a run
        return SHARED | {"curation.collecting", "warehouse.artefacts", "warehouse.fetches"}
    if module == "curation.drafting.rules.quality":  # drafts from the texts of the sample and others
        return SHARED | {"curation.drafting", "curation.collecting"}
    if module == "curation.drafting.bench.speed":  # measures questions with the store that they have in a run
        return SHARED | {"curation.drafting", "warehouse.artefacts"}
    step = next((step for step in STEPS if within(module, {step})), None)
    if step:
        return SHARED | {step}
    return SHARED | {module}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_one_way(path: Path) -> None:
    ours = {name for name in imported(path) if name.split(".")[0] in PACKAGES}
    wrong = {name for name in ours if not within(name, allowed_for(module_of(path)))}
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_third_party_system_lives_in_one_folder(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    wrong = {
        name
        for name in imported(path)
        if name.split(".")[0] in HOMES and not place.startswith(HOMES[name.split(".")[0]])
    }
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    limit = 480 if module_of(path) == "curation.records" else MAX_FILE  # the one file of all types
    assert text.count("\n") <= limit
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]
    assert [f.name for f in functions if (f.end_lineno or f.lineno) - f.lineno + 1 > MAX_FUNCTION] == []


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0].endswith(".")


def test_no_drawer_names() -> None:
    drawers = {"utils", "util", "common", "base", "manager", "helper", "helpers", "misc"}
    assert not [path for path in FILES if path.stem in drawers]
