"""What an answer's status and headers mean: wait, give up for now, or never ask again."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import nh3

from curation.collecting.http.robots import OPT_OUT_HEADERS
from curation.errors import PrerequisiteError, Reason

# Kept with the record of a fetch.
OF_INTEREST = (
    "content-type",
    "content-length",
    "content-encoding",
    "etag",
    "last-modified",
    *OPT_OUT_HEADERS,
)
_NOW_BUSY = frozenset({429, 503})
_PASSING = frozenset({408, 425, 500, 502, 504, 520, 521, 522, 523, 524})
# Wikimedia answers a thumbnail of a width that it does not make with 429 and "Use thumbnail steps listed on
# https://w.wiki/GHai": waiting does not help.
_FOR_GOOD = re.compile(rb"thumbnail (steps|sizes)|w\.wiki/GHai", re.IGNORECASE)
_USER_AGENT = re.compile(rb"user[- _]agent|robot policy", re.IGNORECASE)
_BUSY_CODES = frozenset({"maxlag", "ratelimited", "readonly"})
_UNPRINTABLE = re.compile(
    r"[^\x20-\x7e\xa1-\u1fff\u2030-\u205e\u2070-\ufefe]|[\u2066-\u2069\ud800-\udfff\xad]"
)


def printable(text: str, length: int = 200) -> str:
    """Return text fit for a log line or a message: cut to length, control characters escaped."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text[:length])


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer after redirects; headers by lower-case name."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Return the Content-Type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()[:100]

    @property
    def said(self) -> str:
        """Return the beginning of the body's text as one line for a message, without markup."""
        text = unescape(nh3.clean(self.body[:4096].decode("utf-8", "replace"), tags=set()))
        return printable(" ".join(text.replace("<", " ").split()), 160)


class Passing(Exception):  # noqa: N818 - a state of the network, not a fault of ours
    """It failed, but the next try may work."""


class Busy(Passing):
    """The host asks us to pause; seconds: how long, None when it does not say."""

    def __init__(self, message: str, seconds: float | None) -> None:
        """Remember the seconds beside the message."""
        super().__init__(message)
        self.seconds = seconds


class Refusal(Exception):  # noqa: N818 - a verdict on one request, turned into a record
    """It will not work at any later time either."""

    def __init__(
        self,
        reason: Reason,
        detail: str,
        reply: Reply | None = None,
        *,
        limit: int | None = None,
        is_final: bool = True,
    ) -> None:
        """Remember why.

        reply: what was answered, None when nothing was. limit: the size that was too small, in bytes.
        is_final: a later run need not ask again.
        """
        super().__init__(detail)
        self.reason, self.detail, self.reply = reason, detail, reply
        self.limit, self.is_final = limit, is_final


def flat_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by lower-case name; lines of the same name stand one under the other."""
    flat: dict[str, str] = {}
    for name, value in headers.items():
        known = flat.get(name.lower())
        flat[name.lower()] = value if known is None else f"{known}\n{value}"
    return flat


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (a number or an HTTP date), None without one."""
    if not value:
        return None
    try:
        if value.strip().isdigit():
            return float(value.strip()[:9])
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - now).total_seconds())


def check_passing(reply: Reply) -> None:
    """Raise Busy or Passing for an answer that a later try may better."""
    if reply.status in _NOW_BUSY and not _FOR_GOOD.search(reply.body):
        seconds = retry_after(reply.headers.get("retry-after"), datetime.now(UTC))
        raise Busy(f"the host answers {reply.status}", seconds)
    if reply.status in _PASSING:
        raise Passing(f"the host answers {reply.status}")


def refuses_user_agent(reply: Reply) -> bool:
    """Return whether a 403 or 429 is about who we say we are."""
    return reply.status == 403 and bool(_USER_AGENT.search(reply.body[:4096]))


def wrong_name(reply: Reply) -> PrerequisiteError:
    """Return the error for a host that does not want our User-Agent, with the fix."""
    return PrerequisiteError(
        f"{urlsplit(reply.url).hostname} refuses our User-Agent ({reply.said}): set `contact` under [http] "
        "in mmke.toml to a mail address or web page of yours that works"
    )


def wrong_credentials(reply: Reply, variable: str | None) -> PrerequisiteError:
    """Return the error for a 401, with the fix; variable: of the environment, where a token is looked for."""
    fix = f"put a valid token into {variable}, or unset it" if variable else "we have none for it"
    return PrerequisiteError(f"{urlsplit(reply.url).hostname} refuses our credentials ({reply.said}): {fix}")


def parse_json(reply: Reply) -> Any:  # noqa: ANN401 - any JSON value
    """Return the JSON of a good answer.

    Raises Busy for the errors by which MediaWiki's API asks for a pause with status 200 (maxlag,
    ratelimited, readonly), Passing for what is no JSON: a captive portal, or a query cut off by its server.
    """
    try:
        value = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise Passing("the answer is not JSON") from error
    code = _api_error(value)
    if code in _BUSY_CODES:
        asked = retry_after(reply.headers.get("retry-after"), datetime.now(UTC))
        raise Busy(f"the API answers {code}", asked)
    return value


def _api_error(value: object) -> str:
    if not isinstance(value, dict):
        return ""
    errors = value.get("errors")
    error = errors[0] if isinstance(errors, list) and errors else value.get("error")
    return str(error.get("code", "")) if isinstance(error, dict) else ""
