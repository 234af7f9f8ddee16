"""Files and batches of an OpenAI-compatible endpoint: one HTTP exchange each, errors in our own words."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from curation.atomic import sync_folder
from curation.drafting.batches.folder import written
from curation.drafting.batches.lines import plain_code
from curation.drafting.endpoint.openai_errors import QUOTA, error_code, error_of, in_our_words
from curation.drafting.endpoint.openai_http import Connection
from curation.errors import ForgeError, PrerequisiteError, TransientError, UnknownOutcomeError

OVER = frozenset({"completed", "failed", "expired", "cancelled"})
"""The statuses after which nothing more happens to a batch."""

TOKEN = "mmke_batch"  # noqa: S105 - the name of a field
TIMEOUT_SECONDS = 120.0
_PIECE = 1 << 16
_PAGE = 100
_T = TypeVar("_T")
_M = TypeVar("_M", bound=BaseModel)


class _Counts(BaseModel):
    completed: int | None = Field(default=None, ge=0)


class _Fault(BaseModel):
    code: Any = None
    line: int | None = None


class _Faults(BaseModel):
    data: tuple[_Fault, ...] | None = None


class BatchState(BaseModel):
    """What an endpoint says of a batch; fields that we do not read are left out.

    request_counts: None where the endpoint does not count. faults: what validation found, by input line
    (from 1, None for the whole file).
    """

    model_config = ConfigDict(frozen=True)

    id: str
    status: str
    input_file_id: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: _Counts | None = None
    metadata: dict[str, Any] | None = None
    errors: _Faults | None = None

    @field_validator("status")
    @classmethod
    def _one_word(cls, value: str) -> str:
        return plain_code(value)

    @property
    def over(self) -> bool:
        """Tell whether nothing more happens to the batch."""
        return self.status in OVER

    @property
    def completed(self) -> int | None:
        """Return how many requests were executed with success, None where the endpoint does not count."""
        return self.request_counts.completed if self.request_counts is not None else None

    @property
    def faults(self) -> list[tuple[str, int | None]]:
        """Return code and line of what validation found."""
        rows = (self.errors and self.errors.data) or ()
        return [(plain_code(row.code) or "error", row.line) for row in rows]


class _File(BaseModel):
    id: str


class _Row(BaseModel):
    """One batch in a list: whoever made it, only what tells whether it is ours is read."""

    id: str
    input_file_id: Any = None
    metadata: Any = None

    def is_of(self, file_id: str, token: str) -> bool:
        told = self.metadata.get(TOKEN) if isinstance(self.metadata, dict) else None
        return self.input_file_id == file_id or told == token


class _Page(BaseModel):
    data: tuple[_Row, ...] = ()
    has_more: bool = False


class _NotThereError(PrerequisiteError):
    """The endpoint answers 404."""


class BatchEndpoint(Connection):
    """The calls that batches need; nothing is sent twice here, because a second batch would be paid for.

    Every call raises RateLimitedError or TransientError where the endpoint is away for now,
    UnknownOutcomeError where no answer came, LimitReachedError where the account is used up and
    PrerequisiteError where the endpoint refuses.
    """

    def __init__(self, base_url: str | None, api_key: str) -> None:
        """Prepare a client; base_url None means OpenAI's own.

        Raises PrerequisiteError when key or address cannot be used.
        """
        super().__init__(base_url, api_key, TIMEOUT_SECONDS)

    async def upload(self, path: Path, name: str) -> str:
        """Upload an input file under a name and return its id."""
        with path.open("rb") as file:
            call = self._client.files.with_raw_response.create(
                file=(name, file, "application/jsonl"), purpose="batch"
            )
            return _read(_File, (await _asked(call)).content).id

    async def create(self, file_id: str, url: str, token: str) -> str:
        """Make a batch of an uploaded file and return its id."""
        call = self._client.batches.with_raw_response.create(
            completion_window="24h",
            endpoint=cast("Any", url),
            input_file_id=file_id,
            metadata={TOKEN: token},
        )
        return _read(_Row, (await _asked(call)).content).id

    async def find(self, file_id: str, token: str) -> str | None:
        """Return the id of the batch made of an input file or with a token, None when there is none."""
        query: dict[str, Any] = {"limit": _PAGE}
        while True:
            try:
                answer = await _asked(self._client.batches.with_raw_response.list(**query))
            except _NotThereError:
                raise PrerequisiteError(
                    "the endpoint does not list its batches: look there whether one was made of the file "
                    f"{file_id}, and move the batch's folder away when none was"
                ) from None
            page = _read(_Page, answer.content)
            for row in page.data:
                if row.is_of(file_id, token):
                    return row.id
            if not page.has_more or not page.data or page.data[-1].id == query.get("after"):
                return None
            query["after"] = page.data[-1].id

    async def state(self, batch_id: str) -> BatchState:
        """Return what the endpoint says of a batch now."""
        try:
            answer = await _asked(self._client.batches.with_raw_response.retrieve(batch_id))
        except _NotThereError:
            message = (
                f"the endpoint knows no batch {batch_id}: set OPENAI_BASE_URL and OPENAI_API_KEY to those "
                "that it was submitted with, or give it up by moving its folder away"
            )
            raise PrerequisiteError(message) from None
        return _read(BatchState, answer.content)

    async def download(self, file_id: str, to: Path, limit: int) -> bool:
        """Keep a result file as it comes; False when the endpoint does not have it (yet).

        limit: bytes at most. A transfer that breaks leaves nothing behind.
        """
        part = to.with_suffix(".part")
        try:
            with written(), part.open("wb") as file:
                await _asked(self._stream(file_id, file.write, limit))
                file.flush()
                os.fsync(file.fileno())
            with written():
                part.replace(to)
                sync_folder(to.parent)
        except _NotThereError:
            return False
        finally:
            part.unlink(missing_ok=True)
        return True

    async def _stream(self, file_id: str, write: Callable[[bytes], int], limit: int) -> None:
        size = 0
        async with self._client.files.with_streaming_response.content(file_id) as answer:
            async for piece in answer.iter_bytes(_PIECE):
                size += len(piece)
                if size > limit:
                    raise PrerequisiteError(
                        f"the result file of a batch is larger than {limit} bytes: look at it at the endpoint"
                    )
                write(piece)


async def _asked(call: Awaitable[_T]) -> _T:
    """Return what a call answers, or raise its failure as one of ours.

    Ours is raised outside the except clause: the client's own error, which would be its context, carries the
    request with the key.
    """
    from httpx2 import HTTPError
    from openai import APIConnectionError, APIStatusError

    try:
        return await call
    except APIStatusError as error:
        failure = _in_our_words(error.status_code, error_of(error.body), error.response.headers)
    except (APIConnectionError, HTTPError):
        failure = UnknownOutcomeError("the endpoint cannot be reached, or broke off while it answered")
    raise failure


def _in_our_words(status: int, error: object, headers: Mapping[str, str]) -> ForgeError:
    """Return our error for an HTTP status; the endpoint's own words may quote the key and are left out."""
    if error_code(error) not in QUOTA:
        if status in (404, 405, 501):
            return _NotThereError(f"the endpoint has no batches (HTTP {status}): run again without --batch")
        if status in (400, 413, 422):
            return PrerequisiteError(
                f"the endpoint refuses a batch (HTTP {status} {error_code(error)}): run again without --batch"
            )
    return in_our_words(status, error, headers)


def _read(kind: type[_M], content: bytes) -> _M:
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        raise TransientError("the endpoint's answer about a batch cannot be read") from None
