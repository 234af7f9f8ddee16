"""The verbs of mmke evaluate: the plain form, options that mean nothing, and what a summary may hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.errors import PrerequisiteError
from curation.records import Split
from eval.cases import edit_cases
from eval.models.precision import Precision
from eval.plan import Options
from eval.records import Dialect, EvalRecord, Protocol, RunIdentity, Step
from flows.cli import app
from flows.evaluate import evaluation_folder, of_sequences, options_for
from flows.settings import Settings
from tests.unit.eval_release import make_release


def test_help_names_every_verb_and_the_plain_form_is_run() -> None:
    told = CliRunner().invoke(app, ["evaluate", "--help"]).output
    assert all(verb in told for verb in ("run", "plan", "verify", "rescore", "sequential"))
    plain = CliRunner().invoke(app, ["evaluate", "0.1.0", "--shard", "two"])
    named = CliRunner().invoke(app, ["evaluate", "run", "0.1.0", "--shard", "two"])
    assert (plain.exit_code, plain.output) == (2, named.output)
    assert "write i/n" in plain.output


@pytest.mark.parametrize("words", [["rescore", "0.1.0"], ["plan", "0.1.0"], ["verify", "0.1.0"]])
def test_without_a_release_or_a_run_the_fix_is_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["evaluate", *words]).exception
    assert isinstance(error, PrerequisiteError)
    assert "mmke" in str(error)


def test_a_cpu_is_exact_by_default_and_a_wrong_word_is_refused() -> None:
    told = options_for("tiny-llava", "reference", None, None, Options(limit=3))
    assert (told.protocol, told.precision, told.device, told.limit) == ("reference", "exact", "cpu", 3)
    assert options_for("tiny-llava", "clean", None, "cuda", Options()).precision is Precision.DEFAULT
    with pytest.raises(PrerequisiteError, match="clean or reference"):
        options_for("tiny-llava", "cleanish", None, None, Options())


def test_what_no_table_may_mix_has_folders_of_its_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    others = [
        ("tiny-llava", Options(protocol=Protocol.REFERENCE)), ("tiny-llava", Options(tokens=3)),
        ("tiny-llava", Options(precision=Precision.FAST)), ("tiny-blip2", Options()),
        ("/models/a b", Options()),
    ]  # fmt: skip
    folders = [evaluation_folder(settings, "0.1.0", *other) for other in others]
    usual = evaluation_folder(settings, "0.1.0", "tiny-llava", Options(limit=4, block=2, shard=(1, 2)))
    assert usual == tmp_path / "evaluation" / "0.1.0"
    assert len({usual, *folders}) == 6
    assert all(folder.parent == usual for folder in folders)


def identity(method: str, steps: int, model: str = "0") -> RunIdentity:
    return RunIdentity(
        method=method, hyper_parameters={"steps": steps}, protocol=Protocol.CLEAN, dialect=Dialect.CLEAN,
        precision="exact", model="tiny-llava", model_sha256=model * 64, release_sha256="1" * 64,
        plan_sha256="2" * 64,
    )  # fmt: skip


def test_a_sequence_shares_a_summary_with_earlier_ones_of_its_meaning_only() -> None:
    case = next(edit_cases(make_release(), Split.EVAL))
    runs = [identity("FT-LLM", 1), identity("FT-LLM", 2), identity("SERAC", 1), identity("SERAC", 1, "9")]
    steps = [Step(order="release", position=0, later=0), None]
    records = [
        EvalRecord(key=run.key(case, step), run=run, case=case, step=step, readings=())
        for run in runs
        for step in steps
    ]
    kept = list(of_sequences(records, {"FT-LLM": runs[0]}))
    assert [(record.run, record.step) for record in kept] == [(runs[0], steps[0]), (runs[2], steps[0])]


def test_a_conversion_without_its_files_names_what_is_missing(tmp_path: Path) -> None:
    asked = [f"--{name}={tmp_path / name}" for name in ("vit", "qformer", "projection", "vicuna", "out")]
    error = CliRunner().invoke(app, ["model", "convert-minigpt4", *asked]).exception
    assert isinstance(error, PrerequisiteError)
    assert "Vicuna" in str(error)
    assert not (tmp_path / "out").exists()
