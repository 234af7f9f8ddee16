"""Asks a MediaWiki Action API and follows its `continue`, one batch of whole pages after another."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from curation.collecting.http.door import Door
from curation.collecting.wikimedia.answers import JsonObject, as_dict, as_dicts, as_text
from curation.collecting.wikimedia.plain_text import clean_line
from curation.errors import PrerequisiteError, TransientError

# maxlag=5 is what MediaWiki's manual asks of programs that can wait.
_ALWAYS = {"format": "json", "formatversion": "2", "maxlag": "5"}
_LATER = ("maxlag", "ratelimited", "readonly", "internal_api_error", "cirrussearch-", "search-", "timeout")
_MAX_ROUNDS = 200


class _PassingError(TransientError):
    """The wiki answered, but with a failure of its own."""


class ActionApi:
    """One wiki's api.php. Answers in formatversion 2; every request carries maxlag."""

    def __init__(self, door: Door, endpoint: str) -> None:
        """Remember the door and the address of api.php."""
        self._door, self._endpoint = door, endpoint

    async def ask(self, params: Mapping[str, str]) -> JsonObject:
        """Return one answer.

        Raises TransientError where the wiki is behind, busy or answers with something else than an object,
        PrerequisiteError where it refuses the request itself.
        """
        try:
            return self._good(await self._door.json(self._endpoint, {**_ALWAYS, **params}))
        except _PassingError:
            # The door keeps what it was answered, a failure too: under another request id it asks anew.
            again = {"requestid": f"{datetime.now(UTC):%Y%m%d%H%M%S%f}"}
            return self._good(await self._door.json(self._endpoint, {**_ALWAYS, **params, **again}))

    def _good(self, answer: object) -> JsonObject:
        if not isinstance(answer, dict):
            raise _PassingError(f"{self._endpoint} answered with something that is no JSON object")
        error = as_dict(answer.get("error"))
        if error:
            code = clean_line(as_text(error.get("code")), 80)
            message = f"{self._endpoint}: {code}: {clean_line(as_text(error.get('info')), 200)}"
            if code.startswith(_LATER):
                raise _PassingError(message)
            raise PrerequisiteError(f"{message}; check the endpoint in mmke.toml")
        return answer

    async def batches(self, params: Mapping[str, str]) -> AsyncIterator[tuple[list[JsonObject], JsonObject]]:
        """Yield the pages of action=query, and the `query` object beside them, a batch at a time.

        A batch is complete: its pages have all of their properties, put together from as many answers as
        that takes (`batchcomplete`). Raises what ask raises, TransientError also when `continue` runs in a
        circle.
        """
        asked = {"action": "query", **params}
        more: dict[str, str] = {}
        pages: dict[str, JsonObject] = {}
        beside: JsonObject = {}
        for _ in range(_MAX_ROUNDS):
            answer = await self.ask({**asked, **more})
            query = as_dict(answer.get("query"))
            _gather(pages, beside, query)
            following = {name: str(value) for name, value in as_dict(answer.get("continue")).items()}
            if answer.get("batchcomplete") or not following:
                yield list(pages.values()), beside
                pages, beside = {}, {}
            if not following:
                return
            if following == more:
                raise TransientError(f"{self._endpoint} continues with the same place again and again")
            more = following
        raise TransientError(f"{self._endpoint} did not come to an end after {_MAX_ROUNDS} answers")

    async def pages(self, params: Mapping[str, str]) -> tuple[list[JsonObject], JsonObject]:
        """Return the pages of all batches, and what stands beside them; see batches."""
        found: list[JsonObject] = []
        beside: JsonObject = {}
        async for pages, query in self.batches(params):
            found += pages
            for name, value in query.items():
                beside.setdefault(name, []).extend(value)
        return found, beside


def followed(titles: list[str], beside: JsonObject) -> dict[str, str]:
    """Return where each asked title led: normalised, then through redirects, at most five steps."""
    steps = {
        as_text(step.get("from")): as_text(step.get("to"))
        for name in ("normalized", "converted", "redirects")
        for step in as_dicts(beside.get(name))
    }
    found = {}
    for title in titles:
        place = title
        for _ in range(5):
            place = steps.get(place) or place
        found[title] = place
    return found


def _gather(pages: dict[str, JsonObject], beside: JsonObject, query: JsonObject) -> None:
    for page in as_dicts(query.get("pages")):
        known = pages.setdefault(as_text(page.get("title")) or str(page.get("pageid")), {})
        for name, value in page.items():
            more = isinstance(value, list) and isinstance(known.get(name), list)
            known[name] = known[name] + value if more else value
    for name in ("normalized", "converted", "redirects"):
        beside.setdefault(name, []).extend(as_dicts(query.get(name)))
