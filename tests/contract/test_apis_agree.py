"""Whichever API and form an endpoint knows, the same items are drafted from the same requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.drafting.bench.subjects import made_up_subjects
from curation.records import KnowledgeItem
from flows.draft import draft, drafted
from flows.drafting.bench import fill
from flows.drafting.money import Caps
from flows.settings import Settings
from tests.llm_server import KEY, LlmServer, Manners
from warehouse.store import read_store

ENDPOINTS = {
    "chat": Manners(),
    "responses": Manners(apis=frozenset({"responses"})),
    "plain": Manners(refuses=frozenset({"json_schema", "json_object", "store", "metadata"}), stores=False),
}


def items(home: Path, manners: Manners, monkeypatch: pytest.MonkeyPatch) -> list[KnowledgeItem]:
    api = "responses" if manners.apis == {"responses"} else "chat"
    values = {"home": home, "llm": {"model": "test-model", "api": api}}
    fill(home, made_up_subjects(6))
    with LlmServer(manners=manners) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        draft.fn(Settings.model_validate(values), None, Caps(price="0,0"))
        assert server.paid_twice == []
    with read_store(home) as store:
        return drafted(store)


def test_the_same_items_come_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {name: items(tmp_path / name, manners, monkeypatch) for name, manners in ENDPOINTS.items()}
    chat = found["chat"]
    assert len(chat) >= 3
    for others in found.values():
        assert [one.request for one in others] == [one.request for one in chat]
        assert [one.probes for one in others] == [one.probes for one in chat]
        for one, other in zip(chat, others, strict=True):
            hashes = [step.request_sha256 for step in one.provenance]
            assert [step.request_sha256 for step in other.provenance] == hashes
