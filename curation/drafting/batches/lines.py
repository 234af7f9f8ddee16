"""The lines of batch files: what we send, and what each line of a result file means; all of it hostile."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from curation.drafting.batches.records import Fate
from curation.drafting.endpoint.openai_errors import DISLIKES, declined, error_of
from curation.drafting.llm import raw_json

MAX_LINE = 16_000_000
"""Bytes of a result line; an answer of 8,000 tokens takes some 50,000."""

_LATER = frozenset({401, 402, 403, 404, 408, 409, 425, 429})
_NOT_CODE = re.compile(r"[^a-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One line of an output or error file that answers a request of its batch.

    status: HTTP status of this one request, None when it was never executed. body: the endpoint's answer.
    error: what the line itself says went wrong, None when it says nothing.
    """

    request_sha256: str
    status: int | None
    body: dict[str, Any] | None
    error: object

    @property
    def reason(self) -> str:
        """Return in one word why there is no answer."""
        for error in (self.error, error_of(self.body)):
            if isinstance(error, dict):
                code = plain_code(error.get("code")) or plain_code(error.get("type"))
                if code:
                    return code
        return f"http_{self.status}" if self.status else "no_answer"


def request_line(request_sha256: str, url: str, body: Mapping[str, Any]) -> bytes:
    """Return the line of an input file for a request."""
    line = {"custom_id": request_sha256, "method": "POST", "url": url, "body": body}
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


def result_lines(path: Path, expected: Collection[str], refused: Counter[str]) -> Iterator[ResultLine]:
    """Yield the lines that are about an expected request; the others are counted.

    expected: request hashes of the batch. refused: counts of 'unknown' (no request of this batch) and
    'unreadable' lines; added to.
    """
    with path.open("rb") as file:
        for data in _pieces(file):
            line = _parsed(data)
            if line is None:
                refused["unreadable"] += 1
            elif line.request_sha256 not in expected:
                refused["unknown"] += 1
            else:
                yield line


def judged(line: ResultLine) -> tuple[Fate, bytes, str]:
    """Return how a request ended, the raw answer to keep (empty unless answered) and a short reason.

    The raw answer is what an online call keeps: the endpoint's answer as canonical JSON, or the error object
    of a request that was declined for its content. Only what may be no better next time has FAILED.
    """
    body, status = line.body, line.status
    code = declined(error_of(body))
    if body is not None and status == 200 and is_answer(body):
        if body.get("status") not in ("failed", "cancelled"):
            raw = _raw(body)
            return (Fate.ANSWERED, raw, "") if raw else (Fate.LOST, b"", "unreadable_answer")
        if code is None:
            return Fate.REQUEUED, b"", line.reason
    if code is not None:
        return Fate.ANSWERED, raw_json({"error": {"code": code}}).encode(), ""
    if status == 200:
        return Fate.LOST, b"", "unreadable_answer"
    if status in DISLIKES or (status is not None and 400 < status < 500 and status not in _LATER):
        return Fate.FAILED, b"", line.reason
    return Fate.REQUEUED, b"", line.reason


def plain_code(value: object) -> str:
    """Return an endpoint's error code as a word that may be shown and counted."""
    return _NOT_CODE.sub("", value.lower())[:40] if isinstance(value, str) else ""


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long only its beginning, which is no JSON."""
    while data := file.readline(MAX_LINE):
        if len(data) == MAX_LINE and not data.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield b"{"
        elif data.strip():
            yield data


def _parsed(data: bytes) -> ResultLine | None:
    try:
        value = json.loads(data.decode("utf-8"), parse_constant=_refuse)
        if not isinstance(value, dict) or not isinstance(value.get("custom_id"), str):
            return None
        response, error = value.get("response"), value.get("error")
        response = response if isinstance(response, dict) else {}
        status, body = response.get("status_code"), response.get("body")
        if isinstance(status, bool) or not isinstance(status, int | None):
            return None
        body = body if isinstance(body, dict) else None
        return ResultLine(value["custom_id"], status, body, error)
    except (ValueError, RecursionError):
        return None


def is_answer(body: Mapping[str, Any]) -> bool:
    """Tell whether a body is a model's answer, of either API, and no error object."""
    return any(isinstance(body.get(name), list) for name in ("choices", "output"))


def _raw(body: dict[str, Any]) -> bytes:
    """Return an answer as an online call keeps it, b'' for what cannot be kept as JSON."""
    try:
        return raw_json(body).encode("utf-8")
    except (ValueError, RecursionError):
        return b""


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
