"""SIGKILL between a model's answer and its saving: the next run pays nothing and ends the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

RUN = """
import asyncio, os, pathlib, signal, sys
from curation.drafting.endpoint.openai_model import OpenAIModel
from curation.drafting.endpoint.recorded import RecordedModel
from curation.drafting.rules.process import rule_endpoint
from tests.drafts import request
from warehouse.artefacts import Artefacts, Responses

home, kill = pathlib.Path(sys.argv[1]), int(sys.argv[2])

class Killed(Responses):
    count = 0
    async def put(self, request_sha256, data, note):
        Killed.count += 1
        if Killed.count == kill:
            os.kill(os.getpid(), signal.SIGKILL)
        await super().put(request_sha256, data, note)

async def run(address):
    model = RecordedModel(OpenAIModel(*address), Killed(Artefacts(home)))
    return [(await model.complete(request(draw=draw))).sha256 for draw in range(3)]

with rule_endpoint(home / "ledger.jsonl") as address:
    print(asyncio.run(run(address)))
"""


def run(home: Path, kill: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, str(home), str(kill)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])


def test_no_request_is_sent_twice(tmp_path: Path) -> None:
    undisturbed = run(tmp_path / "a", 0)
    assert undisturbed.returncode == 0, undisturbed.stderr
    home = tmp_path / "b"
    for kill in (1, 2):
        assert run(home, kill).returncode == -signal.SIGKILL
    last = run(home, 0)
    assert last.stdout == undisturbed.stdout
    sent = [json.loads(line)["request_sha256"] for line in (home / "ledger.jsonl").read_text().splitlines()]
    assert len(sent) == len(set(sent)) == 3
