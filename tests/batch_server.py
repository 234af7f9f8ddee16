"""The scripted endpoint of the tests with files and batches, in the shapes of OpenAI's API."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.llm_replies import Asked, Reply, Script, body_of
from tests.llm_server import LlmServer, Manners

Lines = Callable[[list[bytes]], list[bytes]]


@dataclass(frozen=True)
class Plan:
    """How one batch goes.

    polls: how often it is asked about before it is over. before: its status until then. status: its last
    word. done: how many of its requests are executed before it expires or is cancelled, None for all. errors:
    what validation finds (then it has failed). hidden: for how many more polls the output file is missing.
    missing_file: how often a file that is named cannot be fetched. output, failures: change the lines of the
    two files. cut: bytes of the output that are sent the first time, without a word that there were more.
    """

    polls: int = 1
    before: str = "in_progress"
    status: str = "completed"
    done: int | None = None
    errors: tuple[Mapping[str, Any], ...] = ()
    hidden: int = 0
    missing_file: int = 0
    output: Lines = list
    failures: Lines = list
    cut: int | None = None


def said(asked: Asked) -> Reply:
    """Answer by the question."""
    return Reply(json.dumps({"answer": f"You ask: {asked.texts[-1][1]}"}))


@dataclass
class _Batch:
    row: dict[str, Any]
    plan: Plan
    asked: int = 0
    over: bool = False
    files: dict[str, bytes] = field(default_factory=dict)


class BatchServer(LlmServer):
    """Use as a context manager.

    plans: how the batches go, in turn, the last for all that follow. break_after: names of calls ('upload',
    'create', 'list', 'retrieve', 'content') that are carried out but whose answer never comes, and how often;
    refuse: calls that are answered with a status and a code instead. calls: how often each was made.
    batches: every batch that was made, by id. uploads: the input files. keys: authorization headers.
    """

    def __init__(
        self, script: Script = said, *, plans: tuple[Plan, ...] = (Plan(),), manners: Manners | None = None
    ) -> None:
        """Remember how to answer."""
        super().__init__(script, manners)
        self.plans = list(plans)
        self.calls: Counter[str] = Counter()
        self.batches: dict[str, _Batch] = {}
        self.uploads: dict[str, bytes] = {}
        self.names: list[str] = []
        self.break_after: Counter[str] = Counter()
        self.refuse: dict[str, list[tuple[int, str]]] = {}
        self.retry_after = ""
        self.page = 4
        self.others: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self._files: dict[str, tuple[_Batch, str]] = {}

    @property
    def wanted(self) -> Counter[str]:
        """Return how often each request was put into a batch that was made."""
        return Counter(
            json.loads(line)["custom_id"]
            for batch in self.batches.values()
            for line in self.uploads[batch.row["input_file_id"]].splitlines()
        )

    def add_routes(self, app: web.Application) -> None:
        """Add files and batches to the addresses."""
        super().add_routes(app)
        app.router.add_post("/v1/files", self._call("upload", self._upload))
        app.router.add_get("/v1/files/{id}/content", self._call("content", self._content))
        app.router.add_post("/v1/batches", self._call("create", self._create))
        app.router.add_get("/v1/batches", self._call("list", self._list))
        app.router.add_get("/v1/batches/{id}", self._call("retrieve", self._retrieve))

    def _call(self, name: str, answer: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
        async def called(request: web.Request) -> web.StreamResponse:
            self.calls[name] += 1
            self.keys.add(request.headers.get("authorization", ""))
            if self.refuse.get(name):
                status, code = self.refuse[name].pop(0)
                words = f"{code}: {request.headers.get('authorization', '')}"
                away = {"Retry-After": self.retry_after} if self.retry_after else {}
                refusal = {"error": {"message": words, "code": code}}
                return web.json_response(refusal, status=status, headers=away)
            response: web.StreamResponse = await answer(request)
            if self.break_after[name] > 0 and request.transport is not None:
                self.break_after[name] -= 1
                request.transport.close()
            return response

        return called

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert form["purpose"] == "batch"
        assert isinstance(file, web.FileField)
        name = f"file-{len(self.uploads) + 1}"
        self.uploads[name] = file.file.read()
        self.names.append(file.filename)
        row = {"id": name, "object": "file", "bytes": len(self.uploads[name]), "created_at": 1}
        return web.json_response(row | {"filename": file.filename, "purpose": "batch", "status": "processed"})

    async def _create(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["completion_window"] == "24h"
        number = len(self.batches) + 1
        plan = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        row = {
            "id": f"batch_{number}",
            "object": "batch",
            "endpoint": body["endpoint"],
            "errors": None,
            "input_file_id": body["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": number,
            "metadata": body.get("metadata"),
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        self.batches[row["id"]] = _Batch(row, plan)
        return web.json_response(row)

    async def _list(self, request: web.Request) -> web.Response:
        rows = [*self.others, *(batch.row for batch in reversed(self.batches.values()))]
        after = request.query.get("after")
        start = max((n + 1 for n, row in enumerate(rows) if row["id"] == after), default=0)
        page = rows[start : start + self.page]
        return web.json_response({"object": "list", "data": page, "has_more": start + self.page < len(rows)})

    async def _retrieve(self, request: web.Request) -> web.Response:
        batch = self.batches.get(request.match_info["id"])
        if batch is None:
            return web.json_response({"error": {"message": "no such batch", "code": None}}, status=404)
        batch.asked += 1
        if not batch.over:
            batch.row["status"] = batch.plan.before
        if batch.asked > batch.plan.polls and not batch.over:
            self._execute(batch)
        if batch.over and batch.asked > batch.plan.polls + batch.plan.hidden:
            for kind in batch.files:
                batch.row[f"{kind}_file_id"] = f"file-{batch.row['id']}-{kind}"
        return web.json_response(batch.row)

    def _execute(self, batch: _Batch) -> None:
        """Run the lines of a batch, each as an online request of its own would have run."""
        batch.over, plan = True, batch.plan
        found = self._faults(self.uploads[batch.row["input_file_id"]], batch.row["endpoint"])
        if plan.errors or found:
            batch.row |= {"status": "failed", "errors": {"object": "list", "data": [*plan.errors, *found]}}
            return
        lines = [json.loads(line) for line in self.uploads[batch.row["input_file_id"]].splitlines()]
        done = len(lines) if plan.done is None else plan.done
        output = [self._executed(line) for line in lines[:done]]
        good = [line for line in output if line["response"]["status_code"] == 200]
        code = f"batch_{plan.status}"
        bad = [line for line in output if line["response"]["status_code"] != 200]
        bad += [
            {
                "id": "b",
                "custom_id": line["custom_id"],
                "response": None,
                "error": {"code": code, "message": ""},
            }
            for line in lines[done:]
        ]
        counts = {"total": len(lines), "completed": len(good), "failed": len(bad)}
        batch.row |= {"status": plan.status, "request_counts": counts}
        for kind, rows, change in (("output", good, plan.output), ("error", bad, plan.failures)):
            data = change([json.dumps(row).encode() for row in reversed(rows)])
            if data:
                batch.files[kind] = b"".join(line + b"\n" for line in data)

    def _executed(self, line: dict[str, Any]) -> dict[str, Any]:
        api = "responses" if line["url"].endswith("responses") else "chat"
        asked, reply = self.work(api, line["body"], {"x-client-request-id": line["custom_id"]})
        answer = {"status_code": reply.status, "request_id": "r", "body": body_of(asked, reply)}
        return {"id": "batch_req_1", "custom_id": line["custom_id"], "response": answer, "error": None}

    def _faults(self, data: bytes, endpoint: str) -> list[dict[str, Any]]:
        """Return what the validation of an input file finds, as the API does."""
        rows = [json.loads(line) for line in data.splitlines()]
        faults: list[dict[str, Any]] = []
        seen: set[str] = set()
        for number, row in enumerate(rows, start=1):
            if row["custom_id"] in seen:
                faults.append({"code": "duplicate_custom_id", "line": number, "message": ""})
            if row["url"] != endpoint or row["method"] != "POST":
                faults.append({"code": "url_mismatch", "line": number, "message": ""})
            if row["body"]["model"] != rows[0]["body"]["model"]:
                faults.append({"code": "model_mismatch", "line": number, "message": ""})
            seen.add(row["custom_id"])
        return faults or ([{"code": "empty_file", "line": None, "message": ""}] if not rows else [])

    async def _content(self, request: web.Request) -> web.Response:
        _, batch_id, kind = request.match_info["id"].split("-")
        batch = self.batches[batch_id]
        if self.calls["content"] <= batch.plan.missing_file:
            return web.json_response({"error": {"message": "no such file", "code": None}}, status=404)
        data = batch.files[kind]
        if kind == "output" and batch.plan.cut is not None and self.calls["content"] == 1:
            data = data[: batch.plan.cut]
        return web.Response(body=data, content_type="application/octet-stream")
