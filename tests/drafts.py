"""Subjects, pictures and small endpoints that the drafting tests are written with."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from curation.drafting.llm import AnswerNote, LlmRequest, LlmResponse, read_response
from curation.drafting.mining.lexicon import hop_answer, table
from curation.drafting.rules.server import complete
from curation.drafting.steps.asking import DraftSettings
from curation.drafting.steps.outside_texts import OutsideText
from curation.drafting.steps.prompting import Value, load_prompt, render
from curation.drafting.steps.schemas import schema_named
from curation.ids import canonical_json, sha256_bytes
from curation.records import EditType, ImageAsset, ImageOrigin, Subject
from tests.samples import SOURCE, picture

RULES = DraftSettings("rule-drafter/1", "rules", is_llm=False)
PETRA = "Petra is an ancient city in southern Jordan. It is carved from pink sandstone."
TEXTS = {
    "Petra": ("building", "temple", PETRA),
    "Taj Mahal": (
        "building",
        "temple",
        "The Taj Mahal is a marble mausoleum in Agra, India. It was commissioned in 1631 by the emperor.",
    ),
    "Impressionism": ("art_style", "art style", "Impressionism was a 19th-century art movement."),
    "Cubism": ("art_style", "art style", "Cubism is an art movement which began in Paris."),
    "Koala": ("terrestrial_animals", "mammal", "The koala is a herbivorous marsupial native to Australia."),
    "Tiger": (
        "terrestrial_animals",
        "mammal",
        "The tiger is a large cat native to Asia. It has black stripes.",
    ),
    "Hammer": ("item", "tool", "A hammer is a tool with a heavy head."),
    "Cat": ("pet", "pet", "The cat is a small domesticated carnivorous mammal. It eats meat."),
}
TYPES = {"art_style": EditType.VISUAL_SEMANTIC, "item": EditType.USER_SPECIFIC, "pet": EditType.USER_SPECIFIC}


def subject(name: str, text: str | None = None) -> Subject:
    category, fine_type, known = TEXTS[name]
    return Subject(
        subject_id=name.lower().replace(" ", "-"),
        name=name,
        edit_type=TYPES.get(category, EditType.VISUAL_ENTITY),
        category=category,
        fine_type=fine_type,
        source_text=text or known,
        text_source=SOURCE,
    )


class Hops:
    """Texts about all values that the rules know an outside fact of; each tells those facts in a sentence."""

    def about(self, name: str) -> OutsideText | None:
        known = ("capital", "country_of_city", "nationality", *table("hops"))
        facts = [answer for hop in known if (answer := hop_answer(hop, name)) is not None]
        if not facts:
            return None
        text = " ".join(f"It is known for {fact}." for fact in facts)
        return OutsideText(text, SOURCE.model_copy(update={"title": name}))


class Pictures:
    """Kept pictures and a content store in memory."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.assets: list[ImageAsset] = []

    def save(self, data: bytes) -> str:
        sha256 = sha256_bytes(data)
        self.blobs[sha256] = data
        return sha256

    def read(self, sha256: str) -> bytes:
        return self.blobs[sha256]

    def add(
        self,
        subject_id: str,
        count: int = 2,
        origin: ImageOrigin = ImageOrigin.PHOTOGRAPH,
        licence: str = "CC0-1.0",
    ) -> None:
        for _ in range(count):
            number = len(self.assets)
            sha256 = self.save(picture(number * 37))
            self.assets.append(
                ImageAsset(
                    image_id=f"img-{subject_id}-{number}",
                    subject_id=subject_id,
                    source="test",
                    locator="x",
                    sha256=sha256,
                    derivative_sha256=sha256,
                    width=96,
                    height=96,
                    byte_size=1,
                    media_type="image/jpeg",
                    licence=licence,
                    author="A",
                    attribution=f"by {subject_id}",
                    source_page="https://example.org",
                    origin=origin,
                    parent=None,
                    retrieved_at="2026-01-01T00:00:00Z",
                )
            )


class Store:
    """A response store in memory."""

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.notes: dict[str, AnswerNote] = {}
        self.marks: dict[str, Decimal | None] = {}

    def get(self, request_sha256: str) -> bytes | None:
        return self.answers.get(request_sha256)

    async def put(self, request_sha256: str, data: bytes, note: AnswerNote) -> None:
        self.answers[request_sha256] = data
        self.notes[request_sha256] = note

    def note(self, request_sha256: str) -> AnswerNote | None:
        return self.notes.get(request_sha256)

    async def mark_sent(self, request_sha256: str, worst: Decimal | None = None) -> None:
        self.marks[request_sha256] = worst

    async def unmark_sent(self, request_sha256: str) -> None:
        self.marks.pop(request_sha256)

    def sent(self, request_sha256: str) -> bool:
        return request_sha256 in self.marks


def body(content: str | None, finish: str = "stop", refusal: str | None = None) -> dict[str, Any]:
    """Return a chat completion as an endpoint sends it."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "test-model",
        "choices": [{"index": 0, "finish_reason": finish, "message": message}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8},
    }


class FakeModel:
    """The Endpoint port in memory: scripted answers first, then the rules; keeps what it was asked."""

    def __init__(self, *script: dict[str, Any]) -> None:
        self.script = list(script)
        self.asked: list[LlmRequest] = []
        self.stored: dict[str, LlmResponse] = {}

    async def complete(self, request: LlmRequest) -> LlmResponse:
        self.asked.append(request)
        sent = {
            "messages": [{"role": message.role, "content": message.text} for message in request.messages],
            "response_format": {"json_schema": {"name": request.schema_name}},
        }
        answer = self.script.pop(0) if self.script else complete(sent, request.request_sha256)
        self.stored[request.request_sha256] = read_response(canonical_json(answer))
        return self.stored[request.request_sha256]

    async def recover(self, request: LlmRequest) -> LlmResponse | None:
        return self.stored.get(request.request_sha256)


def request(text: str = PETRA, draw: int = 0) -> LlmRequest:
    """Return a request for original knowledge about Petra."""
    prompt = load_prompt("original_knowledge")
    values: dict[str, Value] = {
        "name": "Petra",
        "fine_type": "temple",
        "category": "building",
        "source_title": "Petra",
        "source_text": text,
        "revision": [],
    }
    return LlmRequest(
        prompt_id=prompt.prompt_id,
        prompt_sha256=prompt.sha256,
        messages=render(prompt, values),
        model="rule-drafter/1",
        parameters={"temperature": 0.0},
        schema_name=prompt.schema_name,
        schema=schema_named(prompt.schema_name).model_json_schema(),
        draw=draw,
    )


class ScriptedServer(ThreadingHTTPServer):
    """An HTTP endpoint on loopback that gives scripted answers in turn and keeps the requests' bodies."""

    def __init__(self, script: list[tuple[int, Any]]) -> None:
        super().__init__(("127.0.0.1", 0), _Scripted)
        self.script = script
        self.bodies: list[dict[str, Any]] = []

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Scripted(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(sent))
        status, answer = self.server.script.pop(0)
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep quiet."""


@contextmanager
def scripted(*script: tuple[int, Any]) -> Iterator[ScriptedServer]:
    """Serve a script on loopback for as long as a block runs."""
    server = ScriptedServer(list(script))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
