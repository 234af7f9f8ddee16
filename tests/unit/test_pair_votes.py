"""Pairs before people: nothing is suggested, strangers' text is harmless, answers are read strictly."""

from __future__ import annotations

import json
import re
from typing import Any
from xml.etree import ElementTree

import pytest

from curation.errors import Reason, Rejected
from curation.reviewing.desk import RawAnnotation, raw_annotation
from curation.reviewing.pairs import (
    ANSWERS,
    QUEUE,
    PairTask,
    PairVote,
    pair_data,
    pair_interface,
    parse_pair,
    resolve_pairs,
)
from tests.unit.galleries import asset
from tests.unit.test_markup import HOSTILE, Reader

SHA = "a" * 64


def task(**changes: Any) -> PairTask:
    shelf: dict[str, bytes] = {}
    values = {
        "first": asset("img-a", shelf),
        "second": asset("img-b", shelf),
        "subjects": ("Petra", "Colosseum"),
        "transform": "mirrored left to right",
        "reason": "alike but for a corner",
        "measures": (("structure", "0.91"),),
    }
    return PairTask.model_validate(values | changes)


def raw(
    answer: str | None, number: int = 1, annotator: str = "ada@example.org", **changes: Any
) -> RawAnnotation:
    controls = [{"from_name": "answer", "to_name": "pair", "type": "choices", "value": {"choices": [answer]}}]
    annotation = {
        "id": number,
        "result": controls if answer else [],
        "was_cancelled": answer is None,
        "lead_time": 3.5,
        "updated_at": f"2026-11-23T10:00:{number:02d}.000000Z",
    }
    return raw_annotation(annotation | changes, pair_data(task()), annotator, QUEUE)


def added(name: str, kind: str, value: dict[str, Any]) -> RawAnnotation:
    extra = {"from_name": name, "to_name": "pair", "type": kind, "value": value}
    return raw("same", result=[*json.loads(raw("same").raw)["annotation"]["result"], extra])


def other_task(**keys: object) -> RawAnnotation:
    good = json.loads(raw("same").raw)
    good["task"] |= keys
    return RawAnnotation(
        "1", str(good["task"]["task_key"]), QUEUE, "", "ada@example.org", json.dumps(good).encode()
    )


def vote(answer: str | None, number: int = 1, annotator: str = "ada@example.org") -> PairVote:
    parsed = parse_pair(raw(answer, number, annotator), SHA)
    assert isinstance(parsed, PairVote)
    return parsed


def test_the_interface_offers_what_parsing_allows_and_suggests_nothing() -> None:
    root = ElementTree.fromstring(pair_interface().config)
    (choices,) = [tag for tag in root.iter() if tag.tag == "Choices"]
    assert tuple(tag.attrib["value"] for tag in choices.iter("Choice")) == ANSWERS
    assert choices.attrib["required"] == "true"
    assert "value" not in choices.attrib
    assert all("selected" not in tag.attrib for tag in choices.iter("Choice"))
    assert len({tag.attrib["hotkey"] for tag in choices.iter("Choice")}) == 3
    assert set(re.findall(r"\$(\w+)", pair_interface().config)) <= set(pair_data(task()))


def test_a_task_shows_both_pictures_and_what_was_measured() -> None:
    one = task()
    data = pair_data(one)
    assert one.first.derivative_sha256 in data["pair_html"]
    assert one.second.derivative_sha256 in data["pair_html"]
    read = Reader(data["head_html"] + data["pair_html"])
    for words in ("mirrored left to right", "structure 0.91", "Petra", "Colosseum", "400 × 300 px"):
        assert words in read.text


def test_the_key_depends_on_the_bytes_of_the_two_alone() -> None:
    one = task()
    turned = task(first=one.second, second=one.first, reason="other words", measures=())
    assert one.task_key == turned.task_key
    changed = task(first=one.first.model_copy(update={"sha256": SHA}))
    assert one.task_key != changed.task_key


@pytest.mark.parametrize("hostile", [*HOSTILE, "\u202egpj.exe"])
def test_hostile_text_makes_no_tag(hostile: str) -> None:
    strange = {"author": hostile, "licence": hostile, "source_page": hostile}
    first = asset("img-a", {}, **strange)
    data = pair_data(
        task(first=first, subjects=(hostile, hostile), reason=hostile, measures=((hostile, hostile),))
    )
    read = Reader(data["head_html"] + data["pair_html"])
    assert read.tags == {"div", "span", "figure", "figcaption", "img"}
    assert {name for name, _ in read.attributes} == {"class", "src", "alt", "tabindex"}
    assert "\u202e" not in read.text


def test_an_answer_comes_back_with_its_pair() -> None:
    text = "<script>alert(1)</script>"
    parsed = parse_pair(added("comment", "textarea", {"text": [text]}), SHA)
    assert isinstance(parsed, PairVote)
    assert (parsed.answer, parsed.comment, parsed.annotator) == ("same", text, "ada@example.org")
    keys = pair_data(task())
    assert (parsed.first, parsed.second, parsed.task_key) == (keys["first"], keys["second"], keys["task_key"])
    assert vote(None).answer is None


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (raw("maybe"), "does not offer"),
        (raw("same", result=[]), "answer needs one choice and has 0"),
        (raw("same", id="1"), "annotation.id"),
        (raw("same", lead_time=-1), "lead_time"),
        (added("answer", "choices", {"choices": ["different"]}), "answer comes twice"),
        (added("evil", "choices", {"choices": ["same"]}), "a control is not in the interface"),
        (added("comment", "choices", {"choices": ["same"]}), "another type"),
        (added("comment", "textarea", {"text": ["x" * 2_001]}), "2001 characters"),
        (added("comment", "textarea", {"text": ["a\0b"]}), "null character"),
        (added("comment", "rectangle", {"x": 1}), "annotation.result"),
        (other_task(first="b" * 64), "not of its pair"),
        (other_task(first="../../etc"), "task.first"),
        (other_task(second=None), "task.second"),
        (other_task(task_key="pair-0000000000000000"), "not of its pair"),
        (RawAnnotation("2", "pair-1", QUEUE, "", "ada@example.org", raw("same").raw), "another annotation"),
        (RawAnnotation("1", "pair-1", QUEUE, "", "ada@example.org", b"{"), "not JSON"),
    ],
)
def test_malformed_answers_are_refused_with_the_reason(bad: RawAnnotation, says: str) -> None:
    refused = parse_pair(bad, SHA)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.MALFORMED_ANNOTATION
    assert says in refused.detail


@pytest.mark.parametrize(
    ("votes", "verdict", "says"),
    [
        ([vote("same")], "same", "ada@example.org"),
        ([vote("same"), vote("different", 2)], "different", "ada@example.org"),
        ([vote("same", 3), vote("different", 2)], "same", "ada@example.org"),
        ([vote("same"), vote("same", 2, "ben@example.org")], "same", "ada@example.org, ben@example.org"),
        ([vote("same"), vote("different", 2, "ben@example.org")], None, "disagree"),
        ([vote("same"), vote("cannot tell", 2, "ben@example.org")], "same", "ada@example.org"),
        ([vote("same"), vote(None, 2)], None, "could tell"),
        ([vote("cannot tell")], None, "could tell"),
    ],
)
def test_one_vote_rules_and_people_who_disagree_do_not(
    votes: list[PairVote], verdict: str | None, says: str
) -> None:
    (found,) = resolve_pairs(votes)
    assert found.verdict == verdict
    assert says in found.detail
