"""The rule endpoint as a real child process: answers, ledger, token, and going with its parent."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import ImagePart
from curation.drafting.rules.ledger import Ledger
from curation.drafting.rules.process import rule_endpoint
from curation.errors import IntegrityError, PrerequisiteError
from tests.drafts import request
from tests.samples import picture


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    with rule_endpoint(tmp_path_factory.mktemp("rules") / "ledger.jsonl") as address:
        yield address


def get(address: tuple[str, str], path: str, data: bytes | None = None) -> Any:
    url, key = address
    asked = Request(url.removesuffix("/v1") + path, data, {"Authorization": f"Bearer {key}"})
    with urlopen(asked, timeout=10) as answer:
        return json.load(answer)


def test_it_answers_from_the_prompt_alone(endpoint: tuple[str, str]) -> None:
    response = asyncio.run(OpenAIModel(*endpoint).complete(request()))
    assert "Jordan" in json.loads(response.text)["original_text"]
    assert response.model == "rule-drafter/2"
    assert get(endpoint, "/v1/models")["data"][0]["id"] == "rule-drafter/2"
    assert get(endpoint, "/health") == {"status": "ok"}


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_both_apis_give_the_same_answer_and_pictures_are_left_aside(
    endpoint: tuple[str, str], api: Literal["chat", "responses"]
) -> None:
    told, asked = request().messages
    pictured = replace(request(), messages=(told, replace(asked, images=(ImagePart(picture(3)),))))
    response = asyncio.run(OpenAIModel(*endpoint, LlmSettings(api=api)).complete(pictured))
    assert response.text == asyncio.run(OpenAIModel(*endpoint).complete(request())).text
    assert response.finish_reason == "stop"
    assert response.usage.output_tokens > 0


def test_too_few_facts_is_a_refusal(endpoint: tuple[str, str]) -> None:
    response = asyncio.run(
        OpenAIModel(*endpoint).complete(request("Petra is very beautiful and well worth a visit."))
    )
    assert response.finish_reason == "refusal"
    assert "too few facts" in response.text


def test_a_wrong_token_is_a_prerequisite_that_keeps_the_key(endpoint: tuple[str, str]) -> None:
    with pytest.raises(PrerequisiteError) as caught:
        asyncio.run(OpenAIModel(endpoint[0], "sk-wrong-key").complete(request()))
    assert "sk-wrong-key" not in repr(caught.value)


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/v1/chat/completions", b"not json", 400),
        ("/v1/chat/completions", b"[1]", 400),
        ("/v1/chat/completions", b'{"messages": [], "response_format": {}}', 400),
        ("/elsewhere", b"{}", 404),
        ("/elsewhere", None, 404),
    ],
)
def test_what_is_no_drafting_request_is_refused(
    endpoint: tuple[str, str], path: str, data: bytes | None, status: int
) -> None:
    with pytest.raises(HTTPError) as caught:
        get(endpoint, path, data)
    assert caught.value.code == status


def test_the_ledger_outlives_a_kill_and_a_repeat_is_counted(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    with rule_endpoint(ledger) as address:
        first = asyncio.run(OpenAIModel(*address).complete(request()))
    ledger.write_bytes(ledger.read_bytes() + b'{"request_sha256": "to')  # what a kill leaves
    with rule_endpoint(ledger) as address:
        assert asyncio.run(OpenAIModel(*address).recover(request())) == first
        assert asyncio.run(OpenAIModel(*address).recover(request(draw=1))) is None
        assert get(address, "/stats") == {"requests": 1, "distinct": 1, "repeated": 0}
        assert asyncio.run(OpenAIModel(*address).complete(request())) == first
        assert get(address, "/stats")["repeated"] == 1
    assert Ledger(ledger).stats() == {"requests": 2, "distinct": 1, "repeated": 1}


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys\n"
        "from curation.drafting.rules.process import rule_endpoint\n"
        "with rule_endpoint(pathlib.Path(sys.argv[1])) as address:\n"
        "    print(address[0], flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "l")], capture_output=True, text=True, check=False
    )
    assert run.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            urlopen(run.stdout.strip().removesuffix("/v1") + "/health", timeout=1).close()
        except OSError:
            return
        time.sleep(0.1)
    pytest.fail("the endpoint outlived its parent")


def test_it_stops_when_the_block_ends(tmp_path: Path) -> None:
    with rule_endpoint(tmp_path / "l") as (url, _):
        pass
    with pytest.raises(OSError, match="refused"):
        urlopen(url.removesuffix("/v1") + "/health", timeout=1)


def test_a_broken_line_in_the_middle_is_not_mended(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"broken\n")
    with pytest.raises(IntegrityError, match="line 1"):
        Ledger(tmp_path / "l")


def test_one_process_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("curation.drafting.rules.ledger.PATIENCE_SECONDS", 0.1)
    held = Ledger(tmp_path / "l")
    with pytest.raises(PrerequisiteError, match="another rule endpoint"):
        Ledger(tmp_path / "l")
    held.close()
    Ledger(tmp_path / "l").close()


def test_a_start_that_fails_says_why(tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"broken\n")
    with pytest.raises(PrerequisiteError, match="did not start"), rule_endpoint(tmp_path / "l"):
        pass
    assert (tmp_path / "l").read_bytes() == b"broken\n"
