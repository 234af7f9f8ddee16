"""The demo's scripted annotators: accounts of their own, working through Label Studio's HTTP API."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import stamina

from curation.errors import PrerequisiteError, TransientError
from curation.ids import sha256_json
from curation.records import ProbeVote
from curation.reviewing.accounts import annotator_account
from curation.reviewing.forms import Form, to_result

ADA = "scripted-ada@mmke.example"
BEN = "scripted-ben@mmke.example"
CLEO = "scripted-cleo@mmke.example"

# shares of items, in the order of _plan: what is left is approved by both
_FIXED = 0.08
_BOTH_REJECT = 0.05
_DISAGREE = 0.07
_CLEO_REJECTS = 0.3

_PAGE = 100
_SECONDS = 120
_NAMESPACE = uuid.UUID("6f1b7f7e-2f0c-5a52-9b7c-6d6d6b650001")


@dataclass(frozen=True)
class ScriptReport:
    """How many annotations a scripted annotator made in this run, and how many were there already."""

    annotator: str
    made: int
    already: int


def review(url: str, owner_token: str, project_id: int) -> tuple[ScriptReport, ...]:
    """Let Ada (thorough) and Ben (quick) vote on every open task of the review queue.

    Deterministic in (annotator, item). A run that was killed is continued: a vote has a unique id made
    of annotator and task, and Label Studio refuses the second.
    Raises PrerequisiteError (refused) and TransientError (the server went away).
    """
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = [pool.submit(_work, url, owner_token, project_id, email) for email in (ADA, BEN)]
        return tuple(job.result() for job in jobs)


def adjudicate(url: str, owner_token: str, project_id: int) -> tuple[ScriptReport, ...]:
    """Let Cleo decide every open task of the adjudication queue; see review."""
    return (_work(url, owner_token, project_id, CLEO),)


def _work(url: str, owner_token: str, project_id: int, email: str) -> ScriptReport:
    account = annotator_account(url, owner_token, email)
    headers = {"Authorization": f"Token {account.token}"}
    made = already = 0
    with httpx.Client(base_url=url, headers=headers, timeout=_SECONDS, trust_env=False) as session:
        me = int(_call(session, "GET", "/api/current-user/whoami").json()["id"])
        for task in list(_open_tasks(session, project_id)):
            if any(_author(annotation) == me for annotation in task["annotations"]):
                already += 1
                continue
            answer = _call(session, "POST", f"/api/tasks/{task['id']}/annotations/", _body(task, email))
            made += answer.status_code == 201
            already += answer.status_code == 409
    return ScriptReport(email, made, already)


def _body(task: dict[str, Any], email: str) -> dict[str, Any]:
    data = task["data"]
    return {
        "result": to_result(PERSONAS[email](data)),
        "lead_time": round(8 + 40 * _unit(email, data["item_id"], "time"), 1),
        "unique_id": str(uuid.uuid5(_NAMESPACE, f"{data['queue']} {data['task_key']} {email}")),
    }


def _open_tasks(session: httpx.Client, project_id: int) -> Iterator[dict[str, Any]]:
    """Yield the project's tasks page by page, without those taken out of the queue (overlap 0)."""
    page, seen = 1, 0
    while True:
        query = {"project": project_id, "fields": "all", "page": page, "page_size": _PAGE}
        answer = _call(session, "GET", "/api/tasks", params=query).json()
        yield from (task for task in answer["tasks"] if task["overlap"])
        page, seen = page + 1, seen + len(answer["tasks"])
        if not answer["tasks"] or seen >= answer["total"]:
            return


def _author(annotation: dict[str, Any]) -> int:
    return int(annotation["completed_by"])


def _call(
    session: httpx.Client,
    method: str,
    path: str,
    body: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
) -> httpx.Response:
    """Send a request, again if the server stumbles: a repeated vote meets its own unique id (409)."""
    try:
        for attempt in stamina.retry_context(on=httpx.HTTPError, attempts=4, timeout=120):
            with attempt:
                answer = session.request(method, path, json=body, params=params)
                if answer.status_code >= 500:
                    answer.raise_for_status()
    except httpx.HTTPError as error:
        raise TransientError("Label Studio does not answer: start it and repeat the command") from error
    if answer.status_code not in (200, 201, 409):
        raise PrerequisiteError(
            f"Label Studio refuses a scripted annotator (answer {answer.status_code}): remove its account"
        )
    return answer


def _ada(data: dict[str, Any]) -> Form:
    """Return the vote of the thorough one, who finds what is wrong and repairs what she can."""
    plan = _plan(data["item_id"])
    if plan in ("both reject", "ada rejects"):
        return _rejection(data, "not counterfactual", "The right text does not hold together.")
    if plan in ("fixed", "two fixes"):
        return _repair(data, ", in a few words?")
    return _approval(data)


def _ben(data: dict[str, Any]) -> Form:
    """Return the vote of the quick one, who mostly approves."""
    plan = _plan(data["item_id"])
    if plan in ("both reject", "ben rejects"):
        return _rejection(data, "ambiguous", "")
    if plan == "two fixes":
        return _repair(data, ", in one or two words?")
    return _approval(data)


def _cleo(data: dict[str, Any]) -> Form:
    """Return the vote of the adjudicator."""
    if _unit(CLEO, data["item_id"]) < _CLEO_REJECTS:
        return _rejection(data, "ambiguous", "The objection stands.")
    return _approval(data)


def _plan(item_id: str) -> str:
    """Return what happens to an item: the same for all annotators, so that they can agree or not."""
    place = _unit("plan", item_id)
    if place < _FIXED:
        return "fixed"
    if place < _FIXED + _BOTH_REJECT:
        return "both reject"
    if place < _FIXED + _BOTH_REJECT + _DISAGREE:
        variants = ("ada rejects", "ben rejects", "two fixes")
        return variants[int(_unit("variant", item_id) * len(variants))]
    return "both approve"


def _unit(*parts: str) -> float:
    """Return a number in [0, 1) that depends on every part."""
    return int(sha256_json(list(parts))[:12], 16) / 16**12


def _votes(probe_ids: Sequence[str]) -> tuple[ProbeVote, ...]:
    return tuple(ProbeVote(probe_id=probe_id, verdict="ok") for probe_id in probe_ids)


def _approval(data: dict[str, Any]) -> Form:
    return Form("approve", _votes(data["probe_ids"]))


def _rejection(data: dict[str, Any], reason: str, comment: str) -> Form:
    probes = _votes(data["probe_ids"])
    return Form("reject", probes, edited="wrong", reasons=(reason,), comment=comment)


def _repair(data: dict[str, Any], ending: str) -> Form:
    """Return an approval in which one question says how long an answer is wanted."""
    probes = list(_votes(data["probe_ids"]))
    place = int(_unit("repaired", data["item_id"]) * len(probes))
    question = str(data["questions"][place]["question"]).rstrip(" ?.") + ending
    probes[place] = ProbeVote(probe_id=probes[place].probe_id, verdict="fix", question=question)
    return Form("approve", tuple(probes))


PERSONAS: dict[str, Callable[[dict[str, Any]], Form]] = {ADA: _ada, BEN: _ben, CLEO: _cleo}
"""How each scripted annotator fills in the form of a task's data, by e-mail address."""
