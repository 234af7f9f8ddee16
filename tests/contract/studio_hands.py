"""The hands of annotators at a real Label Studio: what a browser does, over the same HTTP API."""

from __future__ import annotations

from typing import Any

import httpx

from curation.reviewing.accounts import annotator_account
from curation.reviewing.forms import Form, to_result
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.server import StudioServer


class StudioHands:
    """Annotators with accounts of their own, working on the project of a desk."""

    def __init__(self, server: StudioServer, desk: LabelStudioDesk) -> None:
        self._server = server
        self._desk = desk
        self._sessions: dict[str, httpx.Client] = {}
        self._owners: dict[str, str] = {}

    def offered(self, annotator: str) -> set[str]:
        """Return the keys of the tasks that this annotator is not yet kept from (the next one only)."""
        answer = self.session(annotator).get(f"/api/projects/{self._desk.project_id}/next")
        return {str(answer.json()["data"]["task_key"])} if answer.status_code == 200 else set()

    def submit(self, task_key: str, annotator: str, form: Form | None) -> str:
        """Let an annotator vote (None: skip); returns the annotation id."""
        body: dict[str, Any] = {"result": to_result(form) if form else [], "lead_time": 1.5}
        path = f"/api/tasks/{self.task_id(task_key)}/annotations/"
        answer = self.session(annotator).post(path, json=body | {"was_cancelled": form is None})
        assert answer.status_code == 201, answer.text
        self._owners[str(answer.json()["id"])] = annotator
        return str(answer.json()["id"])

    def edit(self, annotation_id: str, form: Form) -> None:
        """Let the annotator change a vote."""
        session = self.session(self._owners[annotation_id])
        answer = session.patch(f"/api/annotations/{annotation_id}/", json={"result": to_result(form)})
        assert answer.status_code == 200, answer.text

    def delete(self, annotation_id: str) -> None:
        """Let the annotator take a vote back."""
        session = self.session(self._owners[annotation_id])
        assert session.delete(f"/api/annotations/{annotation_id}/").status_code == 204

    def tasks(self) -> list[dict[str, Any]]:
        """Return the project's tasks as the server has them."""
        query = {"project": self._desk.project_id, "page_size": 1000}
        return list(self.session("curator").get("/api/tasks", params=query).json()["tasks"])

    def task_id(self, task_key: str) -> int:
        """Return the server's id of a task."""
        return int(next(task["id"] for task in self.tasks() if task["data"]["task_key"] == task_key))

    def session(self, annotator: str) -> httpx.Client:
        """Return an HTTP session with the annotator's own token; "curator" is the owner."""
        if annotator not in self._sessions:
            token = self._server.token
            if annotator != "curator":
                token = annotator_account(self._server.url, token, annotator).token
            headers = {"Authorization": f"Token {token}"}
            self._sessions[annotator] = httpx.Client(
                base_url=self._server.url, headers=headers, timeout=60, trust_env=False
            )
        return self._sessions[annotator]

    def close(self) -> None:
        """Close the sessions."""
        for session in self._sessions.values():
            session.close()
