"""Asks by OpenAI's Batch API, at half the price and within a day, filling the same store as online calls."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from curation.drafting.batches.endpoint import BatchEndpoint
from curation.drafting.batches.folder import BatchFolder, clear_unfinished, next_number
from curation.drafting.batches.model import BatchModel, Known, Wire
from curation.drafting.batches.records import BatchTally, Ended, Fate, Intent, Limits, listed
from curation.drafting.batches.results import TOKEN_LIMIT, Results
from curation.drafting.batches.spool import Part, Spool
from curation.drafting.llm import Endpoint, ResponseStore
from curation.drafting.money.budget import Budget
from curation.drafting.money.prices import Prices
from curation.errors import LimitReachedError, PrerequisiteError, RateLimitedError, TransientError

Show = Callable[[str], None]
Affords = Callable[[int], bool]
_NEVER_MADE = "never_submitted"


class Batches:
    """All batches of a project, on disk in one folder each; one process at a time.

    pause_seconds: for how long the endpoint asked us to stay away when it was last asked.

    Use inside `with batches.locked()`. Then, as often as there is something to do: collect, a pass of
    drafting with model(...), submit.
    """

    def __init__(
        self,
        root: Path,
        endpoint: BatchEndpoint,
        store: ResponseStore,
        wire: Wire,
        *,
        prices: Prices | None = None,
        limits: Limits | None = None,
    ) -> None:
        """Keep the batches under root and their answers in store; prices None where nothing costs."""
        self._root = root
        self._endpoint = endpoint
        self._store = store
        self._wire = wire
        self._prices = prices
        self._limits = limits or Limits()
        self._results = Results(endpoint, store, prices, self._limits.patience_seconds)
        self._most = self._limits.requests
        self._open: list[BatchFolder] = []
        self._under_way: set[str] = set()
        self._unanswered: Counter[str] = Counter()
        self._failed: dict[str, str] = {}
        self._proven: set[tuple[str, str]] = set()
        self.pause_seconds = 0.0
        self._told: dict[int, str] = {}
        self._marked: set[int] = set()
        self._seen: set[str] = set()
        self._answered: set[str] = set()
        self._held: set[str] = set()
        self._ended: list[Ended] = []

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process. Raises PrerequisiteError when another one does."""
        self._root.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self._root / "batches.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            message = f"another process works on the batches in {self._root}: wait until it is done"
            raise PrerequisiteError(message) from None
        try:
            clear_unfinished(self._root)
            for folder in BatchFolder.all(self._root):
                self._remember(folder)
            yield
        finally:
            lock.release()

    @property
    def under_way(self) -> int:
        """Return how many batches are not over yet."""
        return len(self._open)

    @property
    def _tokens(self) -> int:
        """Return how many tokens the batches under way may take at most."""
        return sum(asked.tokens for folder in self._open for asked in folder.intent.asked)

    async def collect(self, show: Show, affords: Affords) -> bool:
        """Ask about every batch under way and keep the answers of those that are over; tell if any was.

        A batch that a killed process noted is submitted first, as long as affords(tokens) tells that all that
        is or may be spent is within the caps; tokens: the most that the batches under way may take. Raises
        PrerequisiteError or LimitReachedError where to ask more is of no use; what was answered is kept.
        """
        any_over, self.pause_seconds = False, 0.0
        for folder in list(self._open):
            try:
                await self._mark(folder)
                if folder.batch_id is None:
                    await self._submit_folder(folder, show, affords)
                if folder in self._open:
                    await self._collect_folder(folder, show)
            except TransientError as error:
                self._told_to_wait(error)
                show(f"batch {folder.intent.number}: {error}")
            any_over |= folder not in self._open
        return any_over

    def model(self, budget: Budget | None = None, endpoint: Endpoint | None = None) -> BatchModel:
        """Return the model of one pass; budget and endpoint as in BatchModel."""
        spool = Spool(self._root / "spool", self._most, self._limits.bytes)
        known = Known(self._under_way, self._failed, self._tokens)
        return BatchModel(
            self._store, self._wire, spool, known, budget=budget, endpoint=endpoint, prices=self._prices
        )

    async def submit(self, model: BatchModel, show: Show) -> None:
        """Submit what a pass wanted. What the endpoint does not take for now is submitted by collect."""
        self._seen |= model.wanted | model.held | model.answered | set(model.failed)
        self._answered |= model.answered
        self._failed |= model.failed
        self._held = set(model.held)
        folders = [self._noted(part) for part in self._allowed(model.close())]
        for folder in folders:
            try:
                await self._submit_folder(folder, show, lambda _: True)
            except TransientError as error:
                self._told_to_wait(error)
                show(f"batch {folder.intent.number} is not submitted yet: {error}")

    def tally(self) -> BatchTally:
        """Return where the questions stand that this process met."""
        answered = self._answered
        failed = (self._seen & set(self._failed)) - answered
        waiting = (self._seen & self._under_way) - answered - failed
        requeued = self._seen - answered - failed - waiting
        reasons = Counter(why for ended in self._ended for why in ended.why.values())
        return BatchTally(
            answered=len(answered),
            requeued=len(requeued),
            failed=len(failed),
            waiting=len(waiting),
            held=len(self._held & requeued),
            lost=sum(ended.count(Fate.LOST) for ended in self._ended),
            refused_lines=sum(ended.unknown + ended.repeated + ended.unreadable for ended in self._ended),
            reasons=reasons,
        )

    def _remember(self, folder: BatchFolder) -> None:
        ended = folder.ended
        if ended is not None:
            self._learn(folder, ended)
            return
        self._open.append(folder)
        keys = {asked.request_sha256 for asked in folder.intent.asked}
        self._under_way |= keys
        self._seen |= keys

    def _learn(self, folder: BatchFolder, ended: Ended) -> None:
        """Take in how a batch ended: what failed, what was tried in vain, how much is too much at once."""
        if ended.count(Fate.ANSWERED):
            self._proven.add((folder.intent.url, folder.intent.model))
            if len(ended.fates) >= self._most:  # a full one went through: try a larger one next
                self._most = min(self._limits.requests, self._most + max(1, self._most // 4))
        if ended.status == "failed" and TOKEN_LIMIT in ended.why.values():
            self._most = max(1, min(self._most, len(ended.fates) // 2))
        elif ended.status != _NEVER_MADE:
            self._unanswered.update(
                key for key, fate in ended.fates.items() if fate in (Fate.REQUEUED, Fate.LOST)
            )
        self._failed |= {
            key: ended.why.get(key, "failed") for key, fate in ended.fates.items() if fate is Fate.FAILED
        }

    def _allowed(self, parts: list[Part]) -> list[Part]:
        """Return what may be submitted now: one at a time where the endpoint's queue was full before."""
        if self._most == self._limits.requests:
            return parts
        return [] if self._open else parts[:1]

    def _noted(self, part: Part) -> BatchFolder:
        """Note on disk that a batch is going to be submitted."""
        intent = Intent(
            number=next_number(self._root),
            token=secrets.token_hex(16),
            url=self._wire.url,
            model=part.model,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            asked=tuple(part.asked),
        )
        folder = BatchFolder.make(self._root, intent, part.path)
        self._remember(folder)
        return folder

    async def _submit_folder(self, folder: BatchFolder, show: Show, affords: Affords) -> None:
        """Take a noted batch as far as its id, from wherever an earlier process came."""
        await self._mark(folder)
        if folder.submitting_since is None and not affords(self._tokens):
            await self._give_up(folder)
            show(f"batch {folder.intent.number} is not submitted: the budget no longer allows it")
            return
        batch_id = await self._found(folder)
        try:
            batch_id = batch_id or await self._made(folder)
        except (PrerequisiteError, LimitReachedError):
            await self._give_up(folder)
            raise
        folder.note_batch(batch_id)
        show(f"batch {folder.intent.number} submitted: {len(folder.intent.asked)} questions")

    async def _mark(self, folder: BatchFolder) -> None:
        """Note with every request that it may be charged; marks that a power cut took are made again."""
        if folder.intent.number in self._marked:
            return
        self._marked.add(folder.intent.number)
        for asked in folder.intent.asked:
            key = asked.request_sha256
            if len(self._store.tries(key)) == asked.tries and self._store.note(key) is None:
                await self._store.mark_sent(key, asked.worst)

    async def _found(self, folder: BatchFolder) -> str | None:
        """Return the id of the batch that an earlier try made, None when there is none for certain."""
        since, file_id = folder.submitting_since, folder.file_id
        if since is None or file_id is None:
            return None
        age = (datetime.now(UTC) - since).total_seconds()
        await asyncio.sleep(min(self._limits.settle_seconds, max(0.0, self._limits.settle_seconds - age)))
        return await self._endpoint.find(file_id, folder.intent.token)

    async def _made(self, folder: BatchFolder) -> str:
        file_id = folder.file_id
        if file_id is None:
            file_id = await self._endpoint.upload(folder.input, f"mmke-{folder.intent.token}.jsonl")
            folder.note_uploaded(file_id)
        folder.note_submitting()
        return await self._endpoint.create(file_id, folder.intent.url, folder.intent.token)

    async def _give_up(self, folder: BatchFolder) -> None:
        self._close(folder, await self._results.give_up(folder, _NEVER_MADE))

    async def _collect_folder(self, folder: BatchFolder, show: Show) -> None:
        number, batch_id = folder.intent.number, folder.batch_id
        if batch_id is None:
            return
        state = await self._endpoint.state(batch_id)
        if not state.over:
            done = f"{state.completed or 0} of {len(folder.intent.asked)} done"
            self._tell(number, f"{state.status}, {done}", show)
            return
        try:
            proven = (folder.intent.url, folder.intent.model) in self._proven
            ended = await self._results.take(folder, state, self._unanswered, proven=proven)
        finally:
            if (known := folder.ended) is not None:
                self._close(folder, known)
        if ended is None:
            self._tell(number, f"{state.status}, but its files are not whole yet", show)
            return
        counts = listed((fate.value, ended.count(fate)) for fate in Fate if ended.count(fate))
        refused = ended.unknown + ended.repeated + ended.unreadable
        self._tell(number, f"{state.status}: {counts}; {refused} lines refused", show)

    def _close(self, folder: BatchFolder, ended: Ended) -> None:
        self._open.remove(folder)
        self._ended.append(ended)
        self._learn(folder, ended)
        self._under_way -= ended.fates.keys()
        self._answered |= {key for key, fate in ended.fates.items() if fate is Fate.ANSWERED}

    def _told_to_wait(self, error: TransientError) -> None:
        if isinstance(error, RateLimitedError):
            self.pause_seconds = max(self.pause_seconds, error.retry_after or 0.0)

    def _tell(self, number: int, line: str, show: Show) -> None:
        if self._told.get(number) != line:
            self._told[number] = line
            show(f"batch {number}: {line}")
