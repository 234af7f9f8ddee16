"""What only a real Label Studio can show: images, crashes in the middle, accounts, scripted annotators."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from curation.errors import PrerequisiteError, TransientError
from curation.ids import sha256_bytes
from curation.records import Annotation, KnowledgeItem, ReviewTask, VerdictState
from curation.reviewing import scripted
from curation.reviewing.accounts import annotator_account
from curation.reviewing.forms import parse
from curation.reviewing.interface import label_config, review_interface
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.markup import picture_path
from curation.reviewing.server import StudioServer
from curation.reviewing.verdicts import earlier_votes, resolve
from tests.contract.studio_hands import StudioHands
from tests.review_samples import PICTURES, SHAS, item, jpeg, task
from tests.unit.test_markup import HOSTILE

pytestmark = pytest.mark.label_studio


def read_image(sha256: str) -> bytes:
    return PICTURES[sha256]


@pytest.fixture
def title() -> str:
    return f"real {secrets.token_hex(6)}"


@pytest.fixture
def desk(studio: StudioServer, title: str) -> LabelStudioDesk:
    return LabelStudioDesk(studio.url, studio.token, studio.files, title)


@pytest.fixture
def hands(studio: StudioServer, desk: LabelStudioDesk) -> Iterator[StudioHands]:
    people = StudioHands(studio, desk)
    yield people
    people.close()


def test_pictures_are_served_with_a_login_only(
    studio: StudioServer, desk: LabelStudioDesk, hands: StudioHands
) -> None:
    desk.push([task(item())], read_image)
    path = picture_path(SHAS[0])
    inside = hands.session("ada@mmke.example").get(path)
    assert (inside.status_code, inside.content) == (200, PICTURES[SHAS[0]])
    assert httpx.get(studio.url + path, trust_env=False).status_code == 401
    assert hands.session("curator").get("/data/local-files/?d=../account.json").status_code != 200


def test_a_push_killed_after_its_post_creates_nothing_the_second_time(
    studio: StudioServer,
    desk: LabelStudioDesk,
    hands: StudioHands,
    title: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tasks = [task(item(f"itm-{number}")) for number in range(5)]
    real = desk._client.projects.import_tasks

    def answer_lost(**request: object) -> None:
        real(**request)
        raise httpx.ReadTimeout("the answer never came")

    monkeypatch.setattr(desk._client.projects, "import_tasks", answer_lost)
    with pytest.raises(TransientError):
        desk.push(tasks, read_image)
    report = LabelStudioDesk(studio.url, studio.token, studio.files, title).push(tasks, read_image)
    assert (report.created, len(report.existing)) == ((), 5)
    assert len(hands.tasks()) == 5


def test_a_changed_interface_gets_a_project_of_its_own(
    studio: StudioServer, desk: LabelStudioDesk, title: str
) -> None:
    desk.push([task(item())], read_image)
    again = LabelStudioDesk(studio.url, studio.token, studio.files, title)
    assert again.project_id == desk.project_id
    other = replace(review_interface(), config=label_config() + "<!-- another -->")
    changed = LabelStudioDesk(studio.url, studio.token, studio.files, title, interface=other)
    assert changed.project_id != desk.project_id
    assert changed.push([task(item())], read_image).created == (item().task_key,)


def test_a_refused_token_is_a_prerequisite_and_is_not_quoted(studio: StudioServer, title: str) -> None:
    wrong = "f" * 40
    with pytest.raises(PrerequisiteError, match="refuses the token") as caught:
        list(LabelStudioDesk(studio.url, wrong, studio.files, title).pull(None))
    assert wrong not in str(caught.value)


def test_pictures_that_the_server_cannot_see_are_a_prerequisite(
    studio: StudioServer, title: str, tmp_path: Path
) -> None:
    desk = LabelStudioDesk(studio.url, studio.token, tmp_path, title)
    with pytest.raises(PrerequisiteError, match="LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT"):
        desk.push([task(item())], read_image)


def test_a_picture_that_is_served_otherwise_than_it_was_written_is_noticed(
    studio: StudioServer, title: str
) -> None:
    data = jpeg(10) + secrets.token_bytes(8)
    unseen = item().images[0].model_copy(update={"sha256": sha256_bytes(data)})
    desk = LabelStudioDesk(studio.url, studio.token, studio.files / "images", title)
    with pytest.raises(PrerequisiteError, match="does not serve"):
        desk.push([task(item(images=(unseen,)))], lambda _: data)


def test_an_account_is_made_once_and_nobody_signs_up_without_the_link(studio: StudioServer) -> None:
    first = annotator_account(studio.url, studio.token, "dora@mmke.example")
    assert annotator_account(studio.url, studio.token, "dora@mmke.example") == first
    assert first.token not in repr(first)
    with httpx.Client(base_url=studio.url, trust_env=False) as session:
        session.get("/user/signup/")
        form = {
            "email": "eve@x.org",
            "password": "long enough 1",
            "csrfmiddlewaretoken": session.cookies["csrftoken"],
        }
        assert session.post("/user/signup/", data=form).status_code == 403


def test_the_content_security_policy_is_enforced(studio: StudioServer) -> None:
    answer = httpx.get(f"{studio.url}/user/login/", trust_env=False)
    assert "script-src" in answer.headers["content-security-policy"]


def test_hostile_texts_go_in_and_come_back_as_texts(desk: LabelStudioDesk, hands: StudioHands) -> None:
    tasks = [task(item(f"itm-{n}", original_text=text, subject_name=text)) for n, text in enumerate(HOSTILE)]
    desk.push(tasks, read_image)
    stored = {entry["data"]["item_id"]: entry["data"] for entry in hands.tasks()}
    assert [stored[f"itm-{n}"]["original"] for n in range(len(HOSTILE))] == list(HOSTILE)
    assert all("<script" not in data["head_html"] for data in stored.values())


def votes(*desks: LabelStudioDesk) -> list[Annotation]:
    read = [parse(raw, "0" * 64) for desk in desks for raw in desk.pull(None)]
    return [vote for vote in read if isinstance(vote, Annotation)]


def test_scripted_people_vote_once_and_a_dispute_is_decided(
    studio: StudioServer, desk: LabelStudioDesk, hands: StudioHands, title: str
) -> None:
    wanted = ("both approve", "fixed", "both reject", "ada rejects", "two fixes")
    items = [
        next(item(f"i-{n}") for n in range(2_000) if scripted._plan(f"i-{n}") == plan) for plan in wanted
    ]
    desk.push([task(entry) for entry in items], read_image)
    scripted._work(studio.url, studio.token, desk.project_id, scripted.ADA)
    reports = scripted.review(studio.url, studio.token, desk.project_id)
    assert [(report.made, report.already) for report in reports] == [(0, 5), (5, 0)]
    states = [verdict.state for entry in items if (verdict := resolve(entry, votes(desk)))]
    assert states == [
        VerdictState.APPROVED,
        VerdictState.FIXED,
        VerdictState.REJECTED,
        VerdictState.DISPUTED,
        VerdictState.DISPUTED,
    ]
    judge = LabelStudioDesk(studio.url, studio.token, studio.files, title, queue="adjudication", overlap=1)
    judge.push([disputed(entry, votes(desk)) for entry in items[3:]], read_image)
    assert scripted.adjudicate(studio.url, studio.token, judge.project_id)[0].made == 2
    decided = [resolve(entry, votes(desk, judge)) for entry in items[3:]]
    assert all(verdict and verdict.state is not VerdictState.DISPUTED for verdict in decided)


def disputed(entry: KnowledgeItem, cast: list[Annotation]) -> ReviewTask:
    return task(entry, "adjudication", earlier_votes(entry, cast))


def test_a_vote_sent_twice_counts_once(
    studio: StudioServer, desk: LabelStudioDesk, hands: StudioHands
) -> None:
    desk.push([task(item())], read_image)
    session = hands.session(scripted.ADA)
    body = scripted._body(hands.tasks()[0], scripted.ADA)
    path = f"/api/tasks/{hands.task_id(item().task_key)}/annotations/"
    assert [session.post(path, json=body).status_code for _ in range(2)] == [201, 409]
    assert len(votes(desk)) == 1
