"""The contract of an annotation desk, kept by the one in memory and by a real Label Studio."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

from curation.errors import IntegrityError
from curation.records import Annotation, ProbeVote
from curation.reviewing.desk import AnnotationDesk, RawAnnotation
from curation.reviewing.forms import Form, parse
from curation.reviewing.label_studio import LabelStudioDesk
from curation.reviewing.server import StudioServer
from tests.contract.memory_desk import MemoryDesk
from tests.contract.studio_hands import StudioHands
from tests.review_samples import PICTURES, PROBES, item, task

ADA, BEN = "ada@mmke.example", "ben@mmke.example"
OK = tuple(ProbeVote(probe_id=probe.probe_id, verdict="ok") for probe in PROBES)
APPROVE = Form("approve", OK)
REJECT = Form("reject", OK, reasons=("ambiguous",), comment="<script>alert(1)</script> é 漢")


class Hands(Protocol):
    """What annotators do."""

    def offered(self, annotator: str) -> set[str]: ...
    def submit(self, task_key: str, annotator: str, form: Form | None) -> str: ...
    def edit(self, annotation_id: str, form: Form) -> None: ...
    def delete(self, annotation_id: str) -> None: ...


@dataclass
class World:
    """A desk and the people at it."""

    desk: AnnotationDesk
    hands: Hands

    def votes(self, since: str | None = None) -> dict[str, Annotation]:
        """Return the votes of a pull by annotation id; every one must parse."""
        pulled = [(raw, parse(raw, "0" * 64)) for raw in self.desk.pull(since)]
        return {raw.annotation_id: vote for raw, vote in pulled if isinstance(vote, Annotation)}


@pytest.fixture(params=["memory", pytest.param("label_studio", marks=pytest.mark.label_studio)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        memory = MemoryDesk()
        yield World(memory, memory)
        return
    server: StudioServer = request.getfixturevalue("studio")
    desk = LabelStudioDesk(server.url, server.token, server.files, f"contract {secrets.token_hex(6)}")
    hands = StudioHands(server, desk)
    yield World(desk, hands)
    hands.close()


def read_image(sha256: str) -> bytes:
    return PICTURES[sha256]


def pushed(world: World, *names: str) -> list[Any]:
    tasks = [task(item(name)) for name in names]
    world.desk.push(tasks, read_image)
    return tasks


def test_pushing_again_creates_nothing(world: World) -> None:
    tasks = [task(item(f"itm-{number}")) for number in range(3)]
    keys = tuple(entry.task_key for entry in tasks)
    first = world.desk.push(tasks[:2], read_image)
    second = world.desk.push(tasks, read_image)
    assert (first.created, first.existing) == (keys[:2], ())
    assert (second.created, second.existing, second.superseded) == (keys[2:], keys[:2], ())


def test_two_annotators_votes_come_back_under_their_names(world: World) -> None:
    (one,) = pushed(world, "itm-1")
    world.hands.submit(one.task_key, ADA, APPROVE)
    world.hands.submit(one.task_key, BEN, REJECT)
    votes = {vote.annotator: vote for vote in world.votes().values()}
    assert {name: vote.decision for name, vote in votes.items()} == {ADA: "approve", BEN: "reject"}
    assert votes[BEN].comment == REJECT.comment
    assert {vote.task_key for vote in votes.values()} == {one.task_key}


def test_an_overlap_of_two_offers_a_task_to_two(world: World) -> None:
    (one,) = pushed(world, "itm-1")
    world.hands.submit(one.task_key, ADA, APPROVE)
    assert world.hands.offered(ADA) == set()
    assert world.hands.offered(BEN) == {one.task_key}
    world.hands.submit(one.task_key, BEN, APPROVE)
    assert world.hands.offered("cleo@mmke.example") == set()


def test_an_edited_vote_keeps_its_id_and_gets_a_later_time(world: World) -> None:
    (one,) = pushed(world, "itm-1")
    number = world.hands.submit(one.task_key, ADA, APPROVE)
    before = world.votes()[number]
    world.hands.edit(number, REJECT)
    after = world.votes()[number]
    assert (before.decision, after.decision) == ("approve", "reject")
    assert after.updated_at > before.updated_at


def test_a_deleted_vote_is_not_in_the_next_full_pull(world: World) -> None:
    (one,) = pushed(world, "itm-1")
    gone = world.hands.submit(one.task_key, ADA, APPROVE)
    kept = world.hands.submit(one.task_key, BEN, APPROVE)
    world.hands.delete(gone)
    assert set(world.votes()) == {kept}


def test_a_skip_comes_back_as_a_skip(world: World) -> None:
    (one,) = pushed(world, "itm-1")
    number = world.hands.submit(one.task_key, ADA, None)
    vote = world.votes()[number]
    assert (vote.skipped, vote.decision) == (True, None)


def test_pulling_twice_gives_the_same_bytes(world: World) -> None:
    (one,) = pushed(world, "itm-1")
    world.hands.submit(one.task_key, ADA, APPROVE)
    first: list[RawAnnotation] = list(world.desk.pull(None))
    assert first == list(world.desk.pull(None))
    assert len(first) == 1


def test_an_incremental_pull_leaves_out_what_did_not_change(world: World) -> None:
    (one,) = pushed(world, "itm-1")
    number = world.hands.submit(one.task_key, ADA, APPROVE)
    assert set(world.votes("2025-01-01T00:00:00Z")) == {number}
    assert world.votes("2099-01-01T00:00:00Z") == {}


@pytest.mark.parametrize("voted", [False, True])
def test_a_changed_item_is_a_new_task_and_the_old_one_is_not_offered(world: World, voted: bool) -> None:
    (old,) = pushed(world, "itm-1")
    if voted:
        world.hands.submit(old.task_key, ADA, APPROVE)
    new = task(item("itm-1", request="Where does the tower stand now?"))
    report = world.desk.push([new], read_image)
    assert (report.created, report.superseded) == ((new.task_key,), (old.task_key,))
    assert world.hands.offered(BEN) == {new.task_key}
    assert [vote.task_key for vote in world.votes().values()] == [old.task_key] * voted


def test_an_item_that_goes_back_is_offered_again(world: World) -> None:
    (old,) = pushed(world, "itm-1")
    world.hands.submit(old.task_key, ADA, APPROVE)
    new = task(item("itm-1", request="Where does the tower stand now?"))
    world.desk.push([new], read_image)
    report = world.desk.push([old], read_image)
    assert (report.existing, report.superseded) == ((old.task_key,), (new.task_key,))
    assert world.hands.offered(BEN) == {old.task_key}


def test_a_picture_that_is_not_what_its_name_says_stops_the_push(world: World) -> None:
    unknown = item().images[0].model_copy(update={"sha256": secrets.token_hex(32)})
    one = task(item("itm-1", images=(unknown,)))
    with pytest.raises(IntegrityError, match="name"):
        world.desk.push([one], lambda _: b"\xff\xd8\xff another picture")
    assert world.hands.offered(ADA) == set()
