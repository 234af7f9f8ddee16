"""Takes the answers out of a batch that is over: saved raw first, read second; every request gets a fate."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from curation.drafting.batches.endpoint import BatchEndpoint, BatchState
from curation.drafting.batches.folder import BatchFolder, checked_id
from curation.drafting.batches.lines import ResultLine, is_answer, judged, result_lines
from curation.drafting.batches.records import Asked, Ended, Fate
from curation.drafting.endpoint.openai_errors import QUOTA
from curation.drafting.endpoint.recorded import note_on
from curation.drafting.llm import (
    REQUEST_REFUSED,
    AnswerNote,
    LlmRequest,
    ResponseStore,
    raw_json,
    read_response,
)
from curation.drafting.money.prices import Prices
from curation.errors import LimitReachedError, PrerequisiteError

TRIES = 4
"""In so many batches a request may come back without an answer; then it has failed."""

TOKEN_LIMIT = "token_limit_exceeded"  # noqa: S105 - an endpoint's word
_OF_ALL = frozenset({401, 402, 403, 404})
_TOGETHER = 256
_BYTES_A_REQUEST = 1 << 18


@dataclass(slots=True)
class _Found:
    """What the result files of one batch hold.

    refused: lines that were. stop: how many requests ended for a reason that would stop all others too.
    lines: how many brought an answer of the model.
    """

    fates: dict[str, Fate] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    stop: Counter[str] = field(default_factory=Counter)
    lines: int = 0

    def add(self, line: ResultLine) -> bytes:
        """Take in a line and return the answer that it brings, b'' when it brings none."""
        key, (fate, raw, reason) = line.request_sha256, judged(line)
        if key in self.fates:
            self.refused["repeated"] += 1
            if fate is not Fate.ANSWERED or self.fates[key] is Fate.ANSWERED:
                return b""
        self.fates[key] = fate
        self.lines += line.status == 200
        self.why.pop(key, None)
        if reason:
            self.why[key] = reason
            self.stop[reason] += line.status in _OF_ALL or reason in QUOTA
        return raw


class Results:
    """Reads the result files of batches into the store of answers."""

    def __init__(
        self, endpoint: BatchEndpoint, store: ResponseStore, prices: Prices | None, patience_seconds: float
    ) -> None:
        """patience_seconds: for how long to wait for files that a batch which is over does not have yet."""
        self._endpoint = endpoint
        self._store = store
        self._prices = prices
        self._patience = patience_seconds

    async def take(
        self, folder: BatchFolder, state: BatchState, earlier: Mapping[str, int], *, proven: bool
    ) -> Ended | None:
        """Return how a batch that is over ended, None while its files are not whole.

        earlier: in how many batches before a request came back without an answer. proven: the endpoint
        answered such requests before; then one that it refuses is kept as refused. Every answer is kept and
        every request's fate is on disk when this returns, or raises because more is of no use to ask:
        LimitReachedError for an account that is used up, PrerequisiteError for a key, model or form.
        """
        if state.status == "failed" and not (state.output_file_id or state.error_file_id):
            return await self._close(folder, _turned_down(folder, state), state.status, earlier)
        await self._fetch(folder, state)
        found = await self._read(folder)
        whole = found.lines >= _promised(state, folder, found)
        if not whole and not self._impatient(folder):
            folder.output.unlink(missing_ok=True)
            folder.errors.unlink(missing_ok=True)
            return None
        await self._keep_refusals(folder, found, proven=proven)
        reason = "no_line" if state.status == "completed" else state.status
        for asked in folder.intent.asked:
            if asked.request_sha256 not in found.fates:
                found.fates[asked.request_sha256] = Fate.REQUEUED if whole else Fate.LOST
                found.why[asked.request_sha256] = reason
        return await self._close(folder, found, state.status, earlier)

    async def give_up(self, folder: BatchFolder, reason: str) -> Ended:
        """End a batch that was never made: its requests were not charged and may be asked again."""
        keys = [asked.request_sha256 for asked in folder.intent.asked]
        found = _Found(dict.fromkeys(keys, Fate.REQUEUED), dict.fromkeys(keys, reason))
        return await self._close(folder, found, reason, {})

    async def _fetch(self, folder: BatchFolder, state: BatchState) -> None:
        limit = _BYTES_A_REQUEST * (len(folder.intent.asked) + 64)
        for file_id, path in ((state.output_file_id, folder.output), (state.error_file_id, folder.errors)):
            if file_id and not path.exists():
                await self._endpoint.download(checked_id(file_id), path, limit)

    def _impatient(self, folder: BatchFolder) -> bool:
        since = folder.waiting_since
        if since is None:
            folder.note_waiting()
            return self._patience <= 0
        return (datetime.now(UTC) - since).total_seconds() >= self._patience

    async def _read(self, folder: BatchFolder) -> _Found:
        """Keep every answer of the files. Of several lines about a request the first answer counts."""
        found = _Found()
        asked = {one.request_sha256: one for one in folder.intent.asked}
        answers: list[tuple[Asked, bytes]] = []
        for path in (folder.output, folder.errors):
            if not path.exists():
                continue
            for line in result_lines(path, asked.keys(), found.refused):
                raw = found.add(line)
                if raw:
                    answers.append((asked[line.request_sha256], raw))
                if len(answers) >= _TOGETHER:
                    await self._keep(answers, folder.intent.model)
                    answers = []
        await self._keep(answers, folder.intent.model)
        return found

    async def _keep(self, answers: list[tuple[Asked, bytes]], model: str) -> None:
        """Keep answers that are not kept yet, together."""
        new = [(asked, raw) for asked, raw in answers if self._store.note(asked.request_sha256) is None]
        notes = [self._note(asked, raw, model) for asked, raw in new]
        await asyncio.gather(
            *(
                self._store.put(asked.request_sha256, raw, note)
                for (asked, raw), note in zip(new, notes, strict=True)
            )
        )

    async def _keep_refusals(self, folder: BatchFolder, found: _Found, *, proven: bool) -> None:
        """Keep as refused what the endpoint refused alone; where it takes nothing, stop instead."""
        failed = [
            asked for asked in folder.intent.asked if found.fates.get(asked.request_sha256) is Fate.FAILED
        ]
        if proven or found.lines:
            raw = raw_json({"error": {"code": REQUEST_REFUSED}}).encode()
            await self._keep([(asked, raw) for asked in failed], folder.intent.model)
            return
        for asked in failed:
            found.fates[asked.request_sha256] = Fate.REQUEUED
            found.stop[found.why[asked.request_sha256]] += 1

    def _note(self, asked: Asked, raw: bytes, model: str) -> AnswerNote:
        """Return the note on an answer; one that tells no usage is counted at the most that it may cost."""
        response, cost = read_response(raw.decode("utf-8")), asked.worst
        usage = response.usage
        if cost is not None and not is_answer(json.loads(raw)):
            cost = Decimal(0)  # declined before anything was worked on
        elif self._prices is not None and (usage.input_tokens or usage.output_tokens):
            cost = self._prices.cost(model, usage, in_batch=True)
        # Of a request, only its model and its prompt are noted.
        request = LlmRequest(asked.prompt_id, "", (), model, {}, "", {})
        return note_on(request, response, cost=cost, in_batch=True)

    async def _close(
        self, folder: BatchFolder, found: _Found, status: str, earlier: Mapping[str, int]
    ) -> Ended:
        """Take back the marks of what was not charged, then note how all ended."""
        free = {key for key, fate in found.fates.items() if fate in (Fate.REQUEUED, Fate.FAILED)}
        for key, fate in found.fates.items():
            if fate in (Fate.REQUEUED, Fate.LOST) and earlier.get(key, 0) + 1 >= TRIES:
                found.fates[key] = Fate.FAILED
                found.why[key] = f"no answer in {TRIES} batches, at last {found.why.get(key, 'no_answer')}"
        back = [asked for asked in folder.intent.asked if asked.request_sha256 in free]
        await asyncio.gather(
            *(
                self._store.unmark_sent(asked.request_sha256)
                for asked in back
                if len(self._store.tries(asked.request_sha256)) == asked.tries + 1
            )
        )
        ended = Ended(
            status=status,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            fates=found.fates,
            why=found.why,
            unknown=found.refused["unknown"],
            repeated=found.refused["repeated"],
            unreadable=found.refused["unreadable"],
        )
        folder.note_ended(ended)
        _stop(folder, +found.stop)
        return ended


def _promised(state: BatchState, folder: BatchFolder, found: _Found) -> int:
    """Return how many requests the endpoint says it executed with success."""
    if state.completed is not None:
        return min(state.completed, len(folder.intent.asked))
    failed = len(found.fates) - found.lines
    return len(folder.intent.asked) - failed if state.status == "completed" else 0


def _turned_down(folder: BatchFolder, state: BatchState) -> _Found:
    """Return the fates of a batch whose input was not taken: nothing of it was executed."""
    faults = state.faults
    whole = next((code for code, line in faults if line is None), "failed")
    keys = [asked.request_sha256 for asked in folder.intent.asked]
    found = _Found(dict.fromkeys(keys, Fate.REQUEUED), dict.fromkeys(keys, whole))
    for code, line in faults:
        if line is not None and 1 <= line <= len(keys):
            found.fates[keys[line - 1]], found.why[keys[line - 1]] = Fate.FAILED, code
    if whole == TOKEN_LIMIT and len(keys) == 1:
        found.fates[keys[0]] = Fate.FAILED
    return found


def _stop(folder: BatchFolder, reasons: Counter[str]) -> None:
    """Raise when the endpoint would refuse whatever is asked next."""
    if not reasons:
        return
    reason, count = reasons.most_common(1)[0]
    if set(reasons) & QUOTA:
        raise LimitReachedError(
            f"the account at the endpoint is used up ({count} questions of batch {folder.intent.number}): "
            "fill it up and run the same command again"
        )
    raise PrerequisiteError(
        f"the endpoint refuses {count} questions of batch {folder.intent.number} ({reason}): set "
        "OPENAI_API_KEY to a key that it knows, and under [llm] in mmke.toml a model that takes such "
        "requests (store = false leaves out what few endpoints know)"
    )
