"""Pairs in doubt go to the desk once, and what people answer ends in the rulings file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from curation.deduplicating.pairs import DedupeSettings
from curation.deduplicating.rulings import pair_key, read_rulings, rule
from curation.records import Outcome, PairVerdict
from curation.reviewing.desk import PushReport, RawAnnotation, raw_annotation
from curation.reviewing.pairs import QUEUE, PairTask, pair_data
from flows.pairs import pull_pairs, push_pairs
from flows.settings import Settings
from tests.unit.galleries import asset, pair
from warehouse.artefacts import Artefacts
from warehouse.store import open_store, outcome_event, record_event

ADA, BEN = "ada@mmke.example", "ben@mmke.example"


class Desk:
    """Pairs on a table, and the people who sit at it."""

    def __init__(self) -> None:
        self.tasks: dict[str, PairTask] = {}
        self.votes: list[RawAnnotation] = []

    def push(self, tasks: Sequence[PairTask], read_image: Callable[[str], bytes]) -> PushReport:
        new = [task for task in tasks if task.task_key not in self.tasks]
        for task in new:
            assert read_image(task.first.derivative_sha256)
        self.tasks |= {task.task_key: task for task in new}
        return PushReport(
            tuple(task.task_key for task in new), tuple(task.task_key for task in tasks if task not in new)
        )

    def pull(self, since: str | None) -> Iterator[RawAnnotation]:
        assert since is None
        yield from self.votes

    def say(
        self, names: tuple[str, str], answer: str, who: str = ADA, when: str = "2026-11-23T10:00:00Z"
    ) -> None:
        task = next(t for t in self.tasks.values() if {t.first.image_id, t.second.image_id} == set(names))
        control = {"from_name": "answer", "type": "choices", "value": {"choices": [answer]}}
        answered = {
            "id": len(self.votes) + 1,
            "result": [control],
            "was_cancelled": False,
            "updated_at": when,
        }
        self.votes.append(raw_annotation(answered, pair_data(task), who, QUEUE))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project of four pictures, three pairs in doubt and one merged."""
    shelf: dict[str, bytes] = {}
    images = [asset(name, shelf) for name in ("img-a", "img-b", "img-c", "img-d")]
    kept = Artefacts(tmp_path / "home")
    for data in shelf.values():
        kept.put(data)
    pairs = [pair("img-a", "img-b"), pair("img-b", "img-c"), pair("img-c", "img-d")]
    pairs.append(pair("img-a", "img-d", PairVerdict.MERGE))
    with open_store(tmp_path / "home") as store:
        store.append([record_event("image", one.image_id, one) for one in images])
        store.append([record_event("pair", f"{one.first}/{one.second}", one) for one in pairs])
        outcomes = [
            outcome_event("dedupe", one.image_id, Outcome.KEPT, unit="pictures", category="building")
            for one in images
        ]
        store.settle("dedupe", outcomes)
    rulings = tmp_path / "decisions" / "duplicates.toml"
    return Settings(home=tmp_path / "home", dedupe=DedupeSettings(rulings=rulings))


def test_only_pairs_in_doubt_without_a_ruling_are_pushed_and_each_once(settings: Settings) -> None:
    desk = Desk()
    assert len(push_pairs(settings, desk).created) == 3
    assert push_pairs(settings, desk).created == ()
    desk.say(("img-a", "img-b"), "different")
    pull_pairs(settings, desk)
    assert len(push_pairs(settings, desk).existing) == 2


def test_answers_become_rulings_and_are_saved_raw_first(settings: Settings) -> None:
    desk = Desk()
    push_pairs(settings, desk)
    desk.say(("img-a", "img-b"), "same")
    desk.say(("img-b", "img-c"), "same")
    desk.say(("img-b", "img-c"), "different", BEN)
    desk.say(("img-c", "img-d"), "cannot tell")
    (votes, pairs), lines = pull_pairs(settings, desk)
    assert (votes.incoming, votes.kept, pairs.incoming, pairs.kept, pairs.pending) == (4, 4, 3, 1, 2)
    (ruling,) = read_rulings(settings.dedupe.rulings).values()
    assert (ruling.verdict, ruling.who) == ("same", ADA)
    assert "img-a img-b: same, said ada@mmke.example" in lines
    assert any(line.startswith("img-b img-c: people disagree") for line in lines)
    kept = Artefacts(settings.home)
    with open_store(settings.home) as store:
        raw = [kept.get(vote["raw_sha256"]) for vote in store.payloads("pair_vote").values()]
    assert sorted(raw) == sorted(vote.raw for vote in desk.votes)


def test_pulling_again_changes_nothing(settings: Settings) -> None:
    desk = Desk()
    push_pairs(settings, desk)
    desk.say(("img-a", "img-b"), "same")
    first = pull_pairs(settings, desk)
    before = settings.dedupe.rulings.read_bytes()
    again = pull_pairs(settings, desk)
    assert settings.dedupe.rulings.read_bytes() == before
    assert again[0] == first[0]
    assert again[1] == []


def test_what_was_ruled_after_the_vote_stands_and_a_later_vote_replaces_it(settings: Settings) -> None:
    desk, path = Desk(), settings.dedupe.rulings
    push_pairs(settings, desk)
    desk.say(("img-a", "img-b"), "same", when="2026-11-23T10:00:00Z")
    task = next(iter(desk.tasks.values()))
    key = pair_key(task.first.sha256, task.second.sha256)
    rule(path, *key, "different", who="curator", when="2026-11-23T12:00:00+01:00")
    pull_pairs(settings, desk)
    assert read_rulings(path)[key].who == "curator"
    desk.say(("img-a", "img-b"), "same", when="2026-11-23T11:00:01Z")
    pull_pairs(settings, desk)
    assert (read_rulings(path)[key].verdict, read_rulings(path)[key].who) == ("same", ADA)


def test_a_malformed_annotation_is_counted_and_said(settings: Settings) -> None:
    desk = Desk()
    push_pairs(settings, desk)
    desk.say(("img-a", "img-b"), "perhaps")
    (votes, _), lines = pull_pairs(settings, desk)
    assert (votes.incoming, votes.kept, votes.rejected) == (1, 0, {"malformed_annotation": 1})
    assert "does not offer" in lines[0]
    assert not settings.dedupe.rulings.exists()


def test_a_pair_whose_picture_is_gone_is_not_asked(settings: Settings) -> None:
    with open_store(settings.home) as store:
        kept = [
            outcome_event("dedupe", name, Outcome.KEPT, unit="pictures", category="building")
            for name in ("img-a", "img-b", "img-c")
        ]
        store.settle("dedupe", kept)
    desk = Desk()
    assert len(push_pairs(settings, desk).created) == 2
