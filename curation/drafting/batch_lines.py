"""The lines of batch files: what we send, and what each line of a result file means; all of it hostile."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from curation.drafting.batch_records import Fate
from curation.drafting.llm import read_response
from curation.errors import TransientError
from curation.ids import canonical_json

MAX_LINE = 16_000_000
"""Bytes of a result line; an answer of 8,000 tokens takes some 50,000."""

DECLINED = frozenset({"content_filter", "content_policy_violation"})
QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_NOT_CODE = re.compile(r"[^a-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One line of an output or error file that answers a request of its batch.

    status: HTTP status of this one request, None when it was never executed. body: the endpoint's answer.
    code: the endpoint's word for what went wrong, '' when nothing did.
    """

    request_sha256: str
    status: int | None
    body: dict[str, Any] | None
    code: str


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

    The raw answer is what an online call keeps: the completion as canonical JSON, or the error object of a
    request that was declined for its content.
    """
    if line.code in DECLINED:
        return Fate.ANSWERED, canonical_json({"error": {"code": line.code}}).encode(), ""
    if line.status == 200 and line.body is not None and not line.code:
        raw = _raw(line.body)
        try:
            read_response(raw.decode("utf-8"))
        except TransientError:
            return Fate.LOST, b"", "unreadable_answer"
        return Fate.ANSWERED, raw, ""
    reason = line.code or (f"http_{line.status}" if line.status else "no_answer")
    later = line.status is None or line.status in (200, 401, 403, 404, 408, 409, 429) or line.status >= 500
    return (Fate.REQUEUED if later else Fate.FAILED), b"", reason


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
        return ResultLine(value["custom_id"], status, body, _code(error, body))
    except (ValueError, RecursionError):
        return None


def _code(error: object, body: dict[str, Any] | None) -> str:
    """Return the code of the line's own error, else of the error in its answer."""
    for found in (error, (body or {}).get("error")):
        if isinstance(found, dict):
            return plain_code(found.get("code")) or plain_code(found.get("type")) or "error"
        if found:
            return "error"
    return ""


def _raw(body: dict[str, Any]) -> bytes:
    """Return an answer as an online call keeps it; a lone surrogate, which UTF-8 lacks, stays escaped."""
    try:
        return canonical_json(body).encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
