"""Pairs of pictures on a real Label Studio: pushed once, shown side by side, answered, pulled."""

from __future__ import annotations

import secrets

import httpx
import pytest

from curation.reviewing.accounts import annotator_account
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.markup import picture_path
from curation.reviewing.pairs import QUEUE, PairTask, PairVote, pair_interface, parse_pair
from curation.reviewing.server import StudioServer
from tests.unit.galleries import asset
from tests.unit.test_markup import HOSTILE

pytestmark = pytest.mark.label_studio
ADA = "ada@mmke.example"


def test_a_pair_is_pushed_once_seen_answered_and_pulled(studio: StudioServer) -> None:
    shelf: dict[str, bytes] = {}
    pictures = [asset(f"img-{name}", shelf, author=HOSTILE[0]) for name in "abc"]
    tasks = [
        PairTask(
            first=pictures[number],
            second=pictures[number + 1],
            subjects=("Petra", HOSTILE[1]),
            transform="mirrored left to right",
            reason=HOSTILE[2],
            measures=(("structure", "0.91"),),
        )
        for number in range(2)
    ]
    desk = LabelStudioDesk(
        studio.url,
        studio.token,
        studio.files,
        f"pairs {secrets.token_hex(6)}",
        queue=QUEUE,
        overlap=1,
        interface=pair_interface(),
    )
    keys = tuple(task.task_key for task in tasks)
    assert desk.push(tasks[:1], shelf.__getitem__).created == keys[:1]
    again = desk.push(tasks, shelf.__getitem__)
    assert (again.created, again.existing, again.superseded) == (keys[1:], keys[:1], ())
    token = annotator_account(studio.url, studio.token, ADA).token
    with httpx.Client(
        base_url=studio.url, headers={"Authorization": f"Token {token}"}, timeout=60, trust_env=False
    ) as ada:
        shown = ada.get(f"/api/projects/{desk.project_id}/next").json()
        served = ada.get(picture_path(pictures[0].derivative_sha256))
        answer = {"from_name": "answer", "to_name": "pair", "type": "choices", "value": {"choices": ["same"]}}
        body = {"result": [answer], "lead_time": 2.0}
        assert ada.post(f"/api/tasks/{shown['id']}/annotations/", json=body).status_code == 201
        assert ada.get(f"/api/projects/{desk.project_id}/next").json()["id"] != shown["id"], (
            "one vote is enough"
        )
    assert served.content == shelf[pictures[0].derivative_sha256]
    assert not shown["predictions"]
    assert "<img src=x" not in shown["data"]["pair_html"]
    (vote,) = [parse_pair(raw, "0" * 64) for raw in desk.pull(None)]
    assert isinstance(vote, PairVote)
    assert (vote.answer, vote.annotator, vote.task_key) == ("same", ADA, shown["data"]["task_key"])
