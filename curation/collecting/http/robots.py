"""What a site allows: robots.txt as RFC 9309 says, and the headers by which a picture's owner opts out."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from time import monotonic

from protego import Protego
from yarl import URL

from curation.collecting.http.turns import Turns
from curation.errors import TransientError

AGENT = "mmke-forge"
OPT_OUT_HEADERS = ("x-robots-tag", "tdm-reservation")
MAX_ROBOTS_BYTES = 500 * 1024
KEPT_FOR = timedelta(hours=24)
_HOLD_SECONDS = 600.0
_SITES_IN_MEMORY = 1000
_OPT_OUTS = frozenset({"noai", "noimageai"})
# Directives of X-Robots-Tag that have a colon of their own; any other word before a colon names an agent.
_AGENT_NAME = re.compile(r"[a-z0-9_.*-]+")
_WITH_VALUE = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def opted_out(headers: Mapping[str, str]) -> str:
    """Return the header by which the owner refuses the use for machine learning, '' when there is none.

    headers: by lower-case name, lines of the same name one under the other. Looked for:
    X-Robots-Tag: noai or noimageai, for all agents or for ours; TDM-Reservation: 1 (the W3C community's
    TDM Reservation Protocol).
    """
    tags = headers.get("x-robots-tag")
    for line in tags.lower().split("\n") if tags else ():
        for_us = True
        for part in line.split(","):
            before, colon, after = (word.strip() for word in part.partition(":"))
            if colon and _AGENT_NAME.fullmatch(before) and before not in _WITH_VALUE:
                for_us = before in {"*", AGENT}
            directive = after or before
            if for_us and directive in _OPT_OUTS:
                return f"X-Robots-Tag: {directive}"
    return "TDM-Reservation: 1" if headers.get("tdm-reservation", "").strip() == "1" else ""


class Rules:
    """The rules of one site."""

    def __init__(self, text: str) -> None:
        """Parse a robots.txt; an empty one allows everything."""
        self._rules = Protego.parse(text) if text.strip() else None

    def allows(self, url: URL) -> bool:
        """Return whether we may ask for url."""
        return self._rules is None or bool(self._rules.can_fetch(str(url), AGENT))

    @property
    def delay(self) -> float:
        """Return the least seconds between requests that the site asks for, 0 when it does not say."""
        if self._rules is None:
            return 0.0
        rate = self._rules.request_rate(AGENT)
        spaced = rate.seconds / rate.requests if rate and rate.requests else 0.0
        return max(float(self._rules.crawl_delay(AGENT) or 0.0), spaced)


Load = Callable[[URL], Awaitable[tuple[str, datetime]]]


class Robots:
    """The rules of every site that was asked in this run, each loaded once a day.

    load: returns the text of a robots.txt ('' where the site has none) and when it came over the wire;
    raises TransientError when the site does not say (5xx, 429, unreachable): then nothing is asked there
    for ten minutes.
    """

    def __init__(self, load: Load) -> None:
        """Know nothing yet."""
        self._load = load
        self._rules: OrderedDict[URL, tuple[Rules, datetime]] = OrderedDict()
        self._held: dict[URL, tuple[float, str]] = {}
        self._turns = Turns()

    async def rules(self, url: URL) -> Rules:
        """Return the rules of the site of url. Raises TransientError while it does not tell them."""
        site = url.origin()
        known = self._known(site)
        if known:
            return known
        async with self._turns.of(str(site)):
            known = self._known(site)
            if known:
                return known
            until, message = self._held.pop(site, (0.0, ""))
            if monotonic() < until:
                self._held[site] = until, message
                raise TransientError(message)
            try:
                text, came = await self._load(site.with_path("/robots.txt"))
            except TransientError as error:
                message = f"robots.txt cannot be read, so nothing is asked there: {error}"
                self._held[site] = (monotonic() + _HOLD_SECONDS, message)
                raise TransientError(message) from error
            rules = Rules(text)
            self._rules[site] = rules, came + KEPT_FOR
            if len(self._rules) > _SITES_IN_MEMORY:  # the store has those that are dropped
                self._rules.popitem(last=False)
            return rules

    def _known(self, site: URL) -> Rules | None:
        if site not in self._rules:
            return None
        self._rules.move_to_end(site)
        rules, until = self._rules[site]
        return rules if datetime.now(UTC) < until else None
