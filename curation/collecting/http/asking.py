"""How a picture and an API answer are asked for: what is looked at on the way, and what is kept of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Self, TypeVar

import stamina
from yarl import URL

from curation.collecting.http.addresses import AddressRefused, checked, host_of
from curation.collecting.http.exchange import Ask, Exchange
from curation.collecting.http.hosts import Hosts
from curation.collecting.http.keeper import Keeper
from curation.collecting.http.records import Entry, FetchRecord, FetchRefused, FetchStore
from curation.collecting.http.replies import (
    OF_INTEREST,
    Busy,
    Passing,
    Refusal,
    Reply,
    parse_json,
    printable,
    refuses_user_agent,
    wrong_credentials,
    wrong_name,
)
from curation.collecting.http.robots import KEPT_FOR, MAX_ROBOTS_BYTES, Robots, opted_out
from curation.collecting.http.settings import DoorSettings
from curation.collecting.port import Fetched
from curation.errors import Reason, Rejected, TransientError
from curation.headers import read_header
from curation.ids import sha256_bytes

Found = TypeVar("Found")
_log = logging.getLogger("mmke.http")
_LONGEST_HEADER = 300  # characters of a header that go into a record
_NO_PICTURE = frozenset({Reason.IMAGE_EMPTY, Reason.IMAGE_FORMAT_NOT_ALLOWED, Reason.NOT_AN_IMAGE})
_WIKIMEDIA = frozenset({"wikimedia.org", "wikipedia.org", "wikidata.org"})
_API_PAUSE = 5.0  # seconds, as MediaWiki's manual of maxlag says


def _worth_another(error: Exception) -> bool | float:
    """Return whether to try again; for a busy host at once, as the host itself holds everybody back."""
    return 0.0 if isinstance(error, Busy) else isinstance(error, Passing)


_RETRY = stamina.AsyncRetryingCaller(attempts=4, timeout=None, wait_initial=0.5, wait_max=10).on(
    _worth_another
)


@dataclass
class Asking:
    """The parts of an open door."""

    settings: DoorSettings
    store: FetchStore
    exchange: Exchange
    keeper: Keeper

    @classmethod
    async def open(cls, settings: DoorSettings, store: FetchStore) -> Self:
        """Open everything. Raises PrerequisiteError when the disk is full."""
        keeper = Keeper(store, settings)
        try:
            await keeper.check_room()
        except BaseException:
            await keeper.close()
            raise
        return cls(settings, store, Exchange(settings, Hosts(settings)), keeper)

    def __post_init__(self) -> None:
        """Know no site's rules yet."""
        self._robots = Robots(self._load_robots)

    async def close(self) -> None:
        """Close everything."""
        await self.exchange.close()
        await self.keeper.close()

    def record(self, name: str) -> FetchRecord | None:
        """Return what is remembered of a request."""
        found = self.store.find(name)
        return FetchRecord.model_validate(found) if found else None

    async def body(self, record: FetchRecord) -> bytes:
        """Return the kept body of a record that has one."""
        return await asyncio.to_thread(self.store.body, record.sha256 or "")

    async def kept_picture(self, record: FetchRecord, key: str) -> Fetched | Rejected:
        """Return a picture, or why there is none, as an earlier run found it."""
        if record.sha256 is None:
            return Rejected(key, record.reason or Reason.FETCH_FAILED, record.detail)
        return Fetched(await self.body(record), record.final_url, record.retrieved_at)

    async def kept_json(self, record: FetchRecord) -> Any:  # noqa: ANN401 - any JSON value
        """Return an API's answer as an earlier run got it; raises FetchRefused like that run."""
        if record.sha256 is None:
            raise FetchRefused(f"{printable(record.url)}: {record.detail}", record.status)
        return json.loads(await self.body(record))

    async def picture(self, name: str, url: str, key: str, refresh: bool) -> Fetched | Rejected:
        """Ask for a picture and keep it, or keep why there is none."""
        before = self.record(name) if refresh else None
        try:
            return await self._retried(url, lambda: self._get_picture(name, url, before))
        except AddressRefused as error:
            return Rejected(key, Reason.ADDRESS_NOT_ALLOWED, str(error))
        except Refusal as refusal:
            await self._keep_refusal(name, url, refusal)
            return Rejected(key, refusal.reason, refusal.detail)

    async def _get_picture(self, name: str, url: str, before: FetchRecord | None) -> Fetched:
        self.keeper.check_known()
        headers = {"Accept-Encoding": "identity", "Accept": "image/*"}
        if before and before.sha256:
            known = {"If-None-Match": "etag", "If-Modified-Since": "last-modified"}
            headers |= {ours: before.headers[its] for ours, its in known.items() if its in before.headers}
        found = [""]

        def look(reply: Reply, head: bytes) -> None:
            found[0] = _check_start(reply, head)

        ask = Ask(headers, self.settings.max_bytes, on_head=_check_head, on_start=look)
        async with self.exchange.follow(checked(url, self.settings), ask, self._allow) as reply:
            if reply.status == 304 and before and before.sha256:
                return Fetched(await self.body(before), before.final_url, before.retrieved_at)
            if refuses_user_agent(reply) and self._may_end_the_run(reply):
                raise wrong_name(reply)
            if reply.status != 200:
                raise Refusal(Reason.FETCH_FAILED, f"the host answers {reply.status}: {reply.said}", reply)
            record = _record(url, reply, found[0])
            if (
                before
                and before.sha256
                and before.sha256 != await asyncio.to_thread(sha256_bytes, reply.body)
            ):
                record = record.model_copy(update={"replaced": before.sha256})
            await self._keep(name, record, reply.body)
            return Fetched(reply.body, record.final_url, record.retrieved_at)

    def _may_end_the_run(self, reply: Reply) -> bool:
        """Return whether a host's no to our name is ours to mend: of any other host it is just a no."""
        url = URL(reply.url)
        domain = ".".join((url.host or "").split(".")[-2:])
        return domain in _WIKIMEDIA or self.settings.trusts(host_of(url), url.port or 0)

    async def json(
        self, name: str, url: str, params: Mapping[str, str], form: Mapping[str, str] | None, accept: str
    ) -> Any:  # noqa: ANN401 - any JSON value
        """Ask an API and keep its answer, or keep that it refuses."""
        try:
            target = checked(url, self.settings)
        except AddressRefused as error:
            raise FetchRefused(f"{printable(url)}: {error}", 0) from error
        target = target.update_query(params) if params else target
        ask = Ask({"Accept": accept}, self.settings.max_bytes, form)
        try:
            return await self._retried(str(target), lambda: self._get_json(name, target, ask))
        except Refusal as refusal:
            await self._keep_refusal(name, str(target), refusal)
            status = refusal.reply.status if refusal.reply else 0
            raise FetchRefused(f"{printable(str(target))}: {refusal.detail}", status) from refusal

    async def _get_json(self, name: str, target: URL, ask: Ask) -> Any:  # noqa: ANN401 - any JSON value
        self.keeper.check_known()
        sent = monotonic()
        async with self.exchange.follow(target, ask) as reply:
            if refuses_user_agent(reply):
                raise wrong_name(reply)
            if reply.status == 401:
                raise wrong_credentials(reply, self.exchange.token_variable(target))
            if reply.status != 200:
                raise Refusal(
                    Reason.FETCH_FAILED,
                    f"the host answers {reply.status}: {reply.said}",
                    reply,
                    is_final=reply.status != 403,
                )
            try:
                value = parse_json(reply)
            except Busy as busy:
                self.exchange.rest(target, _API_PAUSE if busy.seconds is None else busy.seconds, sent)
                raise
            record = _record(str(target), reply)
            form = None if ask.form is None else dict(ask.form)
            await self._keep(name, record.model_copy(update={"form": form}), reply.body)
            return value

    async def _retried(self, url: str, attempt: Callable[[], Awaitable[Found]]) -> Found:
        try:
            return await attempt()  # without stamina, which costs a tenth of a download
        except Passing as error:
            failed: Passing | None = error

        async def again() -> Found:
            nonlocal failed
            if failed:
                first, failed = failed, None
                raise first
            return await attempt()

        try:
            return await _RETRY(again)
        except Passing as error:
            message = f"{printable(url)}: {error}; run again later"
            _log.warning("%s", message)
            raise TransientError(message) from error

    async def _keep(self, name: str, record: FetchRecord, body: bytes | None = None) -> None:
        await self.keeper.keep(Entry(name, record.model_dump(mode="json", exclude_defaults=True), body))

    async def _keep_refusal(self, name: str, url: str, refusal: Refusal) -> None:
        _log.info("%s: %s", printable(url), refusal.detail)
        if refusal.is_final:
            record = _record(url, refusal.reply or Reply(0, "", {}, b""))
            fields = {"reason": refusal.reason, "detail": refusal.detail, "limit": refusal.limit}
            await self._keep(name, record.model_copy(update=fields))

    async def _allow(self, url: URL) -> None:
        rules = await self._robots.rules(url)
        if not rules.allows(url):
            raise Refusal(Reason.ROBOTS_DISALLOWED, "the site's robots.txt does not allow it")
        if rules.delay:
            self.exchange.hosts.of(url).slow_down(rules.delay)

    async def _load_robots(self, url: URL) -> tuple[str, datetime]:
        """Return a site's robots.txt and when it came: one of the last day from the store."""
        name = f"robots {url}"
        record = self.record(name)
        if record:
            came = datetime.fromisoformat(record.retrieved_at)
            if came <= datetime.now(UTC) < came + KEPT_FOR:
                return (await self.body(record)).decode("utf-8", "replace") if record.sha256 else "", came
        try:
            return await self._retried(str(url), lambda: self._get_robots(name, url))
        except Refusal as refusal:
            if not refusal.is_final:  # no such host, or one that is never asked: so it is with the picture
                raise
            raise TransientError(refusal.detail) from refusal

    async def _get_robots(self, name: str, url: URL) -> tuple[str, datetime]:
        async with self.exchange.follow(url, Ask({}, MAX_ROBOTS_BYTES, truncate=True)) as reply:
            if reply.status != 200 and not 400 <= reply.status < 500:
                raise Refusal(Reason.FETCH_FAILED, f"the host answers {reply.status}", reply)
            body = reply.body if reply.status == 200 else None
            record = _record(str(url), reply)
            await self._keep(name, record, body)
            return (body or b"").decode("utf-8", "replace"), datetime.fromisoformat(record.retrieved_at)


def _record(url: str, reply: Reply, found: str = "") -> FetchRecord:
    headers = {name: reply.headers[name][:_LONGEST_HEADER] for name in OF_INTEREST if name in reply.headers}
    return FetchRecord(
        url=url,
        final_url=reply.url,
        status=reply.status,
        size=len(reply.body),
        media_type=reply.media_type,
        found_type=found,
        headers=headers,
        retrieved_at=datetime.now(UTC).isoformat(),
    )


def _check_head(reply: Reply) -> None:
    said = opted_out(reply.headers)
    if said:
        raise Refusal(Reason.OPTED_OUT, f"its owner does not want it learnt from ({said})", reply)


def _check_start(reply: Reply, head: bytes) -> str:
    """Return what media type a body is by its first bytes, '' when its end must tell.

    Raises Refusal for what is no picture that we read; limits of size are for later, when all of it is here.
    """
    found = read_header("", head)
    if not isinstance(found, Rejected):
        return f"image/{found.kind.lower()}"
    if found.reason in _NO_PICTURE:
        detail = f"{found.detail}; the host says {reply.media_type or 'nothing'}"
        raise Refusal(found.reason, printable(detail), reply)
    return ""
