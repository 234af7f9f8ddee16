"""One real drafting step by the language model on this machine, through the same client as everywhere."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from curation.drafting.calls import AnswerOutcome, DraftCall
from curation.drafting.endpoint.local_llm import local_endpoint
from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.steps.asking import Answered, Asking, DraftSettings, ask
from curation.drafting.steps.knowledge import original_values
from curation.drafting.steps.prompting import Value
from curation.errors import PrerequisiteError
from tests.drafts import subject

PYTHON = Path(__file__).parents[2] / ".venv-local-llm" / "bin" / "python"
needs_model = pytest.mark.skipif(
    not PYTHON.is_file(), reason="the local language model is not installed: run `make local-llm`"
)


async def _one_step(url: str, key: str, model: str) -> tuple[object, list[DraftCall]]:
    calls: list[DraftCall] = []
    llm = OpenAIModel(url, key, LlmSettings(model=model, api="chat", store=False, timeout_seconds=240))
    settings = DraftSettings(model=model, drafter="local-llm", is_llm=True, max_output_tokens=120)
    petra = subject("Petra")
    values: dict[str, Value] = {"name": "Petra", "fine_type": "temple", "category": "building"}
    values |= {"revision": [], **original_values(petra)}
    answered = await ask(petra, "original_knowledge", values, Asking(llm, settings, calls.append))
    await llm.aclose()
    return answered, calls


@needs_model
def test_a_step_gives_a_draft_or_an_outcome_that_is_counted() -> None:
    with local_endpoint(PYTHON) as (url, key, model):
        answered, calls = asyncio.run(_one_step(url, key, model))
        body = b"{}"
        with pytest.raises(HTTPError) as caught:
            urlopen(Request(f"{url}/completions", body, {"Authorization": "Bearer wrong"}), timeout=10)
        assert caught.value.code == 401
    assert 1 <= len(calls) <= 2
    assert all(call.usage.output_tokens > 0 and call.drafter == "local-llm" for call in calls)
    if isinstance(answered, Answered):
        assert calls[-1].outcome is AnswerOutcome.OK
        assert answered.provenance.is_llm
        assert answered.provenance.model == model
    else:
        assert calls[-1].outcome in (AnswerOutcome.SCHEMA_INVALID, AnswerOutcome.TRUNCATED)


@needs_model
def test_the_model_goes_with_its_parent() -> None:
    code = (
        "import os, pathlib, signal, sys\n"
        "from curation.drafting.endpoint.local_llm import local_endpoint\n"
        "with local_endpoint(pathlib.Path(sys.argv[1])) as (url, _, _):\n"
        "    print(url, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(PYTHON)], capture_output=True, text=True, check=False
    )
    assert run.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            urlopen(run.stdout.strip().removesuffix("/v1") + "/health", timeout=1).close()
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("the local model outlived its parent")


def test_without_its_environment_the_message_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match="make local-llm"), local_endpoint(tmp_path / "python"):
        pass


def test_an_interpreter_without_the_packages_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PYTHONPATH", "")
    with (
        pytest.raises(PrerequisiteError, match="local language model did not start"),
        local_endpoint(Path(sys.executable)),
    ):
        pass
