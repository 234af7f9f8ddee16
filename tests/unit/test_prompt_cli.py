"""`mmke prompt`: the exact request of an item, versions side by side, and a try that changes no item."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.drafting.asking import Asking
from curation.drafting.bench_subjects import made_up_subjects
from curation.drafting.draft import Drafted
from curation.drafting.prompting import Prompt, load_prompt, load_version, read_prompt
from curation.drafting.recorded import RecordedModel
from curation.drafting.repair import KeptDraft
from curation.errors import PrerequisiteError
from flows.draft_bench import fill
from flows.prompt_cli import prompt_app
from flows.prompt_trials import find_case
from flows.settings import load_settings
from flows.wiring import artefacts, writer_of
from tests.drafts import FakeModel
from warehouse.artefacts import Responses
from warehouse.store import open_store, read_store, record_event

SUBJECTS = [one.subject_id for one in made_up_subjects(8)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a project with eight subjects, none of them drafted."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mmke.toml").write_text("")
    fill(load_settings().home, made_up_subjects(8))
    return tmp_path


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
    draft(SUBJECTS[0])
    with read_store(load_settings().home) as store:
        kept = KeptDraft.model_validate(store.payloads("draft")[f"item-{SUBJECTS[0]}#0"])
    for one in kept.provenance:
        told = run("show", one.prompt_id, "--item", SUBJECTS[0])
        assert f"request    sha256 {one.request_sha256}" in told
        assert f"answer {one.response_sha256}" in told
    assert "answered   no" in run("show", "original_knowledge", "--item", SUBJECTS[1])
    assert "answered   no" in run("show", "original_knowledge.v1", "--item", SUBJECTS[0])


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "localty"], "did you mean locality"),
        (["show", "none.md"], "cannot be read"),
        (["show", "locality", "--item", "nobody"], "no subject"),
        (["show", "locality", "--item", SUBJECTS[0]], "builds on the answer to original_knowledge"),
    ],
)
def test_what_cannot_be_shown_says_what_to_do(project: Path, words: list[str], why: str) -> None:
    with pytest.raises(PrerequisiteError, match=why):
        run(*words)


def test_a_step_that_an_item_has_not_is_told(project: Path) -> None:
    draft(SUBJECTS[0])
    with pytest.raises(PrerequisiteError, match="no step of it uses portability_composite"):
        run("show", "portability_composite", "--item", SUBJECTS[0])


def test_versions_are_compared_by_text_and_on_the_same_items(project: Path) -> None:
    def first(step: str) -> Prompt:
        return load_version("original_knowledge.v1") if step == "original_knowledge" else load_prompt(step)

    draft(*SUBJECTS[:4], prompts=first)
    draft(*SUBJECTS[1:5], draw=1)
    told = run("diff", "original_knowledge.v1", "original_knowledge.v2", "--items", "2")
    assert "+- At least two short, checkable facts" in told
    assert "Answers to the same 2 items" in told
    assert "2 of 2" in told
    shown = [key for key in SUBJECTS if f"\n{key}\n" in told]
    assert len(shown) == 2
    assert set(shown) <= set(SUBJECTS[1:4])
    assert told == run("diff", "original_knowledge.v1", "original_knowledge.v2", "--items", "2")


def test_versions_that_share_no_item_say_how_to_get_some(project: Path) -> None:
    draft(SUBJECTS[0])
    assert "--redo-from original_knowledge.v1" in run(
        "diff", "original_knowledge.v1", "original_knowledge.v2"
    )


def test_a_try_asks_once_keeps_the_answer_and_changes_nothing(project: Path) -> None:
    draft(SUBJECTS[0])
    text = load_prompt("questions_visual_entity").text
    file = project / "mine.md"
    newest = Path(__file__).resolve().parents[2] / "prompts" / "questions_visual_entity.v2.md"
    file.write_text(
        newest.read_text().replace("version: 2", "version: 7").replace("Write\n", "Do write\n", 1)
    )
    with read_store(load_settings().home) as store:
        before = store.rows("SELECT count(*) FROM event")
    told = run("try", "mine.md", "--item", SUBJECTS[0])
    assert "rephrased_request" in told
    assert "question   ok" in told
    assert "0.00" in told
    assert "checks     passed" in told
    request = told.split("request    sha256 ")[1][:64]
    assert Responses(artefacts(load_settings())).get(request) is not None
    assert read_prompt(None, file.read_bytes()).text != text
    assert f"request    sha256 {request}\nanswered   yes" in run("show", "mine.md", "--item", SUBJECTS[0])
    with read_store(load_settings().home) as store:
        assert store.rows("SELECT count(*) FROM event") == before


def test_a_try_of_an_edit_says_that_later_answers_do_not_fit_it(project: Path) -> None:
    draft(SUBJECTS[0])
    newest = Path(__file__).resolve().parents[2] / "prompts" / "edited_knowledge_visual_entity.v2.md"
    (project / "mine.md").write_text(newest.read_text().replace("version: 2", "version: 7"))
    told = run("try", "mine.md", "--item", SUBJECTS[0])
    assert "edited_text" in told
    assert "checks     " in told
