"""Keeps every paid answer before anybody reads it, and asks for none twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from curation.drafting.llm import AnswerNote, Endpoint, LlmRequest, LlmResponse, ResponseStore, read_response


class RecordedModel:
    """A model whose answers are kept; nothing is paid twice, not even after a kill before the save."""

    def __init__(self, inner: Endpoint, store: ResponseStore) -> None:
        """Wrap an endpoint with a store."""
        self._inner = inner
        self._store = store

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Return the kept answer, else the one that the endpoint remembers, else a new one, kept first."""
        key = request.request_sha256
        kept = self._store.get(key)
        if kept is not None:
            return replace(read_response(kept.decode("utf-8")), note=self._store.note(key))
        response = await self._inner.recover(request) if self._store.sent(key) else None
        if response is None:
            await self._store.mark_sent(key)
            response = await self._inner.complete(request)
        note = note_on(request, response)
        await self._store.put(key, response.raw.encode("utf-8"), note)
        return replace(response, note=note)


def note_on(request: LlmRequest, response: LlmResponse) -> AnswerNote:
    """Return what to note beside an answer that came just now."""
    return AnswerNote(
        answer=response.sha256,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        model=request.model,
        prompt_id=request.prompt_id,
        usage=response.usage,
    )
