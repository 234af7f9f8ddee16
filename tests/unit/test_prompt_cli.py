"""`mmke prompt`: the exact request of an item, versions side by side, and a try that changes no item."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.collecting import wikipedia
from curation.drafting.bench.subjects import made_up_subjects
from curation.drafting.draft import Drafted
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.repair import KeptDraft
from curation.drafting.steps.asking import Asking
from curation.drafting.steps.prompting import Prompt, load_prompt, load_version
from curation.errors import PrerequisiteError
from flows.drafting.bench import fill
from flows.prompt_cli import prompt_app
from flows.prompt_trials import find_case
from flows.settings import load_settings
from flows.wiring import artefacts, writer_of
from tests.drafts import FakeModel
from warehouse.artefacts import Responses
from warehouse.store import open_store, read_store, record_event

EXTRACTS = cache(wikipedia.load_extracts)  # a second for each command otherwise
SUBJECTS = [one.subject_id for one in made_up_subjects(8)]


FIRST, BOTH, NEW, UNDRAFTED = SUBJECTS[0], SUBJECTS[1:4], SUBJECTS[4], SUBJECTS[5]


@pytest.fixture(scope="module")
def drafted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project's folder: four subjects drafted with an old prompt, three of them and one anew."""
    folder = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, patch)
        (folder / "mmke.toml").write_text("")
        fill(load_settings().home, made_up_subjects(8))
        draft(FIRST, *BOTH, prompts=with_first_version)
        draft(*BOTH, NEW, draw=1)
    return folder


@pytest.fixture
def project(drafted: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in the project's folder, with no endpoint in the environment; tests only add answers to it."""
    enter(drafted, monkeypatch)
    return drafted


def enter(folder: Path, patch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        patch.delenv(name, raising=False)
    patch.setattr(wikipedia, "load_extracts", EXTRACTS)
    patch.chdir(folder)


def with_first_version(step: str) -> Prompt:
    return load_version("original_knowledge.v1") if step == "original_knowledge" else load_prompt(step)


def draft(*subjects: str, prompts: Callable[[str], Prompt] = load_prompt, draw: int = 0) -> None:
    """Draft items as a run does, without its endpoint, and store the drafts."""
    settings = load_settings()
    model = RecordedModel(FakeModel(), Responses(artefacts(settings)))
    asking = Asking(model, writer_of(settings), prompts=prompts)
    events = []
    for key in subjects:
        case = find_case(settings, key)
        made = asyncio.run(case.walk(asking))
        assert isinstance(made, Drafted), made
        kept = KeptDraft(
            item_id=f"item-{key}",
            subject_id=key,
            edit_type=case.subject.edit_type,
            category=case.subject.category,
            draw=draw,
            item=made.item,
            reason=None,
            findings=made.findings,
            provenance=made.item.provenance,
            inputs_sha256="0" * 64,
        )
        events.append(record_event("draft", kept.key, kept))
    with open_store(settings.home) as store:
        store.append(events)


def run(*words: str) -> str:
    """Return what a command says, whatever it wraps."""
    result = CliRunner().invoke(prompt_app, list(words), catch_exceptions=True)
    if result.exception is not None:
        raise result.exception
    return result.output


def test_the_list_names_every_version_and_marks_the_newest() -> None:
    lines = {line.split()[0]: line for line in run("list").splitlines() if ".v" in line.split(" ")[0]}
    assert {"locality.v1", "original_knowledge.v1", "original_knowledge.v2"} <= set(lines)
    assert "*" in lines["original_knowledge.v2"]
    assert "*" not in lines["original_knowledge.v1"]


def test_a_prompt_is_shown_as_it_stands() -> None:
    told, prompt = run("show", "locality"), load_prompt("locality")
    assert prompt.sha256 in told
    assert prompt.text in told


def test_the_request_of_an_item_is_the_one_that_drafting_sends(project: Path) -> None:
    with read_store(load_settings().home) as store:
        kept = KeptDraft.model_validate(store.payloads("draft")[f"item-{NEW}#1"])
    for one in kept.provenance[1::2]:
        told = run("show", one.prompt_id, "--item", NEW)
        assert f"request    sha256 {one.request_sha256}" in told
        assert f"answer {one.response_sha256}" in told
    assert "answered   no" in run("show", "original_knowledge", "--item", UNDRAFTED)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "localty"], "did you mean locality"),
        (["show", "none.md"], "cannot be read"),
        (["show", "locality", "--item", "nobody"], "no subject"),
        (["show", "locality", "--item", UNDRAFTED], "builds on the answer to original_knowledge"),
        (["show", "portability_composite", "--item", FIRST], "no step of it uses portability_composite"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(project: Path, words: list[str], why: str) -> None:
    with pytest.raises(PrerequisiteError, match=why):
        run(*words)


def test_versions_are_compared_by_text_and_on_the_same_items(project: Path) -> None:
    told = run("diff", "original_knowledge.v1", "original_knowledge.v2", "--items", "2")
    assert "+- At least two short, checkable facts" in told
    assert "Answers to the same 2 items" in told
    assert "2 of 2" in told
    shown = {key for key in SUBJECTS if f"\n{key}\n" in told}
    assert len(shown) == 2
    assert shown <= set(BOTH)
    assert told == run("diff", "original_knowledge.v1", "original_knowledge.v2", "--items", "2")


def test_versions_that_share_no_item_say_how_to_get_some(project: Path) -> None:
    assert "--redo-from original_knowledge.v1" in run("diff", "original_knowledge.v1", "judge_edit.v1")


def test_a_try_asks_once_keeps_the_answer_and_changes_nothing(project: Path) -> None:
    file = project / "mine.md"
    newest = Path(__file__).resolve().parents[2] / "prompts" / "questions_visual_entity.v2.md"
    file.write_text(
        newest.read_text().replace("version: 2", "version: 7").replace("Write\n", "Do write\n", 1)
    )
    with read_store(load_settings().home) as store:
        before = store.rows("SELECT count(*) FROM event")
    told = run("try", "mine.md", "--item", NEW)
    for part in ("rephrased_request", "question   ok", "0.00", "checks     passed"):
        assert part in told
    request = told.split("request    sha256 ")[1][:64]
    assert Responses(artefacts(load_settings())).get(request) is not None
    assert f"request    sha256 {request}\nanswered   yes" in run("show", "mine.md", "--item", NEW)
    with read_store(load_settings().home) as store:
        assert store.rows("SELECT count(*) FROM event") == before


def test_a_try_of_an_edit_tells_what_the_later_answers_make_of_it(project: Path) -> None:
    newest = Path(__file__).resolve().parents[2] / "prompts" / "edited_knowledge_visual_entity.v2.md"
    (project / "mine.md").write_text(newest.read_text().replace("version: 2", "version: 7"))
    told = run("try", "mine.md", "--item", FIRST)
    assert "edited_text" in told
    assert "checks     " in told
