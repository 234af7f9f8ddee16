"""Adapter for every endpoint that speaks OpenAI's Chat Completions or Responses API, by the openai client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from curation.drafting.endpoint.openai_errors import (
    DISLIKES,
    declined,
    disliked_field,
    error_code,
    error_of,
    in_our_words,
)
from curation.drafting.endpoint.openai_http import Connection, Got, is_openais
from curation.drafting.endpoint.openai_wire import PATHS, Api, Form, body_of, simpler_forms
from curation.drafting.endpoint.settings import LlmSettings
from curation.drafting.llm import (
    REQUEST_REFUSED,
    LlmRequest,
    LlmResponse,
    about_to_send,
    raw_json,
    read_response,
)
from curation.errors import ForgeError, PrerequisiteError, TransientError, UnknownOutcomeError

_LIMITS = ("max_tokens", "max_completion_tokens")
_FORM_FIELDS = ("store", "metadata", *_LIMITS, "response_format", "json_schema", "json_object")
_FIELDS = (*_FORM_FIELDS, "format", "temperature", "max_output_tokens", "input", "messages")
_NO_ENDPOINT = (
    "the endpoint does not answer like a language model: set OPENAI_BASE_URL to an OpenAI-compatible endpoint"
)
# Some requests are refused for what is in them; when nothing else comes, it is not the requests.
_REFUSED_IN_A_ROW = 10
_UNFINISHED = ("failed", "cancelled", "queued", "in_progress")
_NO_LIST = frozenset({400, 401, 403, 404, 405, 422, 501})


class OpenAIModel:
    """The Endpoint port over HTTP: one request is one try, who calls decides about another.

    What the endpoint knows of the API is found out by trying: JSON schema, then a JSON object, then neither;
    storing under our hash, or not. What worked is remembered for as long as this lives, schema by schema. A
    refusal of content is an answer and changes nothing in that. Use one in one event loop.
    """

    def __init__(
        self,
        base_url: str | None,
        api_key: str,
        settings: LlmSettings | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        """Prepare a client; base_url None means OpenAI's own.

        warn: told in one line when the endpoint begins to answer as another model than before. Raises
        PrerequisiteError when key or address cannot be used.
        """
        self._settings = settings or LlmSettings()
        self._warn = warn
        is_own = is_openais(base_url)
        self.api: Api = self._settings.api
        self._connection = Connection(base_url, api_key, self._settings.timeout_seconds)
        self._form = Form(stores=self._settings.store, limit="new" if is_own else "both")
        self._proven: dict[str, Form] = {}
        self._refused = 0
        self._answered_as: dict[str, list[str]] = {}

    async def aclose(self) -> None:
        """Close the connections."""
        await self._connection.aclose()

    async def complete(self, request: LlmRequest) -> LlmResponse:
        """Send a request, in simpler forms too until one is taken where the endpoint is not known yet.

        Raises RateLimitedError and TransientError (not charged), UnknownOutcomeError (perhaps charged),
        LimitReachedError for an account that is used up, PrerequisiteError for a refused key, an unknown
        model or an endpoint that is none.
        """
        first, tried = self._form, list[Form]()
        got: Got | None = None
        while (form := self._next_form(request.schema_name, first, tried, got)) is not None:
            got = await self._post(request, form)
            tried.append(form)
            if got.status not in DISLIKES or declined(error_of(got.body)) is not None:
                response = self._read(got)
                self._remember(request, response, form, is_form=got.status == 200)
                return response
        assert got is not None  # noqa: S101 - there is a first form
        self._refused += 1
        if self._proven and self._refused < _REFUSED_IN_A_ROW:
            return read_response(raw_json({"error": {"code": REQUEST_REFUSED}}))
        error = error_of(got.body)
        raise in_our_words(got.status, error, got.headers, disliked_field(error, _FIELDS))

    async def recover(self, request: LlmRequest) -> LlmResponse | None:
        """Return the stored completion whose metadata bears the request's hash, None when there is none.

        The Responses API has no list of what it stores, so it gives none back. Errors as of complete.
        """
        if self.api == "responses" or not self._form.stores:
            return None
        query = {"metadata[request_sha256]": request.request_sha256, "limit": "1"}
        got = await self._connection.get(PATHS["chat"], query)
        if got.status in _NO_LIST:
            # Endpoints without stored completions, and keys that may not list them, keep nothing for us.
            return None
        if got.status != 200:
            raise in_our_words(got.status, error_of(got.body), got.headers)
        rows = got.body.get("data") if isinstance(got.body, dict) else None
        if not isinstance(rows, list) or not rows or not _is_answer(rows[0]):
            return None
        metadata = rows[0].get("metadata")
        if isinstance(metadata, dict) and metadata.get("request_sha256") != request.request_sha256:
            return None  # an endpoint that lists without regard to what we asked for
        return read_response(_raw(rows[0]))

    def body(self, request: LlmRequest) -> dict[str, Any]:
        """Return the body of a request in the form that the endpoint is known, or hoped, to take."""
        return body_of(request, self.api, self._proven.get(request.schema_name, self._form))

    def _next_form(self, schema_name: str, first: Form, tried: list[Form], got: Got | None) -> Form | None:
        """Return the form to try next, None for none; what others found out in the meantime comes first."""
        known = self._proven.get(schema_name)
        if known is not None:
            return None if known in tried else known
        if got is None or self._form not in tried:
            return self._form
        simpler = (form for form in simpler_forms(first, self.api) if form not in tried)
        return next((form for form in simpler if _may_help(got, form, self.api)), None)

    def _remember(self, request: LlmRequest, response: LlmResponse, form: Form, *, is_form: bool) -> None:
        if is_form:
            self._refused = 0
            self._form = self._proven[request.schema_name] = form
        seen = self._answered_as.setdefault(request.model, [])
        if response.model and response.model not in seen:
            seen.append(response.model)
            if len(seen) > 1 and self._warn is not None:
                self._warn(
                    f"the endpoint answered as {seen[-2]} and answers as {seen[-1]} now; "
                    "drafts of this run are of both"
                )

    async def _post(self, request: LlmRequest, form: Form) -> Got:
        body = body_of(request, self.api, form)
        await about_to_send()
        return await self._connection.post(PATHS[self.api], body, request.request_sha256)

    def _read(self, got: Got) -> LlmResponse:
        """Return the answer in what came back, or raise what it means."""
        error = error_of(got.body)
        is_answer = got.status == 200 and _is_answer(got.body)
        if is_answer and not _is_unfinished(got.body):
            return read_response(_raw(got.body))
        code = declined(error)
        if code is not None:
            return read_response(raw_json({"error": {"code": code}}))
        if is_answer:
            raise _unfinished(got, error)
        if got.status == 200:
            inner = error.get("code") if isinstance(error, dict) else None
            if isinstance(inner, int) and 400 <= inner < 600:  # as some proxies wrap the error behind them
                raise in_our_words(inner, error, got.headers)
            if self._proven:
                raise UnknownOutcomeError("the endpoint's answer cannot be read: it may have been charged")
            raise PrerequisiteError(_NO_ENDPOINT)
        raise in_our_words(got.status, error, got.headers)


def _raw(body: Any) -> str:  # noqa: ANN401 - any JSON value
    try:
        return raw_json(body)
    except (ValueError, RecursionError):
        message = "the endpoint's answer cannot be kept as JSON: it may have been charged"
    raise UnknownOutcomeError(message)


def _is_answer(body: object) -> bool:
    return isinstance(body, dict) and any(isinstance(body.get(name), list) for name in ("choices", "output"))


def _is_unfinished(body: dict[str, Any]) -> bool:
    """Tell whether the status of a response says that there is no answer in it."""
    return isinstance(body.get("output"), list) and body.get("status") in _UNFINISHED


def _unfinished(got: Got, error: object) -> ForgeError:
    """Return the error for a response that failed, or that is not there though we waited for it."""
    if error_code(error) == "rate_limit_exceeded":
        return in_our_words(429, error, got.headers)
    if got.body.get("status") == "failed":
        return TransientError("the language model failed while it answered")
    return UnknownOutcomeError("the language model broke off its answer: it may have been charged")


def _may_help(got: Got, form: Form, api: Api) -> bool:
    """Tell whether a form leaves out what the endpoint says it dislikes; True where it does not say."""
    disliked = disliked_field(error_of(got.body), _FORM_FIELDS)
    if disliked in ("store", "metadata"):
        return form.stores is None
    if disliked in ("max_completion_tokens", "max_tokens") and api == "chat":
        return form.limit == ("old" if disliked == "max_completion_tokens" else "new")
    if disliked in ("response_format", "json_schema"):
        return form.structure != "json_schema"
    return disliked != "json_object" or form.structure == "none"
