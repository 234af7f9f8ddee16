"""The scripted endpoint itself: what it charges, what it remembers, and that it outlives its client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.drafts import request
from tests.llm_replies import FAULTS, Asked, by_rule, in_turn, with_faults
from tests.llm_server import LlmServer, Manners, llm_process, paid_twice, read_ledger


def body(draw: int = 0) -> dict[str, Any]:
    asked = request(draw=draw)
    return {
        "model": "test-model",
        "messages": [{"role": message.role, "content": message.text} for message in asked.messages],
        "store": True,
        "metadata": {"request_sha256": asked.request_sha256},
    }


def post(base_url: str, value: dict[str, Any]) -> Any:
    data = json.dumps(value).encode()
    with urlopen(Request(f"{base_url}/chat/completions", data), timeout=10) as answer:
        return json.load(answer)


def test_it_drafts_by_rule_and_counts_what_is_paid_twice() -> None:
    with LlmServer() as server:
        answer = post(server.base_url, body())
        assert "Jordan" in answer["choices"][0]["message"]["content"]
        assert server.paid_twice == []
        post(server.base_url, body())
        assert server.paid_twice == [request().request_sha256]
        listed = f"{server.base_url}/chat/completions?metadata[request_sha256]={request().request_sha256}"
        with urlopen(listed, timeout=10) as stored:
            assert json.load(stored)["data"] == [answer]


def test_what_is_refused_is_not_charged() -> None:
    with LlmServer(in_turn("429", "500")) as server:
        for status in (429, 500):
            with pytest.raises(HTTPError) as caught:
                post(server.base_url, body())
            assert caught.value.code == status
        assert [row["charged"] for row in server.rows] == [False, False]


def test_an_unknown_field_is_refused() -> None:
    manners = Manners(refuses=frozenset({"store"}))
    with LlmServer(manners=manners) as server, pytest.raises(HTTPError, match="400"):
        post(server.base_url, body())


def test_the_same_seed_gives_the_same_faults() -> None:
    script = with_faults({"429": 0.3, "prose": 0.3}, seed=7, storms=(range(5),))
    asked = [Asked(f"{number:064x}", number, 0, "chat", body()) for number in range(200)]
    faults = [script(one).fault for one in asked]
    assert faults == [script(one).fault for one in asked]
    assert faults[:5] == ["429_after"] * 5
    assert 40 < faults.count("429") < 80


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_every_fault_can_be_told_in_both_apis(api: str) -> None:
    given = body()
    one = Asked("k" * 64, 0, 0, api, given if api == "chat" else {"input": given["messages"]})
    for fault in FAULTS.values():
        assert fault(by_rule(one)) != by_rule(one)


def test_a_process_keeps_its_ledger(tmp_path: Path) -> None:
    with llm_process(tmp_path / "ledger.jsonl", shares={"prose": 1.0}) as base_url:
        assert post(base_url, body())["choices"][0]["message"]["content"].startswith("Sure!")
        post(base_url, body())
    rows = read_ledger(tmp_path / "ledger.jsonl")
    assert [row["fault"] for row in rows] == ["prose", "prose"]
    assert paid_twice(rows) == [request().request_sha256]
