"""An OpenAI-compatible endpoint on loopback whose model is the rule drafter; run as a child process."""

from __future__ import annotations

import argparse
import hmac
import json
import os
import secrets
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from curation.drafting.rules.drafter import MODEL_NAME, TooFewFactsError, answer
from curation.drafting.rules.ledger import Ledger
from curation.drafting.steps.prompting import read_block
from curation.ids import canonical_json, sha256_json

MAX_BODY_BYTES = 40_000_000  # pictures come along, and are left aside
_PATIENCE_SECONDS = 0.5


class RuleServer(ThreadingHTTPServer):
    """Serves 127.0.0.1 on a free port; every request but /health needs the bearer token."""

    daemon_threads = True
    request_queue_size = 1024  # the client opens all its connections at once; five is the default

    def __init__(self, ledger: Ledger, token: str) -> None:
        """Bind to a free port of the loopback interface."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ledger = ledger
        self.token = token

    @property
    def base_url(self) -> str:
        """Return the address for an OpenAI client."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = 65_536  # head and body in one packet, or the client's delayed acknowledgement costs 40 ms
    server: RuleServer

    def do_GET(self) -> None:
        """Answer /health, /stats, /v1/models and the list of stored completions."""
        address = urlsplit(self.path)
        if address.path == "/health":
            self._send(200, {"status": "ok"})
        elif not self._allowed():
            return
        elif address.path == "/stats":
            self._send(200, self.server.ledger.stats())
        elif address.path == "/v1/models":
            self._send(200, {"object": "list", "data": [{"id": MODEL_NAME, "object": "model", "created": 0}]})
        elif address.path == "/v1/chat/completions":
            key = parse_qs(address.query).get("metadata[request_sha256]", [""])[0]
            stored = self.server.ledger.answered(key)
            rows = [stored] if stored else []
            self._send(200, {"object": "list", "data": rows, "has_more": False})
        else:
            self._fail(404, "no such address")

    def do_POST(self) -> None:
        """Answer a chat completion or a response; it is in the ledger before it is sent."""
        body = self._body()
        if body is None or not self._allowed():
            return
        drafted = {"/v1/chat/completions": complete, "/v1/responses": respond}.get(urlsplit(self.path).path)
        if drafted is None:
            self._fail(404, "no such address")
            return
        try:
            request = json.loads(body)
            metadata = request.get("metadata") or {}
            key = str(metadata.get("request_sha256") or sha256_json(request))
            completion = drafted(request, key)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError):
            self._fail(
                400, "the rule drafter reads rendered drafting prompts with a JSON schema, and nothing else"
            )
            return
        self.server.ledger.add(key, completion)
        self._send(200, completion)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Keep quiet: the ledger is the log."""

    def _allowed(self) -> bool:
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            return True
        self._fail(401, "wrong token")
        return False

    def _body(self) -> bytes | None:
        """Return the whole body (read before anything is answered, or the connection breaks)."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._fail(413, "the body is too large, or of unknown length")
            return None
        return self.rfile.read(int(length))

    def _fail(self, status: int, message: str) -> None:
        self._send(status, {"error": {"message": message, "type": "invalid_request_error", "code": None}})

    def _send(self, status: int, value: dict[str, Any]) -> None:
        data = canonical_json(value).encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def complete(request: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the chat completion for a request in OpenAI's shape; the same request gives the same one.

    Raises KeyError, ValueError, TypeError, AttributeError or IndexError for what is no drafting request.
    """
    schema = request["response_format"]["json_schema"]["name"]
    content, refusal, read, written = _drafted(schema, request["messages"])
    return {
        "id": f"chatcmpl-{key[:24]}",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL_NAME,
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
            }
        ],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }


def respond(request: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the response for a request to the Responses API; the same request gives the same one.

    Raises as complete() does.
    """
    schema = request["text"]["format"]["name"]
    given = request["input"]
    rows = [{"role": "user", "content": given}] if isinstance(given, str) else given
    content, refusal, read, written = _drafted(schema, rows)
    part: dict[str, Any] = (
        {"type": "refusal", "refusal": refusal}
        if content is None
        else {"type": "output_text", "text": content, "annotations": [], "logprobs": []}
    )
    message = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "id": f"resp_{key[:24]}",
        "object": "response",
        "created_at": 0,
        "model": MODEL_NAME,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "metadata": request.get("metadata") or {},
        "parallel_tool_calls": False,
        "tool_choice": "none",
        "tools": [],
        "output": [{"id": f"msg_{key[:24]}", **message}],
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        },
    }


def _drafted(schema: str, messages: list[dict[str, Any]]) -> tuple[str | None, str | None, int, int]:
    """Return the answer or the refusal, and how many words were read and written."""
    texts = [_text(row["content"]) for row in messages]
    values = next(
        read_block(said) for row, said in zip(messages, texts, strict=True) if row["role"] == "user"
    )
    content: str | None = None
    refusal: str | None = None
    try:
        content = canonical_json(answer(schema, values))
    except TooFewFactsError as error:
        refusal = str(error)
    return content, refusal, sum(len(said.split()) for said in texts), len((content or "").split())


def _text(content: str | list[dict[str, Any]]) -> str:
    """Return the words of a message, in parts or not; rules see no pictures."""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] in ("text", "input_text"))


def main() -> None:
    """Serve until the parent process is gone or asks to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument(
        "--port-file", type=Path, required=True, help="JSON with base_url and token goes here"
    )
    parser.add_argument("--parent", type=int, required=True, help="end when this process is gone")
    options = parser.parse_args()
    ledger = Ledger(options.ledger)
    server = RuleServer(ledger, secrets.token_urlsafe(32))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then stops this one
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    _announce(options.port_file, {"base_url": server.base_url, "token": server.token})
    while not stop.is_set() and os.getppid() == options.parent:
        stop.wait(_PATIENCE_SECONDS)
    server.shutdown()
    ledger.close()


def _announce(path: Path, value: dict[str, str]) -> None:
    """Write the address and token where only this user can read them, whole or not at all."""
    part = path.with_suffix(f".{time.monotonic_ns()}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(canonical_json(value))
    part.rename(path)


if __name__ == "__main__":
    main()
